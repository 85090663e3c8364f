"""A trainer that stops before a step would spoil the model, and the refusal that names the rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_miwv.common.errors import InputError
from hf_miwv.common.trainer.checkpoints import MARK

MAX_NAMED_ROWS = 8  # in a message


class NotFiniteError(Exception):
    """Report a loss, a gradient or weights that are no numbers.

    Attributes:
        reason (`str`): Which of them, with the value.
        step (`int`): The optimizer step that was to be taken, from 1.
        sequences (`list[np.ndarray]`): Token ids of each sequence of that step; none for weights.
    """

    def __init__(self, reason: str, step: int, sequences: list[np.ndarray]) -> None:
        super().__init__(reason)
        self.reason, self.step, self.sequences = reason, step, sequences


class FiniteSteps:
    """Refuse every step that would spoil the model; for a Trainer class, as a base class before it.

    The loss of each batch and the norm of the gradient are looked at before the optimizer takes its
    step, the weights before they are saved: a step can spoil them without the next loss being
    computed. transformers itself goes on, and logs a mean of earlier losses in the place of NaN.
    With fp16 the loss scaler skips steps whose gradient is not finite, and they are no fault.

    Raises:
        NotFiniteError: a loss, a gradient or weights are no numbers.
    """

    _batches: list[Any]

    def training_step(self: Any, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
        """Compute the gradients of one batch, as the Trainer does; the loss must be finite.

        Args:
            model (`torch.nn.Module`): The model.
            inputs (`dict[str, Any]`): The batch.
            num_items_in_batch (`Any`, *optional*): Labeled tokens of the step, as the Trainer counts them.

        Returns:
            `torch.Tensor`: The loss.

        Raises:
            NotFiniteError: the loss is no number.
        """
        # With gradient accumulation a step has several batches, and any of them may be the cause.
        # A mapping is copied, because trainers take keys out of it.
        kept = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self._batches = [*getattr(self, "_batches", ()), kept]
        loss = super().training_step(model, inputs, num_items_in_batch)  # type: ignore[misc]
        if not torch.isfinite(loss).all():
            raise NotFiniteError(
                f"the loss is {float(loss)}", self.state.global_step + 1, self.sequences_of(self._batches)
            )
        return loss

    def _get_grad_norm(self: Any, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm)  # type: ignore[misc]
        batches, self._batches = self._batches, []
        if not self.args.fp16 and norm is not None and not math.isfinite(float(norm)):
            raise NotFiniteError(
                f"the norm of the gradient is {float(norm)}",
                self.state.global_step + 1,
                self.sequences_of(batches),
            )
        return norm

    def sequences_of(self: Any, batches: Sequence[Any]) -> list[np.ndarray]:
        """Return the token ids of each sequence of the batches, without padding.

        Args:
            batches (`Sequence[Any]`): Batches as `training_step` got them.

        Returns:
            `list[np.ndarray]`: The ids.
        """
        return _sequences(batches)

    def _save_checkpoint(self: Any, *args: Any, **kwargs: Any) -> None:
        self.check_weights()
        super()._save_checkpoint(*args, **kwargs)  # type: ignore[misc]

    def check_weights(self: Any) -> None:
        """Check that the trained weights of this process are numbers.

        Raises:
            NotFiniteError: some are not.
        """
        for name, weights in self.model.named_parameters():
            if not weights.requires_grad or not weights.is_floating_point():
                continue
            local = weights.to_local() if hasattr(weights, "to_local") else weights  # a shard
            if not torch.isfinite(local).all():
                raise NotFiniteError(f"after it the weights {name} are no numbers", self.state.global_step, [])


def _sequences(batches: Sequence[Mapping[str, Any]]) -> list[np.ndarray]:
    """Return the token ids of each sequence, without padding; flattened batches are cut apart."""
    sequences = []
    for batch in batches:
        ids = batch["input_ids"].cpu().numpy()
        if "attention_mask" in batch:
            masks = batch["attention_mask"].cpu().numpy().astype(bool)
            sequences += [row[mask] for row, mask in zip(ids, masks, strict=True)]
        else:
            # Flattened batches have no mask: each sequence begins where the positions start again from 0.
            starts = np.flatnonzero(batch["position_ids"][0].cpu().numpy() == 0)[1:]
            sequences += np.split(ids[0], starts)
    return sequences


def explain_not_finite(
    error: NotFiniteError, rows: Iterable[str], checkpoint: str | None, restart: str = ""
) -> InputError:
    """Make the refusal that names the rows of the step and the checkpoint to resume from.

    Args:
        error (`NotFiniteError`): The trainer's error.
        rows (`Iterable[str]`): Name of each sequence of the step, in words.
        checkpoint (`str`, *optional*): Name of the newest whole checkpoint, None where there is none.
        restart (`str`, *optional*, defaults to `""`): Advice on how to begin anew, in brackets behind the rest.

    Returns:
        `InputError`: The refusal, to be raised.
    """
    names = list(rows)
    if more := len(names) - MAX_NAMED_ROWS:
        names = names[:MAX_NAMED_ROWS] + ([f"and {more} more"] if more > 0 else [])
    stopped = "before the weights changed" if error.sequences else "before they were saved"
    kept = f"{checkpoint} is kept" if checkpoint else "there was no checkpoint yet"
    look = "Look at these rows of the batch, or give" if names else "Give"
    return InputError(
        f"step {error.step}: {error.reason}; stopped {stopped}, and {kept}. {look} a lower "
        f"learning_rate, a longer warm-up or bf16 in place of fp16{restart}"
        + (":\n  " + "\n  ".join(names) if names else "")
    )


def name_of_newest(checkpoints: Path) -> str | None:
    """Name the newest whole checkpoint in a folder.

    Args:
        checkpoints (`Path`): The folder.

    Returns:
        `str | None`: The name; None where there is none.
    """
    whole = [folder for folder in checkpoints.glob("checkpoint-*") if (folder / MARK).exists()]
    newest = max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)
    return None if newest is None else newest.name
