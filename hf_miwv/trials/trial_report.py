"""Measurements of all arms -> comparisons, what could have been seen, and the verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hf_miwv.trials.arms import Arm
from hf_miwv.trials.differences import (
    detectable,
    difference_of,
    holm,
    rows_needed,
    seeds_needed,
    spread_of,
)
from hf_miwv.trials.trial_record import Compared, Measurement, Seen

LEVEL = 0.05  # of the corrected p-values
SIZES = (0.01, 0.02, 0.05)  # differences asked about, as shares of the mean of random rows
BETTER, WORSE, NO_DIFFERENCE = "better", "worse", "no difference seen"


class Measured(NamedTuple):
    """Hold one measurement of every arm.

    Attributes:
        values (`Mapping[str, np.ndarray]`): Name of an arm -> (S, R) float64 by seed and held-out row, nan where
            there is none.
        untuned (`np.ndarray`, *optional*): (R,) of the model before any tuning.
        lower_is_better (`bool`): True of losses, False of answers that are right.
        unit (`str`): In words.
    """

    values: Mapping[str, np.ndarray]
    untuned: np.ndarray | None
    lower_is_better: bool
    unit: str

    def usable(self) -> np.ndarray:
        """Return (R,) bool: the rows that every arm has a value for, with every seed."""
        return np.isfinite(np.concatenate(list(self.values.values()))).all(axis=0)


def describe_measurement(measured: Measured) -> Measurement:
    """Count the rows of a measurement, and take the mean of the untuned model over those that are used.

    Args:
        measured (`Measured`): The measurement.

    Returns:
        `Measurement`: For the record.
    """
    usable = measured.usable()
    untuned = None if measured.untuned is None else float(np.mean(measured.untuned[usable]))
    return {
        "rows": int(usable.sum()),
        "left_out": int((~usable).sum()),
        "lower_is_better": measured.lower_is_better,
        "unit": measured.unit,
        "untuned": untuned,
    }


def compare_arms(name: str, measured: Measured, arms: Sequence[Arm]) -> list[Compared]:
    """Compare each method with its control, over the rows that all arms have a value for.

    The p-values are corrected together by Holm's rule: the comparisons are those that were fixed beforehand, one
    for each method.

    Args:
        name (`str`): Name of the measurement.
        measured (`Measured`): Values of every arm.
        arms (`Sequence[Arm]`): The arms.

    Returns:
        `list[Compared]`: One for each arm with a control, in their order.
    """
    usable = measured.usable()
    pairs = {arm.name: arm.control for arm in arms if arm.control is not None}
    spread = spread_of([measured.values[arm.name][:, usable] for arm in arms if arm.control is None])
    differences = {
        method: difference_of((measured.values[method] - measured.values[control])[:, usable], spread.seeds)
        for method, control in pairs.items()
    }
    corrected = holm({method: difference.p for method, difference in differences.items()})
    return [
        {
            "measurement": name,
            "method": method,
            "control": pairs[method],
            "mean": difference.mean,
            "interval": [difference.low, difference.high],
            "p": difference.p,
            "corrected_p": corrected[method],
            "verdict": _verdict(difference.mean, corrected[method], measured.lower_is_better),
        }
        for method, difference in differences.items()
    ]


def means_by_group(
    measured: Measured, arms: Sequence[Arm], groups: Sequence[str]
) -> dict[str, dict[str, float | int | None]]:
    """Take each method's mean difference from its control within groups of rows; without a test.

    Args:
        measured (`Measured`): Values of every arm.
        arms (`Sequence[Arm]`): The arms.
        groups (`Sequence[str]`): (R,) the group of each row.

    Returns:
        `dict[str, dict[str, float | int | None]]`: Group -> "rows" and, by method, the mean; groups in the order
        of their names.
    """
    usable, labels = measured.usable(), np.array(groups)
    means: dict[str, dict[str, float | int | None]] = {}
    for group in sorted(set(groups)):
        members = usable & (labels == group)
        means[group] = {"rows": int(members.sum())}
        for arm in arms:
            if arm.control is not None:
                difference = (measured.values[arm.name] - measured.values[arm.control])[:, members]
                means[group][arm.name] = float(difference.mean()) if members.any() else None
    return means


def detectable_difference(name: str, measured: Measured, arms: Sequence[Arm]) -> Seen:
    """Say from the spread of the random arms how small a difference could be seen, and what others would need.

    Args:
        name (`str`): Name of the measurement.
        measured (`Measured`): Values of every arm.
        arms (`Sequence[Arm]`): The arms.

    Returns:
        `Seen`: `detectable` in the unit of the measurement; in `needs` for each of SIZES the size, the seeds with as
        many rows, and the rows with as many seeds (None where no number would do).
    """
    usable = measured.usable()
    chance = [measured.values[arm.name][:, usable] for arm in arms if arm.control is None]
    spread, level = spread_of(chance), float(np.mean([values.mean() for values in chance]))
    seeds, rows = chance[0].shape
    return {
        "measurement": name,
        "detectable": detectable(spread, seeds, rows),
        "needs": [
            {
                "share": share,
                "size": share * level,
                "seeds": seeds_needed(spread, rows, share * level),
                "rows": rows_needed(spread, seeds, share * level),
            }
            for share in SIZES
        ],
    }


def verdict_in_words(comparisons: Sequence[Compared], seen: Seen | None) -> str:
    """Write the verdict on the primary measurement.

    Args:
        comparisons (`Sequence[Compared]`): Those of the primary measurement.
        seen (`Seen`, *optional*): How small a difference could be seen of it, where that is known.

    Returns:
        `str`: One or two sentences.
    """
    by_verdict = {
        verdict: [compared["method"] for compared in comparisons if compared["verdict"] == verdict]
        for verdict in (BETTER, WORSE)
    }
    parts = [
        f"{', '.join(methods)}: {verdict} than random rows{_of_same_lengths(comparisons)}"
        for verdict, methods in by_verdict.items()
        if methods
    ]
    if not parts:
        limit = ""
        if seen is not None:
            size = f"{seen['detectable']:.3g}"
            limit = f" This trial would have seen one of {size} four times out of five; a smaller one may exist."
        return f"No difference from random rows{_of_same_lengths(comparisons)} was seen, by any method.{limit}"
    others = [compared["method"] for compared in comparisons if compared["verdict"] == NO_DIFFERENCE]
    return "; ".join(parts) + (f"; no difference seen: {', '.join(others)}." if others else ".")


def _of_same_lengths(comparisons: Sequence[Compared]) -> str:
    return " of the same lengths" if all(":" in compared["control"] for compared in comparisons) else ""


def _verdict(mean: float, p: float, lower_is_better: bool) -> str:
    if p >= LEVEL:
        return NO_DIFFERENCE
    return BETTER if (mean < 0) == lower_is_better else WORSE
