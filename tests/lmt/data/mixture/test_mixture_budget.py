"""Tokens by part and language, beside the plain way to share them out."""

import numpy as np
import pytest

from hf_lmt.data.mixture.budget import fill, largest_total, temperature_weights
from hf_lmt.data.mixture.row_choice import take


def plainly_filled(weights, capacities, budget):
    """The surplus of full languages is handed on again and again, until there is none."""
    given, rest = [0.0] * len(weights), float(budget)
    while rest > 1e-9 * budget:
        open_ones = [i for i in range(len(weights)) if given[i] < capacities[i]]
        if not open_ones:
            break
        total, left = sum(weights[i] for i in open_ones), 0.0
        for i in open_ones:
            part = rest * weights[i] / total
            taken = min(part, capacities[i] - given[i])
            given[i] = capacities[i] if taken < part else given[i] + taken
            left += part - taken
        rest = left
    return given


@pytest.mark.parametrize("size", [1, 2, 7, 60])
@pytest.mark.parametrize("filled", [0.0, 0.001, 0.3, 0.9, 0.999, 1.0, 1.5])
def test_filling_equals_handing_the_surplus_on(size, filled):
    numbers = np.random.default_rng(size)
    capacities = np.ceil(numbers.lognormal(8, 2, size))
    weights = temperature_weights(capacities, 3)
    budget = filled * capacities.sum()
    found = fill(weights, capacities, budget)
    np.testing.assert_allclose(found, plainly_filled(weights, capacities, budget), rtol=1e-6)
    assert found.sum() == pytest.approx(min(budget, capacities.sum()), rel=1e-12)
    assert (found <= capacities).all()


def test_a_larger_budget_gives_no_language_less():
    capacities = np.array([5.0, 80, 80, 1000, 30])
    weights = temperature_weights(capacities, 3)
    rows = [fill(weights, capacities, budget) for budget in range(0, 1300, 7)]
    assert (np.diff(rows, axis=0) >= 0).all()


@pytest.mark.parametrize(
    ("temperature", "weights"),
    [(1, [1 / 73, 8 / 73, 64 / 73]), (3, [1 / 7, 2 / 7, 4 / 7]), (float("inf"), [1 / 3] * 3)],
)
def test_temperature_flattens_the_shares(temperature, weights):
    found = temperature_weights(np.array([10.0, 80, 640]), temperature)
    np.testing.assert_allclose(found, weights)


def test_the_part_with_the_least_for_its_share_sets_the_largest_total():
    assert largest_total({"a": 100, "b": 10, "c": 0}, {"a": 0.5, "b": 0.5, "c": 0}) == 20
    assert largest_total({"a": 100, "b": 10}, {"a": 0.95, "b": 0.05}) == pytest.approx(100 / 0.95)


@pytest.mark.parametrize(
    ("budget", "places", "passes", "tokens"),
    [
        (0, [], [], 0),
        (1, [7], [0], 3),
        (3, [7], [0], 3),
        (4, [7, 5], [0, 0], 8),
        (10, [7, 5, 9], [0, 0, 0], 10),
        (10.5, [7, 5, 9, 7], [0, 0, 0, 1], 13),
        (25, [7, 5, 9, 7, 5, 9, 7, 5], [0, 0, 0, 1, 1, 1, 2, 2], 28),
    ],
)
def test_rows_are_taken_in_order_until_the_budget_is_reached(budget, places, passes, tokens):
    taken = take(np.array([7, 5, 9]), np.array([3, 5, 2]), budget)
    assert (taken.places.tolist(), taken.passes.tolist(), taken.tokens) == (places, passes, tokens)
