"""Translator: a model, and texts in any of its directions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, overload

from hf_lmt.translation.documents import Piece, join_document, split_document
from hf_lmt.translation.hints import Hint, find_hints
from hf_lmt.translation.lengths import MAX_NEW_TOKENS, length_cap
from hf_lmt.translation.open_backend import open_backend
from hf_lmt.translation.requests import (
    Request,
    Status,
    Translation,
    check_hints,
    check_request,
    requests_of,
)
from hf_lmt.translation.writer import Notify, Writer
from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names, loaded_in
from hf_miwv.common.models.quantization import quantization_by
from hf_miwv.common.models.template_errors import ChatTemplateError
from hf_miwv.common.models.vocabulary import check_ids

BLOCK = 1024  # requests that are sorted and decoded together; ours
WORST: tuple[Status, ...] = ("too_long", "capped", "ok")

Texts = list[str] | tuple[str, ...]
Auxiliary = tuple[str, str] | None  # language, sentence


@former_names({"beams": "num_beams", "quantization": loaded_in})
class Translator:
    """Translate texts with a causal language model, deterministically.

    Examples:
        >>> translator = Translator("NiuTrans/LMT-60-0.6B")                       # doctest: +SKIP
        >>> translator("Hello", src_lang="en", tgt_lang="kk")                         # doctest: +SKIP
        >>> translator(["Hello", "Danke"], src_lang=["en", "de"], tgt_lang="zh")      # doctest: +SKIP

    Texts of all directions are decoded together, longest first, and come back in their order. A
    text without letters is not sent to the model and stays empty. What batch a text is in makes no
    difference but where two continuations are equally probable to the last digits.

    Args:
        model (`str | Path | PreTrainedModel`): Hub id (also with a revision, OWNER/NAME@REVISION),
            folder, GGUF file, or a loaded model with `tokenizer`. Id and folder may be those of a PEFT
            adapter.
        tokenizer (`PreTrainedTokenizerBase`, *optional*): The tokenizer of a loaded model.
        revision (`str`, *optional*): Branch, tag or commit of a model on the Hub.
        dtype (`str`, *optional*, defaults to `"auto"`): Data type of the weights, for a model by name.
        device (`str`, *optional*): Where to run a model loaded by name.
        load_in_4bit (`bool`, *optional*, defaults to `False`): Weights in 4 bits (NF4, bitsandbytes), for a
            model by name.
        load_in_8bit (`bool`, *optional*, defaults to `False`): Weights in 8 bits.
        backend (`str`, *optional*, defaults to `"transformers"`): "transformers"; from a name only, "vllm"
            (in this process) or "openai" (a server that runs already).
        base_url (`str`, *optional*): Address of that server, http://HOST:8000/v1.
        num_beams (`int`, *optional*, defaults to `5`): Beams of the search; 5 as in arXiv 2511.07003, 1 for
            greedy search.
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of a translation, at most; the
            default is the paper's.
        length_caps (`bool`, *optional*, defaults to `True`): Whether short sources get fewer tokens
            (`lengths.length_cap`).
        hints (`str`, *optional*, defaults to `"none"`): "none"; "self", a translation into a third
            language by the same model (PMP-S); or "given" (PMP-O). A call may say otherwise.
        prompt (`str`, *optional*): A name in `prompt_registry.STYLES`; by default the prompt that the
            model was trained with where it says so, else "lmt".
        form (`str`, *optional*): "conversation" or "text"; by default the form that the model was
            trained with where it says so.
        batch_tokens (`int`, *optional*): Tokens of a batch, as in `plan_batches`.
        work (`str | Path`, *optional*): A folder to keep finished texts in, and to take them from.

    Attributes:
        counts (`Counter[str]`): Requests by status, `hinted`, `hint_...` dropped ones, and `tokens`
            written.
        seconds (`float`): Time spent in writing them.
        commit (`str`, *optional*): Commit of the model on the Hub, where that is known.

    Raises:
        InputError: A model, name or number that cannot be used.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        load_in_4bit: bool = False,
        load_in_8bit: bool = False,
        backend: str = "transformers",
        base_url: str | None = None,
        num_beams: int = 5,
        max_new_tokens: int = MAX_NEW_TOKENS,
        length_caps: bool = True,
        hints: str = "none",
        prompt: str | None = None,
        form: str | None = None,
        batch_tokens: int | None = None,
        work: str | Path | None = None,
    ) -> None:
        if max_new_tokens < 1:
            raise InputError(f"max_new_tokens {max_new_tokens}: give 1 or more")
        quantization = quantization_by(load_in_4bit, load_in_8bit)
        self.hints = check_hints(hints)
        self._max_new_tokens, self._length_caps = max_new_tokens, length_caps
        self.counts: Counter[str] = Counter()
        self.seconds = 0.0
        opened = open_backend(
            backend,
            model,
            tokenizer,
            revision=revision,
            dtype=dtype,
            device=device,
            quantization=quantization,
            beams=num_beams,
            batch_tokens=batch_tokens,
            prompt=prompt,
            form=form,
            base_url=base_url,
        )
        self.tokenizer, self.style, self.commit = opened.tokenizer, opened.style, opened.commit
        self._model = opened.model  # None where another engine has it, which checks the prompts' ids itself
        self._writer = Writer(opened.backend, Path(work) if work is not None else None, self.counts)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **arguments: Any) -> Translator:
        """Load a model by name; the same as the class itself, under the name that the libraries use.

        Args:
            pretrained_model_name_or_path (`str | Path`): Hub id, folder or GGUF file.
            **arguments (`Any`): Arguments of the class.

        Returns:
            `Translator`: The translator.

        Raises:
            InputError: A model, name or number that cannot be used.
        """
        return cls(pretrained_model_name_or_path, **arguments)

    @overload
    def __call__(
        self,
        texts: str,
        src_lang: str,
        tgt_lang: str,
        *,
        hints: str | None = None,
        auxiliaries: Sequence[Auxiliary] | None = None,
    ) -> str: ...

    @overload
    def __call__(
        self,
        texts: Texts,
        src_lang: str | Sequence[str],
        tgt_lang: str | Sequence[str],
        *,
        hints: str | None = None,
        auxiliaries: Sequence[Auxiliary] | None = None,
    ) -> list[str]: ...

    @former_names({"source": "src_lang", "target": "tgt_lang"})
    def __call__(
        self,
        texts: str | Texts,
        src_lang: str | Sequence[str],
        tgt_lang: str | Sequence[str],
        *,
        hints: str | None = None,
        auxiliaries: Sequence[Auxiliary] | None = None,
    ) -> str | list[str]:
        """Translate a text, or each of a list; `stream` returns more than the texts.

        Args:
            texts (`str | list[str] | tuple[str, ...]`): A text, or N texts.
            src_lang (`str | Sequence[str]`): Code of the language of all texts, such as "kk", or (N,) codes.
            tgt_lang (`str | Sequence[str]`): Code of the language to translate into, or (N,) codes.
            hints (`str`, *optional*): "none", "self" or "given"; by default that of the Translator.
            auxiliaries (`Sequence[tuple[str, str] | None]`, *optional*): For hints="given", a language and
                a sentence for each text, or None.

        Returns:
            `str | list[str]`: The translation; of a list, (N,) translations.

        Raises:
            InputError: An unknown language, both the same, lists of other lengths.
        """
        several = [texts] if isinstance(texts, str) else texts
        requests = list(requests_of(several, src_lang, tgt_lang, auxiliaries))
        translations = [translation.text for translation in self.stream(requests, hints=hints)]
        return translations[0] if isinstance(texts, str) else translations

    def stream(
        self,
        requests: Iterable[Request],
        *,
        hints: str | None = None,
        notify: Notify | None = None,
    ) -> Iterator[Translation]:
        """Translate each request, in their order, BLOCK by BLOCK as they are done.

        Only a block is held in memory.

        Args:
            requests (`Iterable[Request]`): The requests.
            hints (`str`, *optional*): "none", "self" or "given"; by default that of the Translator.
            notify (`Callable[[int], Any]`, *optional*): Called with the number of requests of each part that
                was finished.

        Yields:
            `Translation`: The translation of the next request.

        Raises:
            InputError: As `__call__`, when the block with the request is reached.
        """
        hint_mode = self._checked_hint_mode(hints)
        remaining = iter(requests)
        while block := list(islice(remaining, BLOCK)):
            # All of a block is checked before any of it is written: a fault in
            # its last request costs no translating.
            for request in block:
                check_request(request, hint_mode)
            began = perf_counter()
            translations = self._translate(block, hint_mode, notify or _quiet)
            self.seconds += perf_counter() - began
            for translation in translations:
                self._count(translation)
                yield translation

    def describe(self) -> dict[str, Any]:
        """Return the settings that the texts depend on beside their sources, for the record of a run."""
        style = self.style
        return {
            "made_by": dict(self._writer.backend.made_by()),
            "max_new_tokens": self._max_new_tokens,
            "length_caps": self._length_caps,
            "prompt": {"name": style.name, "form": style.form, "sha256": style.sha256},
        }

    def close(self) -> None:
        """Close the file of finished texts."""
        self._writer.close()

    def _checked_hint_mode(self, hints: str | None) -> str:
        hint_mode = check_hints(self.hints if hints is None else hints)
        if hint_mode != "none" and not self.style.hints:
            raise InputError(
                f"hints {hint_mode!r}: the prompt {self.style.name!r} has no form for them; leave them "
                "out, or give another prompt"
            )
        return hint_mode

    def _translate(self, block: Sequence[Request], hint_mode: str, notify: Notify) -> list[Translation]:
        pieces = [
            split_document(request.source, request.source_lang, request.target_lang)
            if request.document
            else [(request.source, bool(request.source.strip()))]
            for request in block
        ]
        sentences = [
            Request(text, request.source_lang, request.target_lang, request.auxiliary, request.auxiliary_lang)
            for request, parts in zip(block, pieces, strict=True)
            for text, is_sentence in parts
            if is_sentence
        ]
        plain = [Hint()] * len(sentences)
        # A hint by the same model is a plain translation into the third
        # language, so it is written first, without a hint.
        hints = find_hints(sentences, hint_mode, lambda some: self._write(some, plain[: len(some)], _quiet))
        # Sentences of a document are no requests, so with documents the block is counted when it is done.
        has_documents = any(request.document for request in block)
        written = iter(self._write(sentences, hints, _quiet if has_documents else notify))
        translations = []
        for request, parts in zip(block, pieces, strict=True):
            done = [next(written) for _, is_sentence in parts if is_sentence]
            translations.append(_joined(request, parts, done))
        notify(len(block) if has_documents else len(block) - len(sentences))
        return translations

    def _write(self, requests: Sequence[Request], hints: Sequence[Hint], notify: Notify) -> list[Translation]:
        """Return the model's text for each request, with its hint."""
        prompts, caps = [], []
        context = self._writer.backend.context
        for request, hint in zip(requests, hints, strict=True):
            auxiliary = (hint.language, hint.text) if hint.language and hint.text else None
            try:
                prompt = self.style.ids(
                    self.tokenizer, request.source, request.source_lang, request.target_lang, auxiliary
                )
            except ChatTemplateError as fault:
                raise InputError(f"text {request.source[:60]!r}: {fault}") from fault
            cap = self._max_new_tokens
            if self._length_caps:
                cap = length_cap(request.source, request.source_lang, request.target_lang, cap)
            if self._model is not None:
                check_ids(self._model, self.tokenizer, prompt, f"text {request.source[:60]!r}")
            prompts.append(prompt)
            # The prompt may leave less room than the cap; where it leaves none, the writer answers "too_long".
            caps.append(cap if context is None else min(cap, context - len(prompt)))
        entries = self._writer.write(prompts, caps, notify)
        return [
            Translation(text, status, tokens, hint.text, hint.language, hint.tokens, hint.dropped)
            for (text, status, tokens), hint in zip(entries, hints, strict=True)
        ]

    def _count(self, translation: Translation) -> None:
        self.counts[translation.status] += 1
        self.counts["hinted"] += translation.hint is not None
        if translation.hint_dropped:
            self.counts[f"hint_{translation.hint_dropped}"] += 1


def _quiet(count: int) -> None:
    """Notify nobody."""


def _joined(request: Request, pieces: Sequence[Piece], done: Sequence[Translation]) -> Translation:
    """Join the translation of a request from those of its sentences."""
    if not done:
        return Translation(request.source if request.document else "", "empty")
    if not request.document:
        return done[0]
    return Translation(
        join_document(pieces, [" ".join(part.text.splitlines()) for part in done]),
        next(status for status in WORST if any(part.status == status for part in done)),
        sum(part.tokens for part in done),
        " ".join(part.hint for part in done if part.hint) or None,
        next((part.hint_lang for part in done if part.hint), None),
        sum(part.hint_tokens for part in done),
        next((part.hint_dropped for part in done if part.hint_dropped), None),
    )
