"""The bar of a training, and what is printed beside it of an evaluation by direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import ProgressCallback

from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.training.watching.watched_figures import NAMES, RATES

SHOWN = ("loss", *NAMES.values())  # by group
GROUPED = (*SHOWN, *RATES.values())


class Progress(ProgressCallback):
    """transformers' own, which prints each log as it is: with 234 directions, a page of numbers.

    Here the directions and tiers are left out of what is printed; they go to `report_to` and to the
    files of the evaluation as before.
    """

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Show the figures of a step, shortened."""
        super().on_log(args, state, control, logs=brief(logs or {}), **kwargs)


def brief(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Without the numbers of single directions and tiers, and rates of groups, and rates of 0."""
    kept = dict(logs)
    for name in GROUPED:
        head = f"eval_{name}_"
        groups = [f"{head}{group}" for group in (COLUMNS if name in SHOWN else ["overall"])]
        for key in [key for key in kept if key.startswith(head)]:
            if key not in groups or (name not in SHOWN and not kept[key]):
                del kept[key]
    return kept


def show_briefly(trainer: Any) -> None:
    """Put `Progress` in the place of the trainer's own bar, where it has one."""
    if trainer.pop_callback(ProgressCallback) is not None:
        trainer.add_callback(Progress())
