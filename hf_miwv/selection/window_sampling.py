"""Ranked rows -> rows that lie apart, taken out of a window that slides down the ranking."""

from __future__ import annotations

import numpy as np

WINDOW = 32  # rows of the ranking that are looked at together (ours: RECOST's constant was not found)


def sample_by_window(vectors: np.ndarray, wanted: int, window: int = WINDOW) -> np.ndarray:
    """Take the best row, then always the one of the window that is farthest from all taken before.

    The window holds the `window` best rows that are not taken; when one is taken, the next of the ranking comes in. Of
    its rows the one is taken whose highest cosine to a taken row is lowest, of equals the better ranked. The rows
    that are taken are among the first `wanted` + `window` - 1, and none comes from the low end of the ranking. After
    RECOST's diversity-consistent sampling (arXiv 2402.17355), of which we know that it goes by a sliding window; this
    way of going is ours.

    Args:
        vectors (`np.ndarray`): (R, D) float32, each of length 1, of R ranked rows, the best first.
        wanted (`int`): Rows to take, at most R.
        window (`int`, *optional*, defaults to `WINDOW`): Rows that are looked at together.

    Returns:
        `np.ndarray`: (`wanted`,) int64 positions in the ranking, in its order.
    """
    reach = min(len(vectors), wanted + window - 1)
    vectors = vectors[:reach]
    is_taken = np.zeros(reach, dtype=bool)
    highest_cosine = np.full(reach, -np.inf, dtype=np.float32)
    newest = 0  # nothing is taken that the best row could be far from
    is_taken[newest] = True
    for count in range(1, wanted):
        highest_cosine = np.maximum(highest_cosine, vectors @ vectors[newest])
        # As many rows as are taken have left the window, and as many have come in behind it.
        in_window = ~is_taken[: count + window]
        newest = int(np.argmin(np.where(in_window, highest_cosine[: count + window], np.inf)))
        is_taken[newest] = True
    return np.flatnonzero(is_taken)
