"""Scores of both orders -> win, tie or lose of each pair -> the win score with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from hf_miwv.judging.judged_record import Tally

Outcome = Literal["win", "tie", "lose"]
Status = Literal["judged", "unparseable", "refused"]

CONFIDENCE = 0.95
RESAMPLES = 10_000


class Judged(NamedTuple):
    """Hold a pair after both orders.

    Attributes:
        test_set (`str`, *optional*): Name of the test set.
        status (`Status`): Whether it was judged.
        a_first (`tuple[float, float]`, *optional*): Scores (A's, B's) with A shown first; None without any.
        b_first (`tuple[float, float]`, *optional*): Scores (A's, B's) with B shown first; None without any.
    """

    test_set: str | None
    status: Status
    a_first: tuple[float, float] | None
    b_first: tuple[float, float] | None

    @property
    def outcome(self) -> Outcome | None:
        """Return A's outcome; None where an order has no scores."""
        if self.a_first is None or self.b_first is None:
            return None
        return pair_outcome(self.a_first, self.b_first)


def pair_outcome(a_first: tuple[float, float], b_first: tuple[float, float]) -> Outcome:
    """Return A's outcome against B over both orders; each order's scores are (A's, B's).

    "win": A scores higher in both orders, or in one with the other a tie. "lose": B does. Else
    "tie": equal in both, or one order each (arXiv 2511.07074 counts win/win and win/tie as wins).

    Args:
        a_first (`tuple[float, float]`): Scores with A shown first.
        b_first (`tuple[float, float]`): Scores with B shown first.

    Returns:
        `Outcome`: The outcome.

    >>> pair_outcome((8, 6), (7, 7)), pair_outcome((8, 6), (6, 8))
    ('win', 'tie')
    """
    won = sum(int(np.sign(score_a - score_b)) for score_a, score_b in (a_first, b_first))
    return "win" if won > 0 else "lose" if won < 0 else "tie"


def win_score(wins: int, ties: int, losses: int) -> float | None:
    """Return (wins - losses) / (wins + ties + losses) + 1, from 0 to 2; 1 is parity (arXiv 2511.07074).

    None where there is no pair.

    Args:
        wins (`int`): Pairs that A wins.
        ties (`int`): Pairs without a winner.
        losses (`int`): Pairs that B wins.

    Returns:
        `float | None`: The score.
    """
    pairs = wins + ties + losses
    return (wins - losses) / pairs + 1 if pairs else None


def win_score_interval(wins: int, ties: int, losses: int, seed: int = 0) -> tuple[float, float] | None:
    """Return the 95 % percentile bootstrap interval of the win score, over pairs.

    To draw n pairs with replacement is to draw their three counts from the multinomial
    distribution Multinomial(n, (wins, ties, losses) / n), so only counts and seed matter, never
    the order of the pairs. 10,000 resamples; interval, level and number are our choice (the
    paper gives none). None where there is no pair.

    Args:
        wins (`int`): Pairs that A wins.
        ties (`int`): Pairs without a winner.
        losses (`int`): Pairs that B wins.
        seed (`int`, *optional*, defaults to `0`): Seed of the bootstrap.

    Returns:
        `tuple[float, float] | None`: Its ends.
    """
    pairs = wins + ties + losses
    if not pairs:
        return None
    shares = np.array([wins, ties, losses]) / pairs
    drawn = np.random.default_rng(seed).multinomial(pairs, shares, size=RESAMPLES)
    scores = (drawn[:, 0] - drawn[:, 2]) / pairs + 1
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return float(low), float(high)


def tally(pairs: Sequence[Judged], seed: int = 0) -> Tally:
    """Tally counts, win score, interval and what the order of the answers did, over these pairs.

    Pairs without a readable verdict in both orders are counted by status and left out of the
    score. "higher" counts, over both orders of the judged pairs, whether the answer shown first
    or second got the higher score; "orders_agree" the pairs with the same result in both.

    Args:
        pairs (`Sequence[Judged]`): The pairs.
        seed (`int`, *optional*, defaults to `0`): Seed of the bootstrap interval.

    Returns:
        `Tally`: The counts and scores, ready for JSON.
    """
    outcomes = Counter(pair.outcome for pair in pairs if pair.outcome)
    counts = (outcomes["win"], outcomes["tie"], outcomes["lose"])
    statuses = Counter(pair.status for pair in pairs)
    interval = win_score_interval(*counts, seed=seed)
    return {
        "pairs": len(pairs),
        "judged": statuses["judged"],
        "unparseable": statuses["unparseable"],
        "refused": statuses["refused"],
        "wins": counts[0],
        "ties": counts[1],
        "losses": counts[2],
        "win_score": win_score(*counts),
        "interval": None if interval is None else list(interval),
        **_by_order(pairs),
    }


def tally_sets(pairs: Sequence[Judged], seed: int = 0) -> dict[str, Tally]:
    """Run `tally` on each test set by name, where pairs have one.

    Args:
        pairs (`Sequence[Judged]`): The pairs.
        seed (`int`, *optional*, defaults to `0`): Seed of the bootstrap intervals.

    Returns:
        `dict[str, Tally]`: Name of a test set -> its tally.
    """
    names = sorted({pair.test_set for pair in pairs if pair.test_set is not None})
    return {name: tally([pair for pair in pairs if pair.test_set == name], seed) for name in names}


def _by_order(pairs: Sequence[Judged]) -> Tally:
    higher: Counter[str] = Counter(first=0, second=0, equal=0)
    agree = 0
    for pair in pairs:
        if pair.a_first is None or pair.b_first is None:
            continue
        a_first, b_first = (int(np.sign(score_a - score_b)) for score_a, score_b in (pair.a_first, pair.b_first))
        agree += a_first == b_first
        # With B first a win of A is a win of the answer shown second.
        for shown_first in (a_first, -b_first):
            higher[{1: "first", -1: "second", 0: "equal"}[shown_first]] += 1
    return {"higher": dict(higher), "orders_agree": agree}
