"""The trainer, stopping before a step that would spoil the model; and why memory ran out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import SFTTrainer

from hf_lmt.data.prepare.batches import BATCH
from hf_lmt.errors import InputError
from hf_lmt.training.launch import Launch
from hf_lmt.training.rows import describe
from hf_lmt.training.segment_attention import within_sequences
from hf_miwv.training.checkpoints import EndsAtItsLastStep

SHOWN = 8  # rows that a message names


class NotFiniteError(Exception):
    """A loss or gradient that is no number, and the sequences of the step: lists of token ids."""

    def __init__(self, what: str, step: int, sequences: list[np.ndarray]) -> None:
        super().__init__(what)
        self.what, self.step, self.sequences = what, step, sequences


class WatchedTrainer(EndsAtItsLastStep, SFTTrainer):
    """SFTTrainer that raises NotFiniteError before the optimizer takes a step by such a gradient.

    With fp16 the loss scaler skips such steps by itself, and they are no fault. Flattened batches
    have the attention of `segment_attention`.
    """

    _batches: list[Mapping[str, Any]]

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        self._batches = [*getattr(self, "_batches", ()), dict(inputs)]
        with within_sequences(self.accelerator.unwrap_model(model), inputs):
            loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss).all():
            raise NotFiniteError(
                f"the loss is {float(loss)}", self._step, _sequences(self._batches)
            )
        return loss

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)
        batches, self._batches = self._batches, []
        if not self.args.fp16 and norm is not None and not np.isfinite(float(norm)):
            raise NotFiniteError(
                f"the norm of the gradient is {float(norm)}", self._step, _sequences(batches)
            )
        return norm

    @property
    def _step(self) -> int:
        return self.state.global_step + 1


def _sequences(batches: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
    """The token ids of each sequence, without padding; flattened batches are cut apart."""
    found = []
    for batch in batches:
        ids = batch["input_ids"].cpu().numpy()
        if "attention_mask" in batch:
            lengths = batch["attention_mask"].sum(-1).tolist()
            found += [row[:length] for row, length in zip(ids, lengths, strict=True)]
        else:
            starts = np.flatnonzero(batch["position_ids"][0].cpu().numpy() == 0)[1:]
            found += np.split(ids[0], starts)
    return found


def explain_not_finite(
    error: NotFiniteError, tokens: Dataset, rows: Dataset, tokenizer: Any, kept: str | None
) -> InputError:
    """The refusal that names the rows of the step and what is left to go on from.

    Args:
        kept: the newest whole checkpoint, None where there is none.
    """
    places = _places(error.sequences, tokens)
    named = [
        describe(rows[places[number]])
        if number in places
        else f"a text that begins {tokenizer.decode(ids[:24])[:60]!r}"
        for number, ids in enumerate(error.sequences)
    ]
    shown = named[:SHOWN] + ([f"and {len(named) - SHOWN} more"] if len(named) > SHOWN else [])
    left = f"{kept} is kept" if kept else "there was no checkpoint yet"
    return InputError(
        f"step {error.step}: {error.what}; stopped before the weights changed, and {left}. Look at "
        "these rows of the batch, or give a lower learning_rate, a longer warm-up or bf16 in place "
        "of fp16 (with another output_dir):\n  " + "\n  ".join(shown)
    )


def _places(sequences: Sequence[np.ndarray], tokens: Dataset) -> dict[int, int]:
    """{number of the sequence: its row}, by the very ids; read once, batch by batch."""
    wanted = {ids.astype(np.int32).tobytes(): number for number, ids in enumerate(sequences)}
    lengths_wanted = np.unique([len(ids) for ids in sequences])
    found: dict[int, int] = {}
    for batch in tokens.with_format("arrow").iter(BATCH):
        column = batch["input_ids"].combine_chunks()
        offsets, flat = column.offsets.to_numpy(), column.values.to_numpy()
        for place in np.flatnonzero(np.isin(np.diff(offsets), lengths_wanted)).tolist():
            key = flat[offsets[place] : offsets[place + 1]].tobytes()
            if key in wanted:
                found.setdefault(wanted[key], batch["row"][place].as_py())
    return found


def explain_out_of_memory(
    arguments: Any, longest: int, model: Mapping[str, Any], launch: Launch
) -> InputError:
    """What was held, and what to lower, the cheapest first.

    Args:
        arguments: trl.SFTConfig of the run.
        longest: tokens of the longest sequence.
        model: the recipe's keys of trl.ModelConfig.
    """
    each, steps = arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps
    advice = []
    if each > 1:
        advice.append(
            f"per_device_train_batch_size: {each // 2} in place of {each} (with accumulation "
            f"{steps * each / (each // 2):g} the steps stay the same)"
        )
    if not arguments.gradient_checkpointing:
        advice.append("activation_checkpointing: true")
    advice.append(f"a max_length below {longest}, the longest sequence")
    if not model.get("use_peft"):
        advice.append("use_peft: true (LoRA), with load_in_4bit: true (QLoRA)")
    elif not model.get("load_in_4bit"):
        advice.append("load_in_4bit: true (QLoRA)")
    if launch.processes > 1 and not launch.sharded:
        advice.append("recipes/accelerate/fsdp2.yaml, which cuts the weights into shards")
    return InputError(
        f"out of memory with {each} rows of at most {longest} tokens on a device ({launch.words})"
        f"{_held()}; finished checkpoints are kept. Give, the cheapest first:\n  "
        + "\n  ".join(advice)
    )


def _held() -> str:
    if not torch.cuda.is_available():
        return ""
    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    most = torch.cuda.max_memory_allocated()
    return f": {most / 2**30:.1f} of {total / 2**30:.1f} GiB were held at most"
