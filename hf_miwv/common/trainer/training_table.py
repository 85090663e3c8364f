"""The prints of a training: a row for each logged step, a line for each evaluation, and one bar."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from tqdm.auto import tqdm
from transformers import PrinterCallback, ProgressCallback

COLUMNS = {"loss": "loss", "learning_rate": "learning rate", "grad_norm": "gradient norm", "epoch": "epoch"}
"""Key of a log -> its heading; all others go to `report_to` and the trainer's state, as ever."""
SPEED = ("runtime", "samples_per_second", "steps_per_second")  # of an evaluation; no figures of the model

logger = logging.getLogger(__name__)


class TrainingTable(ProgressCallback):
    """Stand in for transformers' bar, which prints each log as a dict.

    The bar is only there on a terminal, and where the trainer's `disable_tqdm` is off.
    """

    columns: ClassVar[Mapping[str, str]] = COLUMNS
    _heading_due = True

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Open the bar."""
        if state.is_world_process_zero:
            shown = sys.stderr.isatty() and not args.disable_tqdm
            self.training_bar: Any = tqdm(total=state.max_steps, desc="training", unit="step", disable=not shown)
            self.current_step = 0

    def on_prediction_step(self, args: Any, state: Any, control: Any, eval_dataloader: Any = None, **_: Any) -> None:
        """Show no second bar."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Print a row of the table, or the lines of an evaluation."""
        if not state.is_world_process_zero or not logs:
            return
        if "loss" in logs:
            if self._heading_due:
                self._print(f"{'step':>12}" + "".join(f"{heading:>15}" for heading in self.columns.values()))
                self._heading_due = False
            step = f"{state.global_step}/{state.max_steps}"
            self._print(f"{step:>12}" + "".join(f"{_short(logs.get(key)):>15}" for key in self.columns))
        elif lines := self.evaluation_lines({key: value for key, value in logs.items() if key.startswith("eval_")}):
            self._print(f"evaluation after step {state.global_step}:")
            for line in lines:
                self._print(f"  {line}")
            self._heading_due = True

    def evaluation_lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Write the figures of an evaluation, a line for each group of them.

        Args:
            figures (`Mapping[str, Any]`): Figures whose names begin with `eval_`.

        Returns:
            `list[str]`: The lines; none where there is nothing to say.
        """
        named = {key.removeprefix("eval_"): value for key, value in figures.items()}
        shown = [f"{key} {_short(value)}" for key, value in named.items() if key not in SPEED]
        return [", ".join(shown)] if shown else []

    def _print(self, line: str) -> None:
        if self.training_bar is not None and not self.training_bar.disable:
            self.training_bar.write(line, file=sys.stderr)
        else:
            logger.info(line)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | int) else "" if value is None else str(value)


def print_as_table(trainer: Any, table: type[TrainingTable] = TrainingTable) -> None:
    """Put a table in the place of the trainer's bar or its printed dicts; a notebook keeps what it has.

    Args:
        trainer (`Trainer`): The trainer.
        table (`type[TrainingTable]`, *optional*): The class of the table.
    """
    for plain in (ProgressCallback, PrinterCallback):
        if trainer.pop_callback(plain) is not None:
            trainer.add_callback(table())
            return
