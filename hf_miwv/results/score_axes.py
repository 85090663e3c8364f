"""The ranges of axes with scores, and where bars and limits lie on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass


MIWV_LABEL = "MIWV = one-shot loss − zero-shot loss (nats per response token)"
LEAST_WIDTH = {"miwv": 0.1, "similarity": 0.02, "log10_tokens": 0.3}  # of an axis
FENCE = 4  # distances between the quartiles that an axis reaches beyond them, at most


def robust_range(values: np.ndarray, least: float) -> tuple[float, float]:
    """Compute the range of an axis that a few outliers do not stretch.

    The 0.5 % and 99.5 % quantiles, which are values themselves, the outer ones. Where a tail is long, so
    that few rows would take most of the axis, the end is `FENCE` times the distance between the quartiles
    beyond them.

    Args:
        values (`np.ndarray`): (n,) values.
        least (`float`): Least width of the range.

    Returns:
        `tuple[float, float]`: Its ends.
    """
    low = float(np.quantile(values, 0.005, method="lower"))
    high = float(np.quantile(values, 0.995, method="higher"))
    first, third = np.quantile(values, [0.25, 0.75])
    if third > first:
        low = max(low, float(first - FENCE * (third - first)))
        high = min(high, float(third + FENCE * (third - first)))
    lacking = max(0.0, least - (high - low))
    return low - lacking / 2, high + lacking / 2


def padded_range(values: np.ndarray, least: float) -> tuple[float, float]:
    """Widen the `robust_range` by 4 % of its width on both sides.

    Args:
        values (`np.ndarray`): (n,) values.
        least (`float`): Least width of the robust range.

    Returns:
        `tuple[float, float]`: The ends.
    """
    low, high = robust_range(values, least)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def edges_through_zero(low: float, high: float, rows: int) -> np.ndarray:
    """Cut a range into equal bins of which zero, where within, is an edge; 10 to 80, more by rows.

    Args:
        low (`float`): Lower end.
        high (`float`): Upper end.
        rows (`int`): Number of rows.

    Returns:
        `np.ndarray`: (b + 1,) edges.
    """
    bins = int(np.clip(np.rint(4 * rows ** (1 / 3)), 10, 80))
    width = (high - low) / bins
    return np.arange(np.floor(low / width), np.floor(high / width) + 2) * width


def beyond(rows: int) -> str:
    """Write a second line for an axis label on rows beyond its ends.

    Args:
        rows (`int`): Number of these rows.

    Returns:
        `str`: The line; empty when there are none.
    """
    return f"\nrows beyond the axis, drawn at its ends: {rows:,}" if rows else ""
