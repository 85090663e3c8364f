"""Unit vectors -> each row's nearest other row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from hf_miwv.errors import InputError


def nearest_neighbors(
    vectors: np.ndarray,
    *,
    device: torch.device | str = "cpu",
    query_block: int = 1024,
    key_block: int = 16384,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """For each row i: argmax over j != i of <v_i, v_j>, and that cosine (arXiv 2511.07074).

    Exact, in float32, in blocks: beside the vectors it holds one query_block x key_block matrix.
    A row is excluded by its index, so a repeated prompt may be a neighbour. Equal cosines go to
    the lower index; cosines that differ by less than 1e-6 may change places with another blocking.

    Args:
        vectors: (N, D) float32, each of length 1.
        progress: called with the number of rows done, block by block.

    Returns:
        (N,) int64 indices and (N,) float32 cosines.

    Raises:
        InputError: fewer than two rows, or a vector that is not finite.
    """
    rows = len(vectors)
    if rows < 2:
        raise InputError(f"{rows} row: a nearest neighbour needs at least two rows")
    if not np.isfinite(vectors).all():
        bad = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise InputError(f"row {bad}: the embedder gave a vector that is not finite")
    keys = torch.from_numpy(vectors).to(device)
    best = torch.full((rows,), -torch.inf, device=keys.device)
    index = torch.zeros(rows, dtype=torch.int64, device=keys.device)
    for start in range(0, rows, query_block):
        queries = slice(start, min(start + query_block, rows))
        for first in range(0, rows, key_block):
            _update(keys, queries, slice(first, min(first + key_block, rows)), best, index)
        if progress:
            progress(queries.stop - queries.start)
    return index.cpu().numpy(), best.cpu().numpy()


def _update(
    vectors: torch.Tensor, queries: slice, keys: slice, best: torch.Tensor, index: torch.Tensor
) -> None:
    cosines = vectors[queries] @ vectors[keys].T
    first, stop = max(queries.start, keys.start), min(queries.stop, keys.stop)
    own = torch.arange(first, max(first, stop), device=vectors.device)
    cosines[own - queries.start, own - keys.start] = -torch.inf
    values, columns = cosines.max(dim=1)  # the first of several equal maxima
    better = values > best[queries]
    index[queries] = torch.where(better, columns + keys.start, index[queries])
    best[queries] = torch.where(better, values, best[queries])
