"""Losses behind K neighbors -> numbers of the rows, and of the rows that they stand behind."""

from __future__ import annotations

import numpy as np


def mean_loss(losses: np.ndarray, is_run: np.ndarray) -> np.ndarray:
    """Average each row's losses over the passes that could be run.

    Args:
        losses (`np.ndarray`): (N, K) float64, nats per response token.
        is_run (`np.ndarray`): (N, K) bool, False for a pass without a neighbor, or without room for one.

    Returns:
        `np.ndarray`: (N,) float64; nan where no pass was run, or a loss is not finite.
    """
    count = is_run.sum(axis=1)
    means = np.where(is_run, losses, 0).sum(axis=1) / np.maximum(count, 1)
    return np.where((count > 0) & np.isfinite(means), means, np.nan)


def loss_spread(losses: np.ndarray, is_run: np.ndarray) -> np.ndarray:
    """Compute the standard deviation of each row's losses, which is that of its differences to one number.

    Args:
        losses (`np.ndarray`): (N, K) float64, nats per response token.
        is_run (`np.ndarray`): (N, K) bool, whether a pass was run.

    Returns:
        `np.ndarray`: (N,) float64, the root of the mean squared distance from the mean (divided by the
        number of losses, as everywhere here); nan where fewer than two are known.
    """
    means = mean_loss(losses, is_run)
    squares = np.where(is_run, (losses - means[:, None]) ** 2, 0).sum(axis=1)
    count = is_run.sum(axis=1)
    return np.where((count > 1) & np.isfinite(means), np.sqrt(squares / np.maximum(count, 1)), np.nan)


def example_influence(gains: np.ndarray, neighbors: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average what each row saves, as a worked example, the rows whose neighbor it is: MIWV's other end.

    influence(k) = mean over {i: k is a neighbor of i} of w_ik (L(y_i|x_i) - L(y_i|x_i, C_k)).

    With weights w_ik = (1 - cos(i, k)) / 2 this is the score of wICI (arXiv 2604.25132), which favors
    examples that help rows unlike themselves, but for two things of ours: the difference is in nats, where
    wICI has that of two IFDs; and the rows helped are those that have k among their nearest, where wICI
    draws its probes from clusters of them.

    Args:
        gains (`np.ndarray`): (N, K) float64, L(y_i|x_i) - L(y_i|x_i, C_k) in nats per response token, nan
            where unknown.
        neighbors (`np.ndarray`): (N, K) int64, the row of each example.
        weights (`np.ndarray`, *optional*): (N, K) float64; 1 by default.

    Returns:
        `np.ndarray`: (N,) float64; nan for a row that is nobody's neighbor.
    """
    known = np.isfinite(gains) & (neighbors >= 0)
    examples = neighbors[known]
    weighted = gains[known] if weights is None else (gains * weights)[known]
    sums = np.bincount(examples, weights=weighted, minlength=len(gains))
    counts = np.bincount(examples, minlength=len(gains))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
