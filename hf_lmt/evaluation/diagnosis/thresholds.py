"""From where on a change is worth a verdict: the one table, with the reason for each number.

A change counts when it is at least as large as its threshold and, besides, further from zero than
`margin_for` half-widths of its 95 % interval. The first keeps what is certain but does not matter
from being called a failure; the second, four standard deviations and more, keeps the many
comparisons that are made (up to 17 groups and 234 directions, each by 9 measures) from adding up to
false alarms.

Measured by benchmarks/false_alarms.py on 23 November 2026: two equally good systems made of
NTREX-128's references (12 directions x 171 lines, chrF++ 66), resampled 200 times with a bootstrap
of 200 each, gave 1 alarm: 0.5 %, 95 % CI 0.01 to 2.8 %. On 226 directions x 100 lines 2 of 60 did:
3.3 %, 95 % CI 0.4 to 11.5 % (4 with a margin of 2, which is why it grows with the comparisons).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from scipy.stats import norm

from hf_lmt.evaluation.metrics.confidence import Comparison

MARGIN = 2.0  # half-widths; the least
FAMILY = 0.01  # chance that any of all comparisons is that far up, were they normal
ROWS = 20  # of a direction; fewer cannot make a verdict about it alone


class Threshold(NamedTuple):
    """Hold from which change on a measure counts.

    Attributes:
        group (`float`): Least change of a mean over the directions of a group.
        direction (`float`): Least change of one direction.
        absolute (`float`, *optional*): For an evaluation without another beside it, the least value: its
            interval as a whole is to lie above. None where a value alone says nothing.
        reason (`str`): The measure in words, and what the numbers rest on.
    """

    group: float
    direction: float
    absolute: float | None
    reason: str


THRESHOLDS: Mapping[str, Threshold] = {
    "quality": Threshold(
        1.0,
        3.0,
        None,
        "points of chrF++ (of chrF, spBLEU or BLEU where that is "
        "not there). One direction is a noisier figure than a mean over many. For scale: all "
        "reverse data against 5 % of it costs 4 to 14 points of COMET in arXiv 2511.07003.",
    ),
    "fan_in": Threshold(
        0.02,
        0.10,
        0.05,
        "identical outputs for different sources; those whose "
        "references are identical, too, do not count, so references themselves have none",
    ),
    "unrelated": Threshold(
        0.10,
        0.30,
        0.50,
        "outputs with no more in common with their reference "
        "than with other sentences of the language. 5 % of unrelated ones are above that level by "
        "its definition, and a weak but honest system has hard lines below it, so this takes "
        "more.",
    ),
    "off_target_script": Threshold(0.02, 0.10, 0.05, "NTREX-128 has at most 0.2 % of its rows in another script"),
    "off_target_language": Threshold(
        0.05,
        0.15,
        0.20,
        "identifiers err on short lines and near languages, for human text too: 13 % of the Russian sample sentences",
    ),
    "copy": Threshold(0.02, 0.10, 0.05, "a source that its reference repeats is not counted"),
    "blank": Threshold(0.02, 0.10, 0.05, "a line with a source has a translation"),
    "over_length": Threshold(0.02, 0.10, 0.05, "twice the reference is no choice of words"),
    "repetition": Threshold(0.02, 0.10, 0.05, "loops that source and reference do not have"),
}
"""Measure -> threshold; shares from 0 to 1. The numbers are ours, set before any was
tried on the benchmark."""


def margin_for(comparisons: int) -> float:
    """Return how many half-widths of its 95 % interval a change is to be away from zero.

        max(MARGIN, z(FAMILY / comparisons) / z(0.025))        z: upper quantile of the normal

    2 up to about 200 comparisons, 2.26 for the some 2,200 of 234 directions.

    Args:
        comparisons (`int`): Comparisons that are made together.

    Returns:
        `float`: Half-widths, MARGIN or more.
    """
    alone = norm.isf(FAMILY / max(comparisons, 1)) / norm.isf(0.025)
    return max(MARGIN, float(alone))


def counts_as_change(measure: str, change: Comparison, single: bool, margin: float) -> bool:
    """Check whether a difference, up or down, is large enough and beyond chance.

    Args:
        measure (`str`): A key of THRESHOLDS.
        change (`Comparison`): The change, of one direction or of a group's mean.
        single (`bool`): It is of one direction.
        margin (`float`): Of `margin_for`.

    Returns:
        `bool`: True where it counts.
    """
    threshold = THRESHOLDS[measure]
    least = threshold.direction if single else threshold.group
    low, high = change.interval.low, change.interval.high
    size = abs(change.difference)
    return size >= least and size > margin * (high - low) / 2


def counts_alone(measure: str, change: Comparison) -> bool:
    """Check whether a value is too high without another beside it.

    Args:
        measure (`str`): A key of THRESHOLDS.
        change (`Comparison`): The change from 0 to that value.

    Returns:
        `bool`: True where the interval as a whole reaches the threshold; False where a value alone says nothing.
    """
    absolute = THRESHOLDS[measure].absolute
    return absolute is not None and change.interval.low >= absolute
