"""The trainer with the guard against steps that spoil the model; and why memory ran out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import SFTTrainer

from hf_lmt.data.prepare.row_batches import BATCH
from hf_lmt.recipes.launch import COPY, Launch
from hf_lmt.training.prepared_rows import describe
from hf_lmt.training.segment_attention import within_sequences
from hf_miwv.common.errors import InputError
from hf_miwv.common.trainer.checkpoints import EndsAtItsLastStep, ResumesInTheSameDtypes
from hf_miwv.common.trainer.finite_steps import FiniteSteps


class WatchedTrainer(EndsAtItsLastStep, ResumesInTheSameDtypes, FiniteSteps, SFTTrainer):
    """Train as SFTTrainer, and stop before a step by a gradient that is no number.

    Flattened batches have the attention of `segment_attention`.
    """

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Run a training step with attention inside each sequence of a flattened batch.

        Args:
            model (`torch.nn.Module`): As in `Trainer.training_step`.
            inputs (`dict[str, Any]`): As there.
            num_items_in_batch (`torch.Tensor`, *optional*): As there.

        Returns:
            `torch.Tensor`: The loss.
        """
        with within_sequences(self.accelerator.unwrap_model(model), inputs):
            return super().training_step(model, inputs, num_items_in_batch)


def name_sequences(sequences: Sequence[np.ndarray], tokens: Dataset, rows: Dataset, tokenizer: Any) -> list[str]:
    """Name the row behind each sequence for messages, identified by its very ids; else quote its beginning.

    Args:
        sequences (`Sequence[np.ndarray]`): S sequences of token ids.
        tokens (`Dataset`): The tokenized rows.
        rows (`Dataset`): The rows.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer.

    Returns:
        `list[str]`: S names.
    """
    row_of_sequence = _rows_of_sequences(sequences, tokens)
    return [
        describe(rows[row_of_sequence[number]])
        if number in row_of_sequence
        else f"a text that begins {tokenizer.decode(ids[:24])[:60]!r}"
        for number, ids in enumerate(sequences)
    ]


def _rows_of_sequences(sequences: Sequence[np.ndarray], tokens: Dataset) -> dict[int, int]:
    """Return {number of the sequence: its row}, by the very ids; read once, batch by batch."""
    number_of_ids = {ids.astype(np.int32).tobytes(): number for number, ids in enumerate(sequences)}
    sequence_lengths = np.unique([len(ids) for ids in sequences])
    row_of_sequence: dict[int, int] = {}
    for batch in tokens.with_format("arrow").iter(BATCH):
        column = batch["input_ids"].combine_chunks()
        offsets, flat = column.offsets.to_numpy(), column.values.to_numpy()
        for position in np.flatnonzero(np.isin(np.diff(offsets), sequence_lengths)).tolist():
            key = flat[offsets[position] : offsets[position + 1]].tobytes()
            if key in number_of_ids:
                row_of_sequence.setdefault(number_of_ids[key], batch["row"][position].as_py())
    return row_of_sequence


def explain_out_of_memory(arguments: Any, longest: int, model: Mapping[str, Any], launch: Launch) -> InputError:
    """Say how much memory was held, and what to lower, the cheapest first.

    Args:
        arguments (`trl.SFTConfig`): Settings of the run.
        longest (`int`): Tokens of the longest sequence.
        model (`Mapping[str, Any]`): The recipe's keys of trl.ModelConfig.
        launch (`Launch`): Processes and sharding.

    Returns:
        `InputError`: The error to raise.
    """
    rows_per_device, steps = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    advice = []
    if rows_per_device > 1:
        advice.append(
            f"per_device_train_batch_size: {rows_per_device // 2} in place of {rows_per_device} (with accumulation "
            f"{steps * rows_per_device / (rows_per_device // 2):g} the steps stay the same)"
        )
    if not arguments.gradient_checkpointing:
        advice.append("activation_checkpointing: true")
    completion = getattr(arguments, "max_completion_length", None)
    if completion is None:
        advice.append(f"a max_length below {longest}, the longest sequence")
    else:
        batches = arguments.steps_per_generation
        if batches > 1:
            advice.append(
                f"steps_per_generation: {batches // 2} in place of {batches}, with save_steps to match: fewer "
                "completions are written at once"
            )
        advice.append(f"a max_completion_length below {completion}; another device for the reward model")
    if not model.get("use_peft"):
        advice.append("use_peft: true (LoRA), with load_in_4bit: true (QLoRA)")
    elif not model.get("load_in_4bit"):
        advice.append("load_in_4bit: true (QLoRA)")
    if launch.processes > 1 and not launch.sharded:
        advice.append(f"the launch file fsdp2.yaml, which cuts the weights into shards (`{COPY}/fsdp2`)")
    return InputError(
        f"out of memory with {rows_per_device} rows of at most {longest} tokens on a device ({launch.words})"
        f"{_held()}; finished checkpoints are kept. Give, the cheapest first:\n  " + "\n  ".join(advice)
    )


def _held() -> str:
    """Say how much memory of the GPU was held at most; nothing on the CPU."""
    if not torch.cuda.is_available():
        return ""
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    peak = torch.cuda.max_memory_allocated()
    return f": {peak / 2**30:.1f} of {total / 2**30:.1f} GiB were held at most"
