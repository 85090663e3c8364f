"""The model in this process: token ids of prompts in, texts out."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from hf_lmt.translation.decoding import decode, sharing_obstacle
from hf_lmt.translation.store import Entry
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.end_tokens import end_tokens
from hf_miwv.common.models.generation import generate_padded
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.runs.fingerprints import model_fingerprint

CPU_BATCH_TOKENS = 32_768  # some 20 sentences with 5 beams; our choice
ACCELERATOR_BATCH_TOKENS = 131_072

logger = logging.getLogger(__name__)


class Backend(Protocol):
    """A text generator: `beams` wide, in batches of `batch_tokens`, within a context of `context`."""

    beams: int
    batch_tokens: int
    context: int | None

    def made_by(self) -> Mapping[str, Any]:
        """Return all that a text hangs on beside its prompt and cap."""
        ...

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
        """Translate prompts, each up to its cap of new tokens.

        Args:
            prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
            caps (`Sequence[int]`): (R,) tokens that each text may have.

        Returns:
            `list[Entry]`: (R,) text, status ("ok" or "capped") and tokens.
        """
        ...


class TransformersBackend:
    """A loaded model: beams that share a cache where it allows that, else `generate`.

    The text ends at an end token of the model, and in form "text" also at the first line break,
    because a base model goes on with the next example; so it is one line. The checkpoint's own
    generation settings (sampling, penalties) are left out, but for its end tokens.

    Args:
        model (`PreTrainedModel`): The model, in evaluation mode.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        form (`str`): "conversation" or "text".
        beams (`int`): Beams of the search, 1 for greedy search.
        batch_tokens (`int | None`): Tokens of a batch, as in `plan_batches`; None for what suits the device
            (CPU_BATCH_TOKENS, ACCELERATOR_BATCH_TOKENS).

    Raises:
        InputError: beams below 1, or no end token.
    """

    def __init__(self, model: Any, tokenizer: Any, form: str, beams: int, batch_tokens: int | None) -> None:
        if beams < 1:
            raise InputError(f"num_beams {beams}: give 1 for greedy search, or more")
        self._model, self._tokenizer, self.beams = model, tokenizer, beams
        ends = set(end_tokens(model, tokenizer))
        self._ends = sorted(ends | line_breaks(tokenizer) if form == "text" else ends)
        self._form = form
        device = model.get_input_embeddings().weight.device.type
        self.batch_tokens = batch_tokens or (CPU_BATCH_TOKENS if device == "cpu" else ACCELERATOR_BATCH_TOKENS)
        config = model.config.get_text_config()
        self.context = getattr(config, "max_position_embeddings", None)
        self._obstacle = sharing_obstacle(model)
        if self._obstacle:
            logger.warning("slower, by generate: beams do not share a cache: %s", self._obstacle)

    def made_by(self) -> Mapping[str, Any]:
        """Return the settings that decide about translations, for the store and the record."""
        return {
            "backend": "transformers",
            "model": model_fingerprint(self._model),
            "beams": self.beams,
            "ends": self._ends,
        }

    def write(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
        """Translate prompts, each up to its cap of new tokens.

        Args:
            prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
            caps (`Sequence[int]`): (R,) tokens that each text may have.

        Returns:
            `list[Entry]`: (R,) text, status ("ok" or "capped") and tokens.
        """
        run = self._generate if self._obstacle else self._decode
        return [read_entry(self._tokenizer, ids, self._ends, self._form) for ids in run(prompts, caps)]

    def _decode(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[list[int]]:
        return decode(self._model, prompts, caps, self._ends, self.beams)

    def _generate(self, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[list[int]]:
        """Call `generate` of transformers, each row up to its own cap."""
        settings = GenerationConfig(
            do_sample=False,
            num_beams=self.beams,
            max_new_tokens=max(caps),
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
        )
        stopping = StoppingCriteriaList([_Caps(caps, max(map(len, prompts)))])
        written = generate_padded(self._model, prompts, settings, stopping_criteria=stopping)
        return [self._until_end(row[:cap]) for row, cap in zip(written, caps, strict=True)]

    def _until_end(self, ids: list[int]) -> list[int]:
        ends = set(self._ends)
        return next((ids[: at + 1] for at, token in enumerate(ids) if token in ends), ids)


def read_entry(tokenizer: Any, ids: list[int], ends: Collection[int], form: str) -> Entry:
    """Return text, status ("ok" or "capped") and tokens of what a model wrote.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of the model.
        ids (`list[int]`): (T,) token ids, the end token included.
        ends (`Collection[int]`): Token ids that end a text.
        form (`str`): "conversation" or "text", where the text ends at the first line break.

    Returns:
        `Entry`: The text without white space around it, the status, and the number of ids.
    """
    ended = bool(ids) and ids[-1] in ends
    text = tokenizer.decode(ids, skip_special_tokens=True)
    if form == "text":
        text = text.partition("\n")[0]
    return text.strip(), "ok" if ended else "capped", len(ids)


class _Caps(StoppingCriteria):
    """Ends each row at its own cap; beams and candidates of a row lie next to each other."""

    def __init__(self, caps: Sequence[int], width: int) -> None:
        self._caps, self._width = torch.tensor(caps), width

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        done = self._caps.to(input_ids.device) <= input_ids.shape[1] - self._width
        return done.repeat_interleave(len(input_ids) // len(done))


def line_breaks(tokenizer: Any) -> set[int]:
    """Find the tokens whose text has a line break.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `set[int]`: Their ids, without those of special tokens.
    """
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    special = set(tokenizer.all_special_ids)
    return {token for token, text in enumerate(texts) if "\n" in text and token not in special}


def write_halving(backend: Backend, prompts: Sequence[list[int]], caps: Sequence[int]) -> list[Entry]:
    """Call `backend.write`, in halves where the batch does not fit into memory.

    Args:
        backend (`Backend`): The backend.
        prompts (`Sequence[list[int]]`): (R,) prompts as token ids.
        caps (`Sequence[int]`): (R,) tokens that each text may have.

    Returns:
        `list[Entry]`: (R,) text, status and tokens.

    Raises:
        InputError: a single prompt does not fit.
    """
    try:
        return backend.write(prompts, caps)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if len(prompts) == 1:
            raise InputError(
                f"a prompt of {len(prompts[0])} tokens does not fit into memory; give fewer "
                "--num-beams, a smaller --max-new-tokens, --dtype bfloat16, or another --device"
            ) from error
    half = len(prompts) // 2
    logger.warning("%d prompts do not fit into memory at once; going on with halves", len(prompts))
    return [
        *write_halving(backend, prompts[:half], caps[:half]),
        *write_halving(backend, prompts[half:], caps[half:]),
    ]
