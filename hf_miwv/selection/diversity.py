"""Ranked rows -> the best of them that are not too close to one another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hf_miwv.common.errors import InputError

BLOCK = 1024  # candidates looked at together, and chosen rows that they are compared with at a time


def check_diversity(cosine: float | None) -> None:
    """Check a number that is to set two rows apart.

    Args:
        cosine (`float`, *optional*): The highest cosine that two rows taken may have.

    Raises:
        InputError: it is no cosine.
    """
    if cosine is not None and not -1 <= cosine <= 1:
        raise InputError(
            f"diversity {cosine} is no cosine from -1 to 1; 0.9 passes over a row whose "
            "prompt has a cosine above 0.9 with one chosen before it, and 1 over none"
        )


def choose_diverse(
    ranked: np.ndarray,
    read_vectors: Callable[[np.ndarray], np.ndarray],
    max_rows: int,
    cosine: float,
    block: int = BLOCK,
) -> tuple[np.ndarray, int]:
    """Walk down the ranking; take row i where <v_i, v_j> <= cosine for every j taken before.

    Greedy, best first, until `max_rows` rows are taken or the ranking ends (ours: the paper has no
    such step). Exact, in float32, in blocks: in memory are the vectors of the rows taken, those
    of one block of candidates, and their cosines. Cosines within 1e-6 of the limit may fall to
    either side of it with another blocking.

    Args:
        ranked (`np.ndarray`): (R,) positions, best first.
        read_vectors (`Callable[[np.ndarray], np.ndarray]`): (B,) positions -> (B, D) float32, each of length 1.
        max_rows (`int`): Most rows to take.
        cosine (`float`): The highest cosine that two rows taken may have.
        block (`int`, *optional*, defaults to `BLOCK`): Candidates that are looked at together.

    Returns:
        `tuple[np.ndarray, int]`: (K,) positions in their order, K <= wanted, and how many rows were passed
        over for them.
    """
    chosen: list[np.ndarray] = []  # positions, a block at a time
    vectors: list[np.ndarray] = []  # of the same rows
    count, passed_over = 0, 0
    for start in range(0, len(ranked), block):
        candidates = ranked[start : start + block]
        candidate_vectors = read_vectors(candidates)
        free = np.ones(len(candidates), dtype=bool)
        # First against the rows taken from earlier blocks, all at once; within the block one depends on the other.
        for earlier in vectors:
            free &= (candidate_vectors @ earlier.T <= cosine).all(axis=1)
        positions, looked_at = _take(candidate_vectors, free, max_rows - count, cosine)
        chosen.append(candidates[positions])
        vectors.append(candidate_vectors[positions])
        count += len(positions)
        passed_over += looked_at - len(positions)
        if count == max_rows:
            break
    return np.concatenate(chosen) if chosen else ranked[:0], passed_over


def _take(vectors: np.ndarray, free: np.ndarray, max_rows: int, cosine: float) -> tuple[list[int], int]:
    """Return the positions of a block that are taken, and how many of the block were looked at for them."""
    close = vectors @ vectors.T > cosine
    free = free.copy()
    positions: list[int] = []
    for position in range(len(vectors)):
        if len(positions) == max_rows:
            return positions, position
        if free[position]:
            positions.append(position)
            free[position + 1 :] &= ~close[position, position + 1 :]
    return positions, len(vectors)
