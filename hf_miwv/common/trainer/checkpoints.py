"""Checkpoints of a killed training run: which are whole, and can be resumed from."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from hf_miwv.common.runs.flushing import flush_all
from hf_miwv.common.runs.processes import Processes

MARK = "whole"  # an empty file, written last

logger = logging.getLogger(__name__)


class EndsAtItsLastStep:
    """End a run that is resumed behind its last step; for a Trainer class, as a base class before it.

    transformers would take one more step before it looks whether any is left, or whether a callback
    has stopped the training as it began.
    """

    def _run_epoch(self: Any, *args: Any, **kwargs: Any) -> None:
        ended = self.state.global_step >= self.state.max_steps
        if ended or self.control.should_training_stop:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)  # type: ignore[misc]


class ResumesInTheSameDtypes:
    """Keep the dtypes of trained weights when a checkpoint is loaded; for a Trainer class, as a base class before it.

    TRL trains adapters on quantized weights in bfloat16, and PEFT loads every adapter as float32: a run that was
    killed would go on in another precision, and to other weights.
    """

    def _load_from_checkpoint(self: Any, *args: Any, **kwargs: Any) -> None:
        dtypes = {name: tensor.dtype for name, tensor in self.model.named_parameters() if tensor.requires_grad}
        super()._load_from_checkpoint(*args, **kwargs)  # type: ignore[misc]
        for name, tensor in self.model.named_parameters():
            tensor.data = tensor.data.to(dtypes.get(name, tensor.dtype))


class MarkWhole(TrainerCallback):
    """Mark each checkpoint once every process has written its part of it to the disk.

    The trainer writes a checkpoint file by file under its final name, so that a kill leaves a torn
    one, and `get_last_checkpoint` takes the highest number, whole or not.

    Args:
        processes (`Processes`): The processes that train together.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Wait for every process, then mark the checkpoint."""
        self._processes.gather(None)
        if self._processes.first:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            # The mark may not reach the disk before the files that it vouches for.
            flush_all(folder)
            (folder / MARK).touch()
            flush_all(folder)


def newest_whole_checkpoint(folder: Path, processes: Processes) -> str | None:
    """Find the checkpoint to resume from, and remove torn ones.

    Args:
        folder (`Path`): The trainer's folder of checkpoints.
        processes (`Processes`): The processes that train together; the first decides.

    Returns:
        `str | None`: The checkpoint's path; None to begin anew.
    """
    if processes.first and folder.exists():
        for checkpoint in folder.glob("checkpoint-*"):
            if not (checkpoint / MARK).exists():
                shutil.rmtree(checkpoint)
    newest_here = get_last_checkpoint(str(folder)) if processes.first and folder.exists() else None
    newest = processes.agree(newest_here)
    if newest is not None:
        logger.info("going on from %s", Path(newest).name)
    return newest
