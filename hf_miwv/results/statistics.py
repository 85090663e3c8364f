"""The scored columns in numbers: what the card, the pictures and the terminal say about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from hf_miwv.common.cards.numbers import PERCENTS
from hf_miwv.common.errors import InputError
from hf_miwv.rows.schema import ALSO_COLUMNS, SCORE_COLUMNS, Flag, Status

if TYPE_CHECKING:
    import datasets
    import pyarrow

STATUSES: tuple[str, ...] = get_args(Status)
FLAGS: tuple[str, ...] = get_args(Flag)


@dataclass(frozen=True)
class ScoreColumns:
    """The columns that scoring adds, as arrays over N rows.

    row: (N,) int64, the row's index in the input of `score`.
    miwv, loss_zero_shot, loss_one_shot: (N,) float64, nats per response token; nan where unknown.
    neighbor: (N,) int64, the `row` of the demonstration; -1 where there is none.
    neighbor_similarity: (N,) float64, cosine; nan where there is no neighbor.
    response_tokens: (N,) int64.
    status: N words, each a `Status`. flags: N lists of words, each a `Flag`.
    loss_response_alone, loss_response_bare: (N,) float64, nats per response token, nan where
        unknown; None where the scoring was not asked for them.
    """

    row: np.ndarray
    miwv: np.ndarray
    loss_zero_shot: np.ndarray
    loss_one_shot: np.ndarray
    neighbor: np.ndarray
    neighbor_similarity: np.ndarray
    response_tokens: np.ndarray
    status: list[str]
    flags: list[list[str]]
    loss_response_alone: np.ndarray | None = None
    loss_response_bare: np.ndarray | None = None

    @classmethod
    def from_dataset(cls, dataset: datasets.Dataset) -> ScoreColumns:
        """Read these columns, and no others, of a data set that `score` or `select` wrote.

        Raises InputError when one of the columns is missing.
        """
        missing = [name for name in SCORE_COLUMNS if name not in dataset.column_names]
        if missing:
            raise InputError(
                f"the data set has no column {', '.join(missing)}: give a folder that "
                "`hf-miwv score` or `hf-miwv select` wrote"
            )
        also = [name for name in ALSO_COLUMNS.values() if name in dataset.column_names]
        table = dataset.select_columns([*SCORE_COLUMNS, *also]).with_format("arrow")[:]
        return cls(
            row=_integers(table["row"]),
            miwv=_floats(table["miwv"]),
            loss_zero_shot=_floats(table["loss_zero_shot"]),
            loss_one_shot=_floats(table["loss_one_shot"]),
            neighbor=_integers(table["neighbor"]),
            neighbor_similarity=_floats(table["neighbor_similarity"]),
            response_tokens=_integers(table["response_tokens"]),
            status=table["miwv_status"].to_pylist(),
            flags=table["miwv_flags"].to_pylist(),
            **{name: _floats(table[name]) for name in also},
        )

    @property
    def scored(self) -> np.ndarray:
        """(N,) bool: the rows that have a MIWV."""
        return np.isfinite(self.miwv)


def _floats(column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column as (N,) float64, null as nan."""
    return column.cast("float64").fill_null(float("nan")).to_numpy()


def _integers(column: pyarrow.ChunkedArray) -> np.ndarray:
    """A column as (N,) int64, null as -1."""
    return column.cast("int64").fill_null(-1).to_numpy()


def describe(columns: ScoreColumns) -> dict[str, Any]:
    """The columns in numbers, ready for JSON: None where a number is undefined, never nan.

    `rows`, `status`, `flags` and `hubness` count all N rows. Everything else is over the `scored`
    rows, those with a MIWV: `miwv`, `loss_zero_shot` and `loss_one_shot` in nats per response
    token, `response_tokens` in tokens; the losses of y without x only where they were measured.
    `highest_tenth_lengths` compares the response lengths of the tenth with the highest MIWV with
    those of all scored rows.
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
        **_also_summaries(columns),
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


def _also_summaries(columns: ScoreColumns) -> dict[str, Any]:
    """`summarize` of the losses of y without x that were measured, over the scored rows."""
    found = {name: getattr(columns, name) for name in ALSO_COLUMNS.values()}
    return {
        name: summarize(losses[columns.scored & np.isfinite(losses)])
        for name, losses in found.items()
        if losses is not None
    }


def summarize(values: np.ndarray) -> dict[str, Any]:
    """Mean, standard deviation (divided by n) and quantiles of (n,) values, keyed by per cent.

    Quantiles lie between two values by linear interpolation; all are None where n is 0.
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
    """Spearman's rank correlation of two (n,) arrays, over the places where both are finite.

    None for fewer than three such places, or where one of the two is constant.
    """
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def similarity_fifths(similarity: np.ndarray, miwv: np.ndarray) -> dict[str, list[float | None]]:
    """Median MIWV in five equal groups of rows, from the least to the most similar neighbor.

    Takes the (n,) cosines and MIWVs of the scored rows; equal cosines go by row order. Returns
    `similarity_from`, `similarity_to` and `median_miwv`, five values each, None for an empty group.
    """
    known = np.flatnonzero(np.isfinite(similarity))
    order = known[np.argsort(similarity[known], kind="stable")]
    groups = np.array_split(order, 5)
    return {
        "similarity_from": [float(similarity[g[0]]) if len(g) else None for g in groups],
        "similarity_to": [float(similarity[g[-1]]) if len(g) else None for g in groups],
        "median_miwv": [float(np.median(miwv[g])) if len(g) else None for g in groups],
    }


def highest_tenth(miwv: np.ndarray) -> np.ndarray:
    """The places of the ceil(n / 10) highest of (n,) scores, highest first, ties by row order."""
    return np.argsort(-miwv, kind="stable")[: -(-len(miwv) // 10)]


def length_histogram(tokens: np.ndarray) -> dict[str, list[int]]:
    """Rows per response length, so that lengths can be drawn later without the rows.

    The edges are the whole numbers nearest to 2^(k/2), 1, 2, 3, 4, 6, 8, 11, 16, ..., to the first
    one above the longest of the (n,) lengths (tokens, at least 1). `counts[i]` rows have
    edges[i] <= tokens < edges[i + 1].
    """
    if len(tokens) == 0:
        return {"edges": [], "counts": []}
    halves = 2 * int(tokens.max()).bit_length() + 1
    edges = np.unique(np.rint(2.0 ** (np.arange(halves) / 2)).astype(np.int64))
    edges = edges[: int(np.searchsorted(edges, tokens.max(), side="right")) + 1]
    counts, _ = np.histogram(tokens, bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def describe_hubness(row: np.ndarray, neighbor: np.ndarray) -> dict[str, Any]:
    """How unevenly (N,) neighbors, each a `row` or -1 for none, fall on the (N,) rows.

    `most_popular_row` is the neighbor of `serves` rows (of equals, the first row);
    `rows_never_a_neighbor` counts the given rows that serve none of them, `share_never` is that
    count divided by N.
    """
    used, times = np.unique(neighbor[neighbor >= 0], return_counts=True)
    never = int((~np.isin(row, used)).sum())
    return {
        "most_popular_row": int(used[times.argmax()]) if len(used) else None,
        "serves": int(times.max()) if len(used) else 0,
        "rows_never_a_neighbor": never,
        "share_never": never / len(row) if len(row) else None,
    }


def compare_lengths(chosen: np.ndarray, scored: np.ndarray) -> dict[str, Any]:
    """Response tokens of (m,) chosen rows beside those of all (n,) scored rows.

    `ratio_of_medians` is chosen / scored, `share_shorter_than_chosen_median` the share of the
    scored rows with fewer tokens than the chosen median. Both are None where m or n is 0.
    """
    result: dict[str, Any] = {"chosen": _lengths(chosen), "scored": _lengths(scored)}
    if len(chosen) == 0 or len(scored) == 0:
        return {**result, "ratio_of_medians": None, "share_shorter_than_chosen_median": None}
    median = result["chosen"]["median"]
    return {
        **result,
        "ratio_of_medians": median / result["scored"]["median"],
        "share_shorter_than_chosen_median": float((scored < median).mean()),
    }


def _lengths(tokens: np.ndarray) -> dict[str, Any]:
    """Rows, median, mean and outer deciles of (n,) response lengths; None where n is 0."""
    names = ("median", "quantile_10", "quantile_90")
    if len(tokens) == 0:
        return {"rows": 0, "mean": None, **dict.fromkeys(names)}
    values = np.percentile(tokens, (50, 10, 90)).tolist()
    return {
        "rows": len(tokens),
        "mean": float(tokens.mean()),
        **dict(zip(names, values, strict=True)),
    }
