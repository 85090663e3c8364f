"""Outcomes of both orders, the win score and its interval, and scores as they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap

from hf_miwv.judging.question import read_scores
from hf_miwv.judging.win_score import Judged, pair_outcome, tally, win_score, win_score_interval

WIN, TIE, LOSE = (8.0, 6.0), (7.0, 7.0), (5.0, 9.5)


@pytest.mark.parametrize(
    ("a_first", "b_first", "expected"),
    [
        (WIN, WIN, "win"),
        (WIN, TIE, "win"),
        (TIE, WIN, "win"),
        (LOSE, LOSE, "lose"),
        (LOSE, TIE, "lose"),
        (TIE, LOSE, "lose"),
        (TIE, TIE, "tie"),
        (WIN, LOSE, "tie"),
        (LOSE, WIN, "tie"),
    ],
)
def test_the_outcome_of_both_orders(a_first: Any, b_first: Any, expected: str) -> None:
    assert pair_outcome(a_first, b_first) == expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [((3, 1, 0), 1.75), ((0, 5, 0), 1.0), ((1, 0, 3), 0.5), ((0, 0, 2), 0.0), ((0, 0, 0), None)],
)
def test_the_win_score_by_hand(counts: tuple[int, int, int], expected: float | None) -> None:
    assert win_score(*counts) == expected


def test_the_interval_is_that_of_resampled_pairs() -> None:
    values = np.array([1] * 40 + [0] * 25 + [-1] * 15)
    plain = bootstrap(
        (values + 1,), np.mean, n_resamples=10_000, method="percentile", random_state=3
    ).confidence_interval
    found = win_score_interval(40, 25, 15, seed=0)
    assert found is not None
    np.testing.assert_allclose(found, [plain.low, plain.high], atol=0.02)
    assert found == win_score_interval(40, 25, 15, seed=0)
    assert win_score_interval(999, 800, 777, seed=0) != win_score_interval(999, 800, 777, seed=1)
    assert win_score_interval(4, 0, 0) == (2.0, 2.0)
    assert win_score_interval(0, 0, 0) is None


def test_a_tally_does_not_hang_on_the_order_of_the_pairs() -> None:
    pairs = [
        Judged("x", "judged", WIN, WIN),
        Judged("x", "judged", WIN, LOSE),
        Judged("y", "unparseable", None, WIN),
        Judged("y", "refused", None, None),
        Judged("y", "judged", TIE, LOSE),
    ]
    found = tally(pairs)
    assert found == tally(pairs[::-1])
    assert (found["wins"], found["ties"], found["losses"], found["win_score"]) == (1, 1, 1, 1.0)
    assert (found["pairs"], found["judged"], found["unparseable"], found["refused"]) == (5, 3, 1, 1)
    # shown first: A, A, A with B's place taken in the other order
    assert found["higher"] == {"first": 4, "second": 1, "equal": 1}
    assert found["orders_agree"] == 1


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Answer 1: 7; Answer 2: 8", (7.0, 8.0)),
        ("\n Answer 1: 10; Answer 2: 8.5 \r\nBecause.", (10.0, 8.5)),
        ("<think>\nAnswer 1: 2; Answer 2: 3\n</think>\n\nAnswer 1: 7; Answer 2: 1", (7.0, 1.0)),
        ("Answer 1: 11; Answer 2: 8", None),
        ("Answer 1: 0; Answer 2: 8", None),
        ("Answer 1: 10.5; Answer 2: 8", None),
        ("Answer 1: 7/10; Answer 2: 8/10", None),
        ("Answer 1: 7; Answer 2: 8 of 10", None),
        ("Answer 2: 7; Answer 1: 8", None),
        ("**Answer 1: 7; Answer 2: 8**", None),
        ("I think:\nAnswer 1: 7; Answer 2: 8", None),
        ("7 8", None),
        ("", None),
    ],
)
def test_scores_are_read_strictly(reply: str, expected: tuple[float, float] | None) -> None:
    assert read_scores(reply) == expected
