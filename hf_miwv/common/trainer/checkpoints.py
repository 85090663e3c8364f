"""Which checkpoints of a killed training run are whole, and so can be gone on from."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from hf_miwv.common.runs.folder import flush_all
from hf_miwv.common.runs.processes import Processes

MARK = "whole"  # an empty file, written last

logger = logging.getLogger(__name__)


class EndsAtItsLastStep:
    """For a Trainer class, before it: a run that goes on from its last step has none left.

    transformers would take one more before it looks whether there are any, or whether a callback
    has stopped the training as it began.
    """

    def _run_epoch(self: Any, *places: Any, **given: Any) -> None:
        ended = self.state.global_step >= self.state.max_steps
        if ended or self.control.should_training_stop:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*places, **given)  # type: ignore[misc]


class MarkWhole(TrainerCallback):
    """Marks each checkpoint once every process has written its part of it to the disk.

    The trainer writes a checkpoint file by file under its final name, so that a kill leaves a torn
    one, and `get_last_checkpoint` takes the highest number, whole or not.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._processes.gather(None)
        if self._processes.first:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            flush_all(folder)
            (folder / MARK).touch()
            flush_all(folder)


def newest_whole_checkpoint(folder: Path, processes: Processes) -> str | None:
    """The checkpoint to go on from, None to begin; torn ones are removed."""
    if processes.first and folder.exists():
        for checkpoint in folder.glob("checkpoint-*"):
            if not (checkpoint / MARK).exists():
                shutil.rmtree(checkpoint)
    found = get_last_checkpoint(str(folder)) if processes.first and folder.exists() else None
    newest = processes.agree(found)
    if newest is not None:
        logger.info("going on from %s", Path(newest).name)
    return newest
