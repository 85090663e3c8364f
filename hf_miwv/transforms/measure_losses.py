"""The map transform that runs the model: both losses of each row, over one batch of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from functools import cached_property, partial
from typing import Any, cast

import numpy as np
from accelerate.utils.memory import clear_device_cache

from hf_miwv.common.errors import InputError
from hf_miwv.common.former_names import former_names, loaded_in
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.models.models import LoadedModel, length_limit, load_model
from hf_miwv.common.models.quantization import quantization_by
from hf_miwv.common.models.vocabulary import check_tables
from hf_miwv.losses.batch_plan import BatchPlan
from hf_miwv.losses.demonstrations import Passes, build_passes
from hf_miwv.losses.losses import ResponseLosses, Tree
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize
from hf_miwv.transforms.base import (
    DEMONSTRATION,
    LOCATION,
    RENDERED,
    Batch,
    PromptTransform,
    prompt_texts,
    read_examples,
    refuse_taken,
    score_columns,
    take,
)

MEASURED = ("loss_zero_shot", "loss_one_shot", "response_tokens", "miwv_status")


@former_names({"attention": "attn_implementation", "quantization": loaded_in})
@dataclass
class MeasureLosses(PromptTransform):
    """Add both losses of each row, in mean nats per response token, and what became of it.

    Zero-shot is L(y|x), one-shot L(y|x,C) with the attached demonstration C, over the same
    response tokens (arXiv 2511.07074); null where there is none, and `miwv_status` says why.
    `miwv_flags` is completed.

    Examples:
        >>> MeasureLosses("Qwen/Qwen3-0.6B-Base")(attached[:1])                # doctest: +SKIP
        {'loss_zero_shot': [1.62], 'loss_one_shot': [1.21], 'response_tokens': [12],
         'miwv_status': ['ok'], 'miwv_flags': [[]]}

    Args:
        model (`str`): The causal LM that will be tuned: a Hub id, a folder or a GGUF file, loaded at
            the first batch.
        template (`str`, *optional*): As it was set for RenderPrompts.
        columns (`Mapping[str, str]`, *optional*): As they were set for RenderPrompts.
        revision (`str`, *optional*): Branch, tag or commit of the model on the Hub.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Run code that comes with the model.
        date (`str`, *optional*): As it was set for RenderPrompts.
        dtype (`str`, *optional*, defaults to `"auto"`): Data type of the weights, such as "bfloat16";
            "auto" is the checkpoint's.
        attn_implementation (`str`, *optional*, defaults to `"auto"`): Attention implementation: "sdpa", "eager",
            "flash_attention_2", ...; "auto" is the library's choice.
        load_in_4bit (`bool`, *optional*, defaults to `False`): Weights in 4 bits (NF4, bitsandbytes).
        load_in_8bit (`bool`, *optional*, defaults to `False`): Weights in 8 bits (bitsandbytes).
        max_length (`int`, *optional*): Tokens of a sequence; by default 2,048, or the model's limit if
            that is smaller.
        batch_tokens (`int`, *optional*): Tokens of a forward pass, padding included; by default 1,024
            on the CPU, else 16,384. Not part of the fingerprint. The rows of a map batch are run in
            falling length, and in smaller parts where memory does not suffice.
        device (`str`, *optional*): Where to run the model; by default the accelerator at hand, else the
            CPU. Not part of the fingerprint.

    Raises:
        InputError: No demonstrations, prompts rendered by another template, no such model, or
            `num_proc`, which would load the model in every process.
    """

    _: KW_ONLY
    dtype: str = "auto"
    attn_implementation: str = "auto"
    load_in_4bit: bool = False
    load_in_8bit: bool = False
    max_length: int | None = None
    batch_tokens: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise InputError(f"batch_tokens {self.batch_tokens}: give 1 or more")

    @cached_property
    def _loaded(self) -> LoadedModel:
        self.refuse_worker()
        self.check_unchanged()
        return load_model(
            self.model,
            revision=self.revision,
            dtype=self.dtype,
            attn_implementation=self.attn_implementation,
            device=self.device,
            trust_remote_code=self.trust_remote_code,
            quantization=quantization_by(self.load_in_4bit, self.load_in_8bit),
        )

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Return the new columns of B rows: losses, token counts, statuses and flags, (B,) each."""
        refuse_taken(batch, MEASURED)
        attached = take(batch, "miwv_flags", "AttachDemonstration")
        passes = self._passes(batch)
        model, rows = self._loaded.model, len(attached)
        tables = [passes.zero_shot, passes.responses, passes.one_shot]
        check_tables(model, self._loaded.tokenizer, tables, partial(_row_words, rows))
        tokens = self.batch_tokens or default_batch_tokens(model.device)
        losses = run_passes(model, passes, tokens).reshape(2, -1)[:, :rows]
        zero_shot, one_shot = np.where(np.isfinite(losses), losses, np.nan)
        miwv = one_shot - zero_shot
        states = zip(passes.status[:rows], miwv, strict=True)
        flags = zip(passes.flags[:rows], attached, strict=True)
        return score_columns(
            {
                "loss_zero_shot": zero_shot.tolist(),
                "loss_one_shot": one_shot.tolist(),
                "response_tokens": passes.responses.lengths[:rows].tolist(),
                "miwv_status": [
                    "not_finite" if state == "ok" and np.isnan(score) else state for state, score in states
                ],
                "miwv_flags": [[*pass_flags, *attached_flags] for pass_flags, attached_flags in flags],
            }
        )

    def _passes(self, batch: Batch) -> Passes:
        shape = recognize(list(batch), self.columns)
        examples = read_examples(batch, shape)
        demonstrations = read_examples(batch, shape, DEMONSTRATION)
        model, tokenizer, _ = self._loaded
        prompts = self.prompts(tokenizer, shape, examples)
        # The neighbors were found by these texts: with another template the losses would be of other prompts.
        _check_rendered(take(batch, RENDERED, "RenderPrompts"), prompt_texts(prompts, examples))
        limit = length_limit(model, self.max_length)
        return batch_passes(examples, demonstrations, prompts, limit)


def batch_passes(
    examples: Sequence[Example],
    demonstrations: Sequence[Example],
    prompts: Prompts,
    max_length: int,
) -> Passes:
    """Build the passes of B rows, and behind them B demonstrations, which get no passes.

    Args:
        examples (`Sequence[Example]`): (B,) the rows.
        demonstrations (`Sequence[Example]`): (B,) the demonstration of each row.
        prompts (`Prompts`): The template with its tokenizer.
        max_length (`int`): Tokens of a sequence, at most.

    Returns:
        `Passes`: Zero-shot and one-shot passes of 2 B rows, those of the demonstrations empty.

    Raises:
        InputError: A row or demonstration that the template refuses.
    """
    rows = [*examples, *demonstrations]
    table = TokenizedRows(cast(Rows, rows))  # a list does what is asked of Rows there
    for index, (example, tokens) in enumerate(zip(rows, prompts.encode(rows), strict=True)):
        if tokens.fault is not None:
            raise InputError(f"{LOCATION}: row {index % len(examples)}: {tokens.fault}")
        table.append(example, tokens)
    # demonstrations have no passes of their own
    table.empty[len(examples) :] = [True] * len(demonstrations)
    # AttachDemonstration knows the duplicates, and has flagged them
    table.duplicate = [False] * len(rows)
    # Row i's neighbor is its demonstration, which stands B rows behind it in the same table.
    neighbors = np.roll(np.arange(len(rows)), len(examples))
    return build_passes(table, neighbors, prompts, max_length, progress=False)


def run_passes(model: Any, passes: Passes, batch_tokens: int) -> np.ndarray:
    """Compute the mean nats per response token of each pass alone; nan for those that cannot be run.

    Args:
        model (`PreTrainedModel`): The causal LM.
        passes (`Passes`): P passes.
        batch_tokens (`int`): Tokens of a forward pass, padding included.

    Returns:
        `np.ndarray`: (P,) float64, nats per response token.

    Raises:
        InputError: A single pass does not fit into memory.
    """
    lengths = passes.lengths
    losses_by_pass = np.full(len(lengths), np.nan)
    runnable = np.flatnonzero(lengths)
    plan = BatchPlan.new(lengths[runnable], batch_tokens)
    losses = ResponseLosses(model)
    start = 0
    with losses.ready():
        while start < len(runnable):
            end = plan.batch_end(start)
            numbers = runnable[plan.order[start:end]]
            try:
                losses_by_pass[numbers] = losses([Tree(*passes[int(number)]) for number in numbers])
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                # Out of memory: halve the rest of the plan and try the same pass again in a smaller batch.
                clear_device_cache()
                if not plan.halve(start):
                    raise InputError(
                        f"{lengths[numbers[0]]} tokens do not fit into memory at once; give a "
                        'smaller max_length, dtype="bfloat16" or another device'
                    ) from error
                continue
            start = end
    return losses_by_pass


def _row_words(rows: int, index: int) -> str:
    """Name a pass in messages: behind the passes of the rows come those of the demonstrations."""
    if index < rows:
        return f"{LOCATION}: row {index}"
    return f"{LOCATION}: the demonstration of row {index - rows}"


def _check_rendered(rendered: Sequence[str], texts: Sequence[str]) -> None:
    for index, (rendered_text, text) in enumerate(zip(rendered, texts, strict=True)):
        if rendered_text != text:
            raise InputError(
                f"{LOCATION}: row {index}: {RENDERED!r} is not what this MeasureLosses renders; give "
                "it the model, template and columns that RenderPrompts had"
            )
