"""The print of an evaluation by direction: a line for each group, and not for 234 directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.training.watching.watched_figures import NAMES, RATES
from hf_miwv.common.trainer.training_table import TrainingTable

SHOWN = ("loss", *NAMES.values())  # by group
GROUPED = (*SHOWN, *RATES.values())


class GroupTable(TrainingTable):
    """Print the groups of an evaluation; directions and tiers go to `report_to` and its files alone."""

    def evaluation_lines(self, figures: Mapping[str, Any]) -> list[str]:
        """Write a line for each group: scores and losses; then rates over all where they are not 0.

        Args:
            figures (`Mapping[str, Any]`): Figures whose names begin with `eval_`.

        Returns:
            `list[str]`: The lines.
        """
        kept = brief(figures)
        lines = []
        for group in COLUMNS:
            names = [name for name in SHOWN if f"eval_{name}_{group}" in kept]
            if names:
                scores = ", ".join(f"{name} {kept.pop(f'eval_{name}_{group}'):.4g}" for name in names)
                lines.append(f"{group}: {scores}")
        return [*lines, *super().evaluation_lines(kept)]


def brief(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the numbers of single directions and tiers, rates of groups, and rates of 0.

    Args:
        logs (`Mapping[str, Any]`): A log of the trainer.

    Returns:
        `dict[str, Any]`: The rest.
    """
    kept = dict(logs)
    for name in GROUPED:
        head = f"eval_{name}_"
        groups = [f"{head}{group}" for group in (COLUMNS if name in SHOWN else ["overall"])]
        for key in [key for key in kept if key.startswith(head)]:
            if key not in groups or (name not in SHOWN and not kept[key]):
                del kept[key]
    return kept
