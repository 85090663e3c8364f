"""Differences between two arms over rows and seeds: intervals, corrected p-values, what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.8  # four trials of five would see a difference of this size
MAX_SEEDS = 1000  # beyond, no number of seeds is named


class Difference(NamedTuple):
    """Hold a mean difference of two arms.

    Attributes:
        mean (`float`): The mean over rows and seeds.
        low (`float`): Lower end of its 95 % interval.
        high (`float`): Upper end.
        p (`float`): Two-sided p-value of "no difference".
    """

    mean: float
    low: float
    high: float
    p: float


class Spread(NamedTuple):
    """Hold what makes the difference of two trainings on random rows move.

    Attributes:
        seeds (`float`): Variance that another seed adds to a difference of two arms, whatever the rows.
        rows (`float`): Variance of the difference from row to row.
    """

    seeds: float
    rows: float


def difference_of(differences: np.ndarray, least_seed_variance: float = 0.0) -> Difference:
    """Test and bound the mean of differences that are paired over rows and seeds.

    With d_sr of seed s and row r, S seeds, R rows, the means over the other index d_s and d_r:

        variance = var(d_s) / S + var(d_r) / R        (both with one degree of freedom taken off)
        t = mean / sqrt(variance), freedom = variance^2 / ((var(d_s)/S)^2/(S-1) + (var(d_r)/R)^2/(R-1))

    the moments of two crossed random effects, and Satterthwaite's degrees of freedom. What belongs to a row and a
    seed alone is counted in both terms, so the interval is rather too wide than too narrow (the choice is ours).
    Two or three seeds may agree by luck: var(d_s) counts as at least what the arms of random rows vary by.

    Args:
        differences (`np.ndarray`): (S, R) float64, an arm less its control, S and R at least 2.
        least_seed_variance (`float`, *optional*, defaults to `0.0`): var(d_s) at least, as `spread_of` measures it.

    Returns:
        `Difference`: In the unit of the differences.
    """
    seeds, rows = differences.shape
    mean = float(differences.mean())
    of_seeds = max(least_seed_variance, float(differences.mean(axis=1).var(ddof=1))) / seeds
    of_rows = float(differences.mean(axis=0).var(ddof=1)) / rows
    variance = of_seeds + of_rows
    if variance == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    freedom = variance**2 / (of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * math.sqrt(variance)
    p = 2 * float(stats.t.sf(abs(mean) / math.sqrt(variance), freedom))
    return Difference(mean, mean - half, mean + half, p)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Correct the p-values of several comparisons (Holm, Scand. J. Statist. 6, 1979).

    The smallest of m is multiplied by m, the next by m - 1, and so on; none falls below an earlier one or rises
    above 1.

    Args:
        p_values (`Mapping[str, float]`): Name -> p-value.

    Returns:
        `dict[str, float]`: Name -> corrected p-value, in the order of the names.

    >>> holm({"a": 0.04, "b": 0.01})
    {'a': 0.04, 'b': 0.02}
    """
    corrected: dict[str, float] = {}
    highest = 0.0
    for position, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[name] * (len(p_values) - position)))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}


def spread_of(chance: Sequence[np.ndarray]) -> Spread:
    """Measure how far two trainings on random rows differ, by chance alone.

    Over the arms of random rows: `rows` is the mean over pairs of seeds of the variance over rows of l_i - l_j;
    `seeds` is 2 x the variance over seeds of the mean l_s, less what the R rows add to it (rows / R), at least 0.

    Args:
        chance (`Sequence[np.ndarray]`): (S, R) measurements of each arm of random rows.

    Returns:
        `Spread`: The mean over these arms.
    """
    seeds, rows = [], []
    for values in chance:
        pairs = [(i, j) for j in range(len(values)) for i in range(j)]
        of_rows = float(np.mean([(values[i] - values[j]).var(ddof=1) for i, j in pairs]))
        of_seeds = 2 * float(values.mean(axis=1).var(ddof=1)) - of_rows / values.shape[1]
        rows.append(of_rows)
        seeds.append(max(0.0, of_seeds))
    return Spread(float(np.mean(seeds)), float(np.mean(rows)))


def detectable(spread: Spread, seeds: int, rows: int) -> float:
    """Return the smallest difference that a trial of this size sees four times out of five.

        (t(0.975, S - 1) + t(0.8, S - 1)) x sqrt((seeds + rows / R) / S)

    the usual bound for a t-test, without a correction for several methods; the degrees of freedom are those of the
    seeds, which is the safer choice, and ours.

    Args:
        spread (`Spread`): What moves a difference by chance.
        seeds (`int`): S, at least 2.
        rows (`int`): R, held-out rows.

    Returns:
        `float`: In the unit of the measurement.
    """
    quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], seeds - 1)
    return float(quantiles.sum()) * math.sqrt((spread.seeds + spread.rows / rows) / seeds)


def seeds_needed(spread: Spread, rows: int, size: float) -> int | None:
    """Return the fewest seeds with which a difference of this size would be seen four times out of five.

    Args:
        spread (`Spread`): What moves a difference by chance.
        rows (`int`): Held-out rows.
        size (`float`): The difference, in the unit of the measurement.

    Returns:
        `int | None`: The seeds; None where even MAX_SEEDS are too few.
    """
    return next((seeds for seeds in range(2, MAX_SEEDS + 1) if detectable(spread, seeds, rows) <= size), None)


def rows_needed(spread: Spread, seeds: int, size: float) -> int | None:
    """Return the fewest held-out rows with which a difference of this size would be seen four times out of five.

    `detectable` solved for R.

    Args:
        spread (`Spread`): What moves a difference by chance.
        seeds (`int`): Seeds.
        size (`float`): The difference, in the unit of the measurement.

    Returns:
        `int | None`: The rows; None where the seeds alone move a difference by more, whatever the rows.
    """
    quantiles = stats.t.ppf([(1 + CONFIDENCE) / 2, POWER], seeds - 1)
    left = (size / float(quantiles.sum())) ** 2 * seeds - spread.seeds
    return math.ceil(spread.rows / left) if left > 0 else None
