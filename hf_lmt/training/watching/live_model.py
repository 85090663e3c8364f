"""The trainer's model as it stands: what it writes for rows, and how probable it finds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hf_lmt.data.method.prompts import as_text
from hf_lmt.training.watching.sample import WatchedRow
from hf_lmt.translation.lengths import length_cap
from hf_lmt.translation.prompt_registry import PromptStyle, find_style
from hf_lmt.translation.requests import Request, Translation, check_hints, check_request
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.generation import plan_batches
from hf_miwv.common.models.row_tokens import encode
from hf_miwv.common.runs.processes import gather_dict
from hf_miwv.common.trainer.live_trainer import processes_of, tokenizer_of, undisturbed
from hf_miwv.losses.losses import ResponseLosses, Tree


@contextmanager
def unwrapped_for_evaluation(trainer: Any) -> Iterator[Any]:
    """Yield the trainer's model without what data-parallel training puts around it, to be read only.

    It is in evaluation mode, so without dropout and gradient checkpointing, under the trainer's
    own mixed precision and with its adapters; modes and random states are put back afterwards.

    Args:
        trainer (`Trainer`): The running trainer.

    Yields:
        `Any`: The model.
    """
    model = trainer.accelerator.unwrap_model(trainer.model)
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with undisturbed(model), trainer.accelerator.autocast():
            yield model
    finally:
        for module in training:
            module.training = True


def style_of(prompt: str | PromptStyle | None, form: str | None, tokenizer: Any) -> PromptStyle:
    """Return the prompt that is meant, as in `prompt_registry.find_style`.

    Args:
        prompt (`str | PromptStyle | None`): Name of a wording, or a style, which is taken as it is; None for that
            of the tokenizer.
        form (`str | None`): "conversation" or "text"; by default that which the tokenizer can write.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.

    Returns:
        `PromptStyle`: The style.

    Raises:
        InputError: it is unknown, or the tokenizer cannot write it.
    """
    if not isinstance(prompt, PromptStyle):
        return find_style(prompt, form, None, tokenizer)
    return find_style(None, form, prompt, tokenizer)


class LiveTranslator:
    """Translates the same rows whenever it is called, all processes together.

    The rows are dealt out by tokens, so that each is translated once, and every process gets all
    translations. They are `Translator`'s for the same rows: from the fields, padded on the left.

    Args:
        trainer (`Trainer`): The trainer whose model translates.
        rows (`Sequence[WatchedRow]`): The rows to translate.
        style (`PromptStyle`): The prompt.
        beams (`int`): Beams of the search, 1 for greedy search.
        hints (`str`): "none", "self" or "given".
        max_new_tokens (`int`): Tokens of a translation, at most.
        batch_tokens (`int | None`): Tokens of a batch, as in `Translator`.

    Raises:
        InputError: settings that the Translator refuses; hints="given" without an auxiliary.
    """

    def __init__(
        self,
        trainer: Any,
        rows: Sequence[WatchedRow],
        style: PromptStyle,
        *,
        beams: int,
        hints: str,
        max_new_tokens: int,
        batch_tokens: int | None,
    ) -> None:
        self._trainer, self._style = trainer, style
        self._settings: dict[str, Any] = {
            "num_beams": beams,
            "hints": hints,
            "max_new_tokens": max_new_tokens,
            "batch_tokens": batch_tokens,
        }
        self._requests = [Request(row.source, *row.direction, row.auxiliary, row.auxiliary_lang) for row in rows]
        _check_settings(self._requests, style, beams, hints, max_new_tokens)
        tokenizer = tokenizer_of(trainer)
        self._sizes = np.array(
            [
                len(style.ids(tokenizer, row.source, *row.direction))
                + length_cap(row.source, *row.direction, max_new_tokens)
                for row in rows
            ]
        )

    def __call__(self) -> list[Translation]:
        """Return (N,) translations of the rows, on every process."""
        processes = processes_of(self._trainer)
        dealt = processes.deal(self._sizes).tolist()
        with unwrapped_for_evaluation(self._trainer) as model:
            stream = self._translator(model).stream([self._requests[row] for row in dealt])
            gathered = gather_dict(processes, dict(zip(dealt, stream, strict=True)))
        return [gathered[row] for row in range(len(self._requests))]

    def _translator(self, model: Any) -> Translator:
        tokenizer, form = tokenizer_of(self._trainer), self._style.form
        translator = Translator(model, tokenizer, form=form, **self._settings)
        translator.style = self._style
        return translator


class LiveLosses:
    """Teacher-forced losses of the same rows whenever it is called, all processes together.

    Prompt and target are tokenized apart and joined; what ends a turn is not scored (as in
    `hf_miwv`). Rows that are longer than the model's context are left out: `too_long` of them.

    Args:
        trainer (`Trainer`): The trainer whose model is asked.
        rows (`Sequence[WatchedRow]`): The rows with their targets.
        style (`PromptStyle`): The prompt.
        batch_tokens (`int | None`): Tokens of a batch; by default what suits the trainer's device.

    Raises:
        InputError: every row is longer than the model's context.
    """

    def __init__(self, trainer: Any, rows: Sequence[WatchedRow], style: PromptStyle, batch_tokens: int | None) -> None:
        self._trainer, tokenizer = trainer, tokenizer_of(trainer)
        trees = {number: _tree(row, style, tokenizer) for number, row in enumerate(rows)}
        model = trainer.accelerator.unwrap_model(trainer.model)
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        self._trees = {number: tree for number, tree in trees.items() if context is None or len(tree.ids) <= context}
        self.too_long = len(trees) - len(self._trees)
        self._batch_tokens = batch_tokens or default_batch_tokens(trainer.args.device)
        if not self._trees:
            raise InputError(f"all {len(rows)} evaluation rows are longer than the model's {context} tokens")

    def __call__(self) -> dict[int, tuple[float, int]]:
        """Return number of a row -> nats of its target in total, and tokens, on every process."""
        processes, numbers = processes_of(self._trainer), list(self._trees)
        sizes = [self._trees[number].tokens for number in numbers]
        dealt = [numbers[index] for index in processes.deal(np.array(sizes)).tolist()]
        loss_of_row: dict[int, tuple[float, int]] = {}
        with unwrapped_for_evaluation(self._trainer) as model:
            losses = ResponseLosses(model)
            with losses.ready():
                for batch in self._batches(dealt):
                    trees = [self._trees[number] for number in batch]
                    for number, mean in zip(batch, losses(trees).tolist(), strict=True):
                        size = self._trees[number].response
                        loss_of_row[number] = mean * size, size
            return gather_dict(processes, loss_of_row)

    def _batches(self, numbers: Sequence[int]) -> Iterator[list[int]]:
        lengths = [self._trees[number].tokens for number in numbers]
        for batch_indices in plan_batches(lengths, [0] * len(lengths), 1, self._batch_tokens):
            yield [numbers[index] for index in batch_indices]


def _check_settings(
    requests: Sequence[Request], style: PromptStyle, beams: Any, hints: str, max_new_tokens: Any
) -> None:
    for name, number in (("num_beams", beams), ("max_new_tokens", max_new_tokens)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise InputError(f"{name} {number!r}: give a whole number, 1 or more")
    if check_hints(hints) != "none" and not style.hints:
        raise InputError(f"hints {hints!r}: the prompt {style.name!r} has no form for them")
    if hints == "given" and not any((request.auxiliary or "").strip() for request in requests):
        raise InputError("hints 'given': no row has an auxiliary; give 'none' or 'self'")
    for request in requests:
        check_request(request, hints)


def _tree(row: WatchedRow, style: PromptStyle, tokenizer: Any) -> Tree:
    prompt = style.ids(tokenizer, row.source, *row.direction)
    text = as_text("", row.target)["completion"] if style.form == "text" else row.target
    target = encode(tokenizer, [text])[0]
    return Tree(prompt + target, len(target))
