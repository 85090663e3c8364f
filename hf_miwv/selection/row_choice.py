"""Scores -> the rows to keep: which limits and options can be, and the highest scores under them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.results.methods import RANDOM_BY_LENGTH
from hf_miwv.results.score_columns import ScoreColumns


def check_choice(
    fraction: float | str | Decimal | None, count: int | None, threshold: float | None, takes_all: bool = False
) -> None:
    """Check that exactly one of fraction, count and threshold is set, and in range.

    Args:
        fraction (`float | str | Decimal`, *optional*): Share of all rows, in (0, 1].
        count (`int`, *optional*): Rows to keep, 1 or more.
        threshold (`float`, *optional*): The lowest score to keep, a finite number.
        takes_all (`bool`, *optional*, defaults to `False`): Whether none of them may be set.

    Raises:
        InputError: None of them is set, or several, or the value is out of range.
    """
    limits = {"fraction": fraction, "count": count, "threshold": threshold}
    named = [f"--{name}" for name, value in limits.items() if value is not None]
    if len(named) != 1 and not (takes_all and not named):
        names = " and ".join(named) or "none of them"
        raise InputError(f"give one of --fraction, --count and --threshold; got {names}")
    if fraction is not None and not 0 < _decimal(fraction) <= 1:
        raise InputError(f"fraction {fraction} is outside (0, 1]; 0.01 keeps 1 %")
    if count is not None and count < 1:
        raise InputError(f"count {count} keeps nothing; give 1 or more")
    if threshold is not None and not np.isfinite(threshold):
        raise InputError(f"threshold {threshold} is no finite number of nats")


def check_together(
    method: str, within: str | None, threshold: float | None, diversity: float | None, one_per: str | None
) -> None:
    """Check that these options can be together.

    Args:
        method (`str`): One of METHODS.
        within (`str`, *optional*): The groups inside which rows are chosen.
        threshold (`float`, *optional*): The lowest score to keep.
        diversity (`float`, *optional*): The highest cosine of two rows.
        one_per (`str`, *optional*): By what rows are taken together.

    Raises:
        InputError: they cannot.
    """
    if within is not None and threshold is not None:
        raise InputError(
            f"--within {within}: a threshold keeps whatever reaches it, and no share of a group; give --fraction or "
            "--count"
        )
    if within is not None and diversity is not None:
        raise InputError(
            f"--within {within}: rows that --diversity passes over would be missing in their group; give one of "
            "the two"
        )
    for option, value in (("diversity", diversity), ("one-per", one_per)):
        if method == RANDOM_BY_LENGTH and value is not None:
            raise InputError(
                f"--{option} {value}: would leave out rows by something else than chance, and the lengths would be "
                f"others; leave it out, or choose by the method random"
            )


def choose(
    columns: ScoreColumns,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
) -> tuple[np.ndarray, str | None]:
    """Choose rows as `choose_rows` does, by MIWV.

    Args:
        columns (`ScoreColumns`): The columns that `score` adds.
        fraction (`float | str | Decimal`, *optional*): Share of all rows, in (0, 1].
        count (`int`, *optional*): Rows to keep.
        threshold (`float`, *optional*): The lowest MIWV to keep, in nats per response token.

    Returns:
        `tuple[np.ndarray, str | None]`: Positions of the rows to keep, (K,) int64, best first, and a
        note where K is not as asked.
    """
    return choose_rows(columns.miwv, fraction=fraction, count=count, threshold=threshold)


def choose_rows(
    scores: np.ndarray,
    *,
    fraction: float | str | Decimal | None = None,
    count: int | None = None,
    threshold: float | None = None,
) -> tuple[np.ndarray, str | None]:
    """Choose the rows with the highest of (N,) scores; rows without a score (nan) never are.

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.
        fraction (`float | str | Decimal`, *optional*): Share of all N rows, in (0, 1].
        count (`int`, *optional*): Rows to keep.
        threshold (`float`, *optional*): The lowest score to keep, in the method's unit.

    Returns:
        `tuple[np.ndarray, str | None]`: Positions of the rows to keep, (K,) int64, best first, and a
        note where K is not as asked.

    Raises:
        InputError: No row has a score, none reaches the threshold, or fewer than `count` have a score.
    """
    ranked = rank_rows(scores)
    if len(ranked) == 0:
        raise InputError("no row has a score, so there is nothing to choose from")
    if threshold is not None:
        kept = ranked[scores[ranked] >= threshold]
        if len(kept) == 0:
            best = scores[ranked[0]]
            raise InputError(f"no row reaches threshold {threshold}: the highest score is {best:.4f}")
        return kept, None
    if count is not None:
        if count > len(ranked):
            raise InputError(f"count {count} is above the {len(ranked)} rows that have a score")
        return ranked[:count], None
    return _top_share(ranked, len(scores), _decimal(fraction))


def rank_rows(scores: np.ndarray) -> np.ndarray:
    """Rank the rows that have a score: falling scores, ties by row order.

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.

    Returns:
        `np.ndarray`: (R,) int64, positions of the R rows that have a score.
    """
    order = np.argsort(-scores, kind="stable")  # nan sorts last
    return order[: int(np.isfinite(scores).sum())]


def _top_share(ranked: np.ndarray, rows: int, fraction: Decimal) -> tuple[np.ndarray, str | None]:
    # Decimal, because 0.29 * 100 is 28.999... in binary, and one row would be lost.
    kept_count = int(rows * fraction)
    if kept_count < 1:
        return ranked[:1], f"{fraction} of {rows} rows is less than one row: one row kept"
    if kept_count > len(ranked):
        note = f"{fraction} of {rows} rows is {kept_count}, but only {len(ranked)} rows have a score"
        return ranked, f"{note}: all of those kept"
    return ranked[:kept_count], None


def _decimal(fraction: float | str | Decimal | None) -> Decimal:
    try:
        value = Decimal(str(fraction))
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise InputError(f"fraction {fraction!r} is not a number; 0.01 keeps 1 %")
    return value
