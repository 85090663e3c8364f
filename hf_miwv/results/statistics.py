"""The scored columns in numbers: what the card, the pictures and the terminal say about them."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import numpy as np

from hf_miwv.common.cards.numbers import PERCENTS
from hf_miwv.results.score_columns import REQUESTED_NUMBERS, ScoreColumns
from hf_miwv.results.scored_record import LengthComparison, Lengths, Statistics, Summary
from hf_miwv.rows.schema import Flag, Status

STATUSES: tuple[str, ...] = get_args(Status)
FLAGS: tuple[str, ...] = get_args(Flag)


def describe(columns: ScoreColumns) -> Statistics:
    """Describe the columns in numbers, ready for JSON: None where a number is undefined, never nan.

    `rows`, `status`, `flags` and `hubness` count all N rows. Everything else is over the `scored`
    rows, those with a MIWV: `miwv`, `loss_zero_shot` and `loss_one_shot` in nats per response
    token, `response_tokens` in tokens; those of REQUESTED_NUMBERS only where they were asked for.
    `highest_tenth_lengths` compares the response lengths of the tenth with the highest MIWV with
    those of all scored rows.

    Args:
        columns (`ScoreColumns`): The columns of N rows.

    Returns:
        `Statistics`: The numbers, by name.
    """
    scored = columns.scored
    miwv = columns.miwv[scored]
    tokens = columns.response_tokens[scored]
    similarity = columns.neighbor_similarity[scored]
    status = Counter(columns.status)
    flags = Counter(flag for row in columns.flags for flag in row)
    return {
        "rows": len(columns.miwv),
        "scored": len(miwv),
        "status": {name: status[name] for name in STATUSES},
        "flags": {name: flags[name] for name in FLAGS},
        "above_zero": int((miwv > 0).sum()),
        "below_zero": int((miwv < 0).sum()),
        "equal_zero": int((miwv == 0).sum()),
        "miwv": summarize(miwv),
        "loss_zero_shot": summarize(columns.loss_zero_shot[scored]),
        "loss_one_shot": summarize(columns.loss_one_shot[scored]),
        **_requested_summaries(columns),
        "response_tokens": summarize(tokens),
        "spearman": {
            "response_tokens": rank_correlation(tokens, miwv),
            "neighbor_similarity": rank_correlation(similarity, miwv),
        },
        "similarity_fifths": similarity_fifths(similarity, miwv),
        "highest_tenth_lengths": compare_lengths(tokens[highest_tenth(miwv)], tokens),
        "response_length_histogram": length_histogram(tokens),
        "hubness": describe_hubness(columns.row, columns.neighbor),
    }


def _requested_summaries(columns: ScoreColumns) -> Any:
    """Summarize the numbers that the scoring was asked for, over the scored rows: a part of `Statistics`."""
    requested = {name: getattr(columns, name) for name in REQUESTED_NUMBERS}
    return {
        name: summarize(values[columns.scored & np.isfinite(values)])
        for name, values in requested.items()
        if values is not None
    }


def summarize(values: np.ndarray) -> Summary:
    """Summarize values by mean, standard deviation (divided by n) and quantiles.

    Quantiles lie between two values by linear interpolation.

    Args:
        values (`np.ndarray`): (n,) numbers.

    Returns:
        `Summary`: "mean", "standard_deviation" and "quantiles", keyed by per cent; all None where n
        is 0.
    """
    if len(values) == 0:
        return {
            "mean": None,
            "standard_deviation": None,
            "quantiles": {str(percent): None for percent in PERCENTS},
        }
    quantiles = np.percentile(values, PERCENTS)
    return {
        "mean": float(values.mean()),
        "standard_deviation": float(values.std()),
        "quantiles": {str(percent): float(value) for percent, value in zip(PERCENTS, quantiles, strict=True)},
    }


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Compute Spearman's rank correlation over the positions where both arrays are finite.

    Args:
        first (`np.ndarray`): (n,) numbers.
        second (`np.ndarray`): (n,) numbers.

    Returns:
        `float | None`: The correlation; None for fewer than three such positions, or where one of the two is
        constant.
    """
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    # Imported here, because scipy takes long to import and most commands never come here.
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def similarity_fifths(similarity: np.ndarray, miwv: np.ndarray) -> dict[str, list[float | None]]:
    """Compute the median MIWV in five equal groups of rows, from the least to the most similar neighbor.

    Equal cosines go by row order.

    Args:
        similarity (`np.ndarray`): (n,) cosines of the scored rows.
        miwv (`np.ndarray`): (n,) their MIWVs.

    Returns:
        `dict[str, list[float | None]]`: `similarity_from`, `similarity_to` and `median_miwv`, five values
        each, None for an empty group.
    """
    known = np.flatnonzero(np.isfinite(similarity))
    order = known[np.argsort(similarity[known], kind="stable")]
    groups = np.array_split(order, 5)
    return {
        "similarity_from": [float(similarity[group[0]]) if len(group) else None for group in groups],
        "similarity_to": [float(similarity[group[-1]]) if len(group) else None for group in groups],
        "median_miwv": [float(np.median(miwv[group])) if len(group) else None for group in groups],
    }


def highest_tenth(miwv: np.ndarray) -> np.ndarray:
    """Find the ceil(n / 10) highest scores.

    Args:
        miwv (`np.ndarray`): (n,) scores.

    Returns:
        `np.ndarray`: Their positions, highest first, ties by row order.
    """
    return np.argsort(-miwv, kind="stable")[: -(-len(miwv) // 10)]


def length_histogram(tokens: np.ndarray) -> dict[str, list[int]]:
    """Count rows per response length, so that lengths can be drawn later without the rows.

    The edges are the whole numbers nearest to 2^(k/2), 1, 2, 3, 4, 6, 8, 11, 16, ..., to the first
    one above the longest length. `counts[i]` rows have edges[i] <= tokens < edges[i + 1].

    Args:
        tokens (`np.ndarray`): (n,) lengths in tokens, at least 1.

    Returns:
        `dict[str, list[int]]`: "edges" and "counts"; both empty where n is 0.
    """
    if len(tokens) == 0:
        return {"edges": [], "counts": []}
    # Two bins for each doubling: lengths spread over orders of magnitude.
    halves = 2 * int(tokens.max()).bit_length() + 1
    # Unique, because the first edges coincide when they are rounded.
    edges = np.unique(np.rint(2.0 ** (np.arange(halves) / 2)).astype(np.int64))
    edges = edges[: int(np.searchsorted(edges, tokens.max(), side="right")) + 1]
    counts, _ = np.histogram(tokens, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def describe_hubness(row: np.ndarray, neighbor: np.ndarray) -> dict[str, Any]:
    """Describe how unevenly neighbors fall on the rows.

    Args:
        row (`np.ndarray`): (N,) int64 row numbers.
        neighbor (`np.ndarray`): (N,) int64, each a `row` or -1 for none.

    Returns:
        `dict[str, Any]`: `most_popular_row` is the neighbor of `serves` rows (of equals, the first row);
        `rows_never_a_neighbor` counts the rows that serve none of them, `share_never` is that count divided
        by N.
    """
    used, times = np.unique(neighbor[neighbor >= 0], return_counts=True)
    never = int((~np.isin(row, used)).sum())
    return {
        "most_popular_row": int(used[times.argmax()]) if len(used) else None,
        "serves": int(times.max()) if len(used) else 0,
        "rows_never_a_neighbor": never,
        "share_never": never / len(row) if len(row) else None,
    }


def compare_lengths(chosen: np.ndarray, scored: np.ndarray) -> LengthComparison:
    """Compare response tokens of the chosen rows with those of all scored rows.

    Args:
        chosen (`np.ndarray`): (m,) lengths in tokens.
        scored (`np.ndarray`): (n,) lengths in tokens.

    Returns:
        `LengthComparison`: "chosen" and "scored", each described; `ratio_of_medians`, chosen / scored; and
        `share_shorter_than_chosen_median`, the share of the scored rows with fewer tokens than the chosen
        median. The last two are None where m or n is 0.
    """
    of_chosen, of_scored = _lengths(chosen), _lengths(scored)
    ratio = share = None
    if of_chosen["median"] is not None and of_scored["median"] is not None:
        ratio = of_chosen["median"] / of_scored["median"]
        share = float((scored < of_chosen["median"]).mean())
    return {
        "chosen": of_chosen,
        "scored": of_scored,
        "ratio_of_medians": ratio,
        "share_shorter_than_chosen_median": share,
    }


def _lengths(tokens: np.ndarray) -> Lengths:
    """Describe (n,) response lengths by rows, median, mean and outer deciles; None where n is 0."""
    if len(tokens) == 0:
        return {"rows": 0, "mean": None, "median": None, "quantile_10": None, "quantile_90": None}
    median, quantile_10, quantile_90 = np.percentile(tokens, (50, 10, 90)).tolist()
    return {
        "rows": len(tokens),
        "mean": float(tokens.mean()),
        "median": median,
        "quantile_10": quantile_10,
        "quantile_90": quantile_90,
    }
