"""Intervals and p-values of paired differences, against plain loops and simulated trials."""

from __future__ import annotations

import math
from statistics import mean, variance

import numpy as np
import pytest
from scipy import stats

from hf_miwv.trials.differences import (
    Spread,
    detectable,
    difference_of,
    holm,
    rows_needed,
    seeds_needed,
    spread_of,
)


def plain_difference(table: list[list[float]]) -> tuple[float, float, float, float]:
    """The formula of the docstring, number by number."""
    seeds, rows = len(table), len(table[0])
    of_seeds = variance(mean(row) for row in table) / seeds
    of_rows = variance(mean(table[s][r] for s in range(seeds)) for r in range(rows)) / rows
    whole = of_seeds + of_rows
    freedom = whole**2 / (of_seeds**2 / (seeds - 1) + of_rows**2 / (rows - 1))
    middle = mean(value for row in table for value in row)
    half = stats.t.ppf(0.975, freedom) * math.sqrt(whole)
    p = 2 * (1 - stats.t.cdf(abs(middle) / math.sqrt(whole), freedom))
    return middle, middle - half, middle + half, p


@pytest.mark.parametrize(("seeds", "rows"), [(2, 2), (3, 17), (5, 100)])
def test_a_difference_is_the_plain_one(seeds: int, rows: int) -> None:
    values = np.random.default_rng(seeds).normal(0.1, 1.0, (seeds, rows))
    assert difference_of(values) == pytest.approx(plain_difference(values.tolist()), abs=1e-12)


def test_equal_arms_differ_by_nothing() -> None:
    assert difference_of(np.zeros((3, 4))) == (0.0, 0.0, 0.0, 1.0)


def test_the_interval_covers_the_true_difference_where_seeds_and_rows_both_vary() -> None:
    random, covered = np.random.default_rng(0), 0
    for _ in range(400):
        values = 0.2 + random.normal(0, 0.1, (3, 1)) + random.normal(0, 1, (1, 60)) + random.normal(0, 0.5, (3, 60))
        difference = difference_of(values)
        covered += difference.low <= 0.2 <= difference.high
    assert covered / 400 > 0.93  # rather too wide than too narrow


def test_rows_alone_are_not_enough_where_a_seed_moves_everything() -> None:
    """Three seeds that happen to agree a little: thousands of rows must not make that certain."""
    values = np.array([[0.1], [0.5], [0.9]]) + np.random.default_rng(0).normal(0, 0.01, (3, 5000))
    assert difference_of(values).p > 0.05


def test_seeds_that_agree_by_luck_count_as_far_apart_as_random_arms() -> None:
    values = 0.005 + np.random.default_rng(0).normal(0, 0.004, (2, 200))
    assert difference_of(values).p < 0.05
    guarded = difference_of(values, least_seed_variance=0.0004)
    assert guarded.p > 0.05
    assert guarded.low < 0 < guarded.high
    assert difference_of(values, least_seed_variance=1e-12) == difference_of(values)


def test_holm_corrects_by_rank() -> None:
    corrected = holm({"a": 0.04, "b": 0.01, "c": 0.03, "d": 0.9})
    assert corrected == pytest.approx({"a": 0.09, "b": 0.04, "c": 0.09, "d": 0.9})
    assert list(corrected) == ["a", "b", "c", "d"]
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_what_chance_alone_moves_is_measured() -> None:
    random = np.random.default_rng(1)
    of_seeds = random.normal(0, 0.3, (400, 1))
    chance = random.normal(2, 1, (1, 200)) + of_seeds + random.normal(0, 0.5, (400, 200))
    spread = spread_of([chance[:40], chance[40:80]])
    assert spread.rows == pytest.approx(2 * 0.5**2, rel=0.05)
    assert spread.seeds == pytest.approx(2 * 0.3**2, rel=0.3)


def test_the_seeds_and_rows_that_are_needed_are_the_fewest() -> None:
    spread, size = Spread(seeds=0.0004, rows=0.04), 0.05
    seeds = seeds_needed(spread, 100, size)
    assert seeds is not None
    assert detectable(spread, seeds, 100) <= size < detectable(spread, seeds - 1, 100)
    rows = rows_needed(spread, 4, size)
    assert rows is not None
    assert detectable(spread, 4, rows) <= size < detectable(spread, 4, rows - 1)
    assert rows_needed(spread, 2, 0.0001) is None
    assert seeds_needed(Spread(1e9, 0.0), 100, 1e-9) is None
