"""Unit vectors -> each row's nearest other rows, approximately, by the library `usearch`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
import xxhash

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.neighbors.exact import Queries, check_vectors, k_nearest_neighbors, query_rows
from hf_miwv.neighbors.graphs import GRAPH, Graphs, build_graphs, groups_of_rows, rows_of_graphs

logger = logging.getLogger(__name__)

SEARCHES = ("auto", "exact", "index")

# Ours: the exact search is 2 N^2 D operations. With the default embedder's D = 1024 that is
# 2 * 400,000^2 * 1024 = 3.3e14, an hour on two CPU cores at 9e10 a second (23 minutes at D = 384).
EXACT_ROWS = 400_000

# Ours: of CANDIDATES per row, which the graphs name by bfloat16 copies, the best is taken in float32.
CANDIDATES = 8
# Ours: how widely a search looks around (expansion_search), the first at which ENOUGH of a sample
# are found, else the last. The time of a search grows with it. To try one costs as much as SAMPLE queries, so
# that small steps save more than they cost, of the many rows that an index is for.
EFFORTS = (*range(32, 64, 2), *range(64, 128, 4), *range(128, 256, 16), *range(256, 513, 32))
ENOUGH = 0.95
SAMPLE = 1000  # rows that are also searched exactly, at most
# Ours: queries at a time. The vectors of their candidates are 25 MB (K = 1, D = 384, two graphs); of 4,096 queries
# they were 100 MB, and giving these to the process took longer than reading them.
QUERY_BLOCK = 1024

TOLERANCE = 1e-6  # of float32 cosines, as in the exact search


def choose_search(rows: int, search: str = "auto") -> str:
    """Choose how neighbors are searched.

    Args:
        rows (`int`): Number of rows.
        search (`str`, *optional*, defaults to `"auto"`): "exact" or "index"; "auto" is exact up to EXACT_ROWS,
            and beyond if usearch is not installed.

    Returns:
        `str`: "exact" or "index".

    Raises:
        InputError: an unknown word, or "index" without the library.
    """
    if search not in SEARCHES:
        raise InputError(f"search {search!r}: no such search; {did_you_mean(search, SEARCHES)}")
    if search == "index":
        _check_library()
    if search != "auto":
        return search
    if rows > EXACT_ROWS and find_spec("usearch") is None:
        logger.warning(
            "%s rows are many for an exact search of neighbors; for an index: pip install 'hf-miwv-lmt[index]'",
            f"{rows:,}",
        )
        return "exact"
    return "index" if rows > EXACT_ROWS else "exact"


def indexed_neighbors(
    vectors: np.ndarray,
    *,
    seed: int = 0,
    sample: int = SAMPLE,
    progress: Callable[[int], object] | None = None,
    queries: Queries = None,
    groups: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Find for each row i of `queries` nearly argmax over j != i of <v_i, v_j>, and that cosine.

    With `groups`, over the j of another group than i's, as in `nearest_neighbors`; of each group
    only the first row is then proposed.

    The index proposes CANDIDATES rows; the cosines are computed from the vectors in float32 and
    the largest one wins, the lower index of equals among the candidates. Rows are excluded by
    index. The index is several graphs (see `rows_of_graphs`), each built by one thread, which makes the result
    the same every time and for any number of threads. A hashed sample of the queries is searched exactly, too: the
    first of EFFORTS at which ENOUGH of its neighbors are found serves for all.

    Args:
        vectors (`np.ndarray`): (N, D) float32 in C order, each of length 1; a memory map is read block by
            block.
        seed (`int`, *optional*, defaults to 0): Chooses the sample.
        sample (`int`, *optional*, defaults to 1000): Most queries that are also searched exactly.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.
        queries (`range | np.ndarray`, *optional*): The rows to search for, all by default.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.
        threads (`int`, *optional*): Threads that build and search; by default torch's, which OMP_NUM_THREADS
            sets. The result does not depend on them.

    Returns:
        `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Of the Q queries (Q,) int64 indices, (Q,) float32
        cosines, and {"library", "version", "parameters", "recall", "recall_sample"}. The recall is the share
        of the sampled rows whose cosine is within 1e-6 of the exact search's; None where none was sampled.

    Raises:
        InputError: the library is missing, or as in `nearest_neighbors`.
    """
    neighbors, cosines, report = indexed_k_neighbors(
        vectors, 1, seed=seed, sample=sample, progress=progress, queries=queries, groups=groups, threads=threads
    )
    return neighbors[:, 0], cosines[:, 0], report


def indexed_k_neighbors(
    vectors: np.ndarray,
    count: int,
    *,
    seed: int = 0,
    sample: int = SAMPLE,
    progress: Callable[[int], object] | None = None,
    queries: Queries = None,
    groups: np.ndarray | None = None,
    threads: int | None = None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Find nearly the `count` rows with the highest cosines, as `indexed_neighbors` finds the first of them.

    The index then proposes `count` times as many rows. A row for which it names fewer than `count`
    is searched exactly.

    Args:
        vectors (`np.ndarray`): (N, D) float32 in C order, each of length 1.
        count (`int`): Neighbors of each row, K.
        seed (`int`, *optional*, defaults to 0): Chooses the sample.
        sample (`int`, *optional*, defaults to 1000): Most queries that are also searched exactly.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.
        queries (`range | np.ndarray`, *optional*): The rows to search for, all by default.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.
        threads (`int`, *optional*): Threads that build and search; by default torch's, which OMP_NUM_THREADS
            sets. The result does not depend on them.

    Returns:
        `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Of the Q queries (Q, K) int64 indices and (Q, K)
        float32 cosines, -1 and nan where fewer than K rows may be a neighbor; and the report of
        `indexed_neighbors`, with the recall over all K neighbors.

    Raises:
        InputError: as in `indexed_neighbors`.
    """
    _check_library()
    check_vectors(vectors)
    wanted, groups = query_rows(queries, len(vectors)), groups_of_rows(groups, len(vectors))
    graph_rows = rows_of_graphs(vectors, groups, count)
    index = Graphs(build_graphs(vectors, graph_rows, threads), threads or torch.get_num_threads())
    sampled = wanted[hashed_sample(wanted, sample, seed)]
    _, exact = k_nearest_neighbors(vectors, count, queries=sampled, groups=groups)
    report = try_out(index, vectors, count, sampled, exact, groups)
    return *search_graphs(index, vectors, count, wanted, groups, progress), report


def search_graphs(
    index: Graphs,
    vectors: np.ndarray,
    count: int,
    rows: np.ndarray,
    groups: np.ndarray,
    progress: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Find nearly the `count` nearest neighbors of some rows by all graphs, as widely as these look.

    Args:
        index (`Graphs`): The graphs.
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        count (`int`): Neighbors of each row, K.
        rows (`np.ndarray`): (Q,) int64 rows to search for.
        groups (`np.ndarray`): (N,) integers, equal where rows may not be each other's neighbor.
        progress (`Callable[[int], object]`, *optional*): Called with the number of rows done, block by block.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (Q, K) int64 indices and (Q, K) float32 cosines, -1 and nan for none.
    """
    neighbors = np.empty((len(rows), count), dtype=np.int64)
    cosines = np.empty((len(rows), count), dtype=np.float32)
    for start in range(0, len(rows), QUERY_BLOCK):
        block = slice(start, min(start + QUERY_BLOCK, len(rows)))
        neighbors[block], cosines[block] = _search(index, vectors, count, rows[block], groups)
        if progress:
            progress(block.stop - block.start)
    return neighbors, cosines


def _check_library() -> None:
    if find_spec("usearch") is None:
        raise InputError(
            "search 'index': usearch is not installed; pip install 'hf-miwv-lmt[index]', or search 'exact'"
        )


def _search(
    index: Graphs, vectors: np.ndarray, count: int, rows: np.ndarray, groups: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return neighbors and cosines of some rows; a row to which the index names too few is searched exactly."""
    named = index.candidates(vectors[rows], CANDIDATES * count)
    # A missing match becomes the row itself, which its group excludes; sorted, so that equals go to the lower index.
    candidates = np.sort(np.where(named < 0, rows[:, None], named), axis=1)
    # The index keeps bfloat16 copies: its order of close candidates is not that of the vectors.
    cosines = np.einsum("qd,qkd->qk", vectors[rows], vectors[candidates])
    cosines[groups[candidates] == groups[rows][:, None]] = -np.inf
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :count]  # of equal cosines the lower index comes first
    neighbors = np.take_along_axis(candidates, best, axis=1)
    nearest = np.take_along_axis(cosines, best, axis=1)
    alone = np.flatnonzero(np.isneginf(nearest).any(axis=1))
    if len(alone):
        neighbors[alone], nearest[alone] = k_nearest_neighbors(vectors, count, queries=rows[alone], groups=groups)
    return neighbors, nearest


def hashed_sample(candidates: np.ndarray, sample: int, seed: int) -> np.ndarray:
    """Choose the rows with the smallest hashes of (seed, row).

    Args:
        candidates (`np.ndarray`): (Q,) int64 row indices.
        sample (`int`): Most rows to choose.
        seed (`int`): Seed of the hash.

    Returns:
        `np.ndarray`: (S,) int64 positions in `candidates`, ascending.
    """
    hashes = (xxhash.xxh3_64_intdigest(row.tobytes(), seed) for row in candidates)
    return np.sort(np.fromiter(hashes, np.uint64, len(candidates)).argsort(kind="stable")[:sample])


def try_out(
    index: Graphs, vectors: np.ndarray, count: int, sample: np.ndarray, exact: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """Set the effort of the graphs to the first at which ENOUGH neighbors of a sample are found, else the last.

    Args:
        index (`Graphs`): The graphs.
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        count (`int`): Neighbors of each row, K.
        sample (`np.ndarray`): (S,) int64 rows to search for.
        exact (`np.ndarray`): (S, K) cosines of their neighbors by the exact search, nan for none.
        groups (`np.ndarray`): (N,) integers, equal where rows may not be each other's neighbor.

    Returns:
        `dict[str, Any]`: The report of `indexed_neighbors`.
    """
    import usearch

    recall = None
    for effort in EFFORTS:
        index.look_as_widely_as(effort)
        if not len(sample):
            break
        _, approximate = _search(index, vectors, count, sample, groups)
        # nan, where fewer than `count` rows may be a neighbor, counts as missed by neither search.
        recall = float((np.isnan(exact) | (approximate >= exact - TOLERANCE)).mean())
        if recall >= ENOUGH:
            break
    if recall is not None:
        logger.info("expansion_search %d: recall %.3f on %d rows", effort, recall, len(sample))
    return {
        "library": "usearch",
        "version": usearch.__version__,
        "parameters": {
            **GRAPH,
            "parts": len(index.parts),
            "expansion_search": effort,
            "candidates": CANDIDATES * count,
        },
        "recall": recall,
        "recall_sample": len(sample),
    }
