"""How long a training took, over all starts that it needed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

FILE = "seconds"  # in each checkpoint


class Clock(TrainerCallback):
    """Counts from when it is made, on top of what stands in the checkpoint that is gone on from.

    What a killed start did after its last checkpoint is lost, with its time.

    Args:
        first (`bool`, *optional*, defaults to `True`): Whether this is the process that writes.
    """

    def __init__(self, first: bool = True) -> None:
        self._began, self._earlier, self._first = time.monotonic(), 0.0, first

    @property
    def seconds(self) -> float:
        """Return the seconds of training, those before a resumption among them."""
        return self._earlier + time.monotonic() - self._began

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Take up the seconds that the checkpoint recorded."""
        path = _file(args, state)
        if state.global_step and path.is_file():
            self._earlier = float(path.read_text("utf-8"))

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Record the seconds beside the checkpoint, on the first process."""
        if self._first:
            _file(args, state).write_text(f"{self.seconds:.3f}\n", "utf-8")


def _file(args: Any, state: Any) -> Path:
    return Path(args.output_dir) / f"checkpoint-{state.global_step}" / FILE
