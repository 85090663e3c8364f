"""Rows in bins of response length, and a random choice with the lengths of another choice."""

from __future__ import annotations

import numpy as np

LENGTH_BINS = 20  # quantile bins of response tokens, at most (ours)
ROWS_IN_A_BIN = 10  # on average, at least: among fewer a draw leaves little to chance (ours)


def length_bins(tokens: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Put rows into bins of as equal size as their response lengths allow.

    The edges are quantiles of the usable rows: LENGTH_BINS of them, fewer where a bin would have less than
    ROWS_IN_A_BIN rows. Rows of equal length are in one bin.

    Args:
        tokens (`np.ndarray`): (N,) int64 response tokens.
        usable (`np.ndarray`): (N,) bool, the rows that the edges are made from.

    Returns:
        `np.ndarray`: (N,) int64, the number of each row's bin, rising with the length.
    """
    lengths = np.sort(tokens[usable])
    bins = max(1, min(LENGTH_BINS, len(lengths) // ROWS_IN_A_BIN))
    # The first length of each bin but the lowest; equal ones would leave a bin empty.
    edges = np.unique(lengths[[len(lengths) * number // bins for number in range(1, bins)]])
    return np.searchsorted(edges, tokens, side="right")


def shuffle_in_bins(scores: np.ndarray, bins: np.ndarray, usable: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Deal the scores of each bin out to rows of the same bin that are drawn at random.

    In bin b with scores s_1 >= s_2 >= ... the usable row with the lowest draw gets s_1, that with the next
    s_2, and so on. The k highest of the result have, for every k, as many rows of each bin as the k highest
    of `scores`, but for equal scores of different bins.

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.
        bins (`np.ndarray`): (N,) integers.
        usable (`np.ndarray`): (N,) bool, the rows that may be drawn; all with a score are among them.
        draws (`np.ndarray`): (N,) float64, different for all rows.

    Returns:
        `np.ndarray`: (N,) float64, nan for none.
    """
    shuffled = np.full(len(scores), np.nan)
    for number in np.unique(bins[usable]).tolist():
        rows = np.flatnonzero((bins == number) & usable)
        falling = -np.sort(-scores[rows][np.isfinite(scores[rows])])
        drawn = rows[np.argsort(draws[rows], kind="stable")][: len(falling)]
        shuffled[drawn] = falling
    return shuffled
