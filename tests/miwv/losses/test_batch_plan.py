"""The batch plan: longest first, within the budget, halved from where memory ran out."""

from __future__ import annotations

import numpy as np
import pytest

from hf_miwv.losses.batch_plan import BatchPlan


def batches(plan: BatchPlan) -> list[list[int]]:
    start, found = 0, []
    while start < len(plan.order):
        end = plan.batch_end(start)
        found.append(plan.order[start:end].tolist())
        start = end
    return found


@pytest.mark.parametrize(
    ("lengths", "budget", "expected"),
    [
        ([3, 9, 5], 10, [[1], [2, 0]]),
        ([3, 9, 5], 9, [[1], [2], [0]]),
        ([3, 9, 5], 18, [[1, 2], [0]]),
        ([4, 4, 4, 4], 8, [[0, 1], [2, 3]]),
        ([50, 4], 8, [[0], [1]]),  # a sequence above the budget stands alone
        ([2, 3, 2, 3], 100, [[1, 3, 0, 2]]),
    ],
)
def test_batches(lengths: list[int], budget: int, expected: list[list[int]]) -> None:
    assert batches(BatchPlan.new(np.array(lengths), budget)) == expected


@pytest.mark.parametrize(
    ("lengths", "budget", "expected"),
    [
        ([3, 9, 5], 10, [[1], [2, 0]]),
        ([3, 9, 5], 14, [[1, 2], [0]]),  # no padding: the sum counts
        ([3, 9, 5], 13, [[1], [2, 0]]),
        ([50, 4], 8, [[0], [1]]),
        ([2, 3, 2, 3], 100, [[1, 3, 0, 2]]),
    ],
)
def test_packed_batches(lengths: list[int], budget: int, expected: list[list[int]]) -> None:
    plan = BatchPlan.new(np.array(lengths), budget, packed=True)
    assert batches(plan) == expected


@pytest.mark.parametrize(("packed", "tokens"), [(True, 17), (False, 27)])
def test_tokens_of_a_batch(packed: bool, tokens: int) -> None:
    assert BatchPlan.new(np.array([3, 9, 5]), 100, packed).tokens(0, 3) == tokens


@pytest.mark.parametrize(("budget", "first"), [(16, [3]), (1000, [3, 2])])
def test_halving_a_packed_batch(budget: int, first: list[int]) -> None:
    plan = BatchPlan.new(np.array([2, 3, 4, 5]), budget, packed=True)
    assert batches(plan)[0] == [3, 2, 1, 0]
    assert plan.halve(0)
    assert batches(plan)[0] == first


def test_halving_changes_only_what_comes_after() -> None:
    plan = BatchPlan.new(np.full(8, 4), 16)
    assert batches(plan) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert plan.halve(4)
    assert plan.budgets == [(0, 16), (4, 8)]
    assert batches(plan) == [[0, 1, 2, 3], [4, 5], [6, 7]]


def test_halving_always_makes_the_batch_smaller() -> None:
    plan = BatchPlan.new(np.full(3, 4), 1000)  # far above what the batch needs
    assert plan.halve(0)
    assert plan.batch_end(0) == 1


def test_one_sequence_cannot_be_halved() -> None:
    plan = BatchPlan.new(np.array([50, 4]), 8)
    assert not plan.halve(0)
    assert plan.budgets == [(0, 8)]


def test_a_plan_read_back_gives_the_same_batches() -> None:
    lengths = np.array([5, 9, 2, 7, 7])
    plan = BatchPlan.new(lengths, 18)
    plan.halve(2)
    assert batches(BatchPlan(lengths, plan.order, list(plan.budgets))) == batches(plan)
