"""Scores of a Trainer's rows -> the rows to train on, and the numbers that are logged of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hf_miwv.callbacks.choice_file import Choice
from hf_miwv.callbacks.live_scoring import LiveScores
from hf_miwv.common.errors import InputError

QUANTILES = (10, 50, 90)


def choose_rows(scores: LiveScores, keys: Sequence[str], size: int, step: int, last: Choice | None = None) -> Choice:
    """Choose the rows with the highest MIWV, ties by row order, in the order of the training set.

    Args:
        scores (`LiveScores`): Scores of N rows.
        keys (`Sequence[str]`): N keys.
        size (`int`): Rows to choose.
        step (`int`): Step of the training.
        last (`Choice`, *optional*): The choice before.

    Returns:
        `Choice`: The rows. Its numbers: quantiles of all scores and the lowest chosen one (nats per response
        token), rows with a score, seconds, and where there is a `last` choice the share of its rows that
        stay.

    Raises:
        InputError: fewer rows have a score.
    """
    eligible = int(np.isfinite(scores.miwv).sum())
    if eligible < size:
        raise InputError(
            f"{size} of {len(keys)} rows are to be kept, but only {eligible} have a score (the "
            "others have no response, no prompt, no room for a demonstration, or a loss that is "
            "not finite); give a smaller fraction"
        )
    best = np.lexsort((np.arange(len(keys)), -scores.miwv))[:size]  # nan sorts last
    rows = [keys[position] for position in sorted(best.tolist())]
    numbers = {
        **quantiles("miwv", scores.miwv),
        "miwv_lowest_chosen": float(scores.miwv[best[-1]]),
        "miwv_rows_with_score": eligible,
        "miwv_seconds": round(scores.seconds, 3),
    }
    if last is not None:
        numbers["miwv_overlap"] = len(set(rows) & set(last.rows)) / len(set(rows))
    return Choice(step, numbers, rows)


def quantiles(name: str, miwv: np.ndarray) -> dict[str, float]:
    """Compute NAME_quantile_10, _50 and _90 of the scores that are known.

    Args:
        name (`str`): Beginning of the names.
        miwv (`np.ndarray`): (N,) scores, nan for none.

    Returns:
        `dict[str, float]`: Name -> quantile, in nats per response token.
    """
    values = np.nanpercentile(miwv, QUANTILES)
    return {f"{name}_quantile_{percent}": float(value) for percent, value in zip(QUANTILES, values, strict=True)}
