"""Unit vectors -> each row's nearest other rows, approximately, by the library `usearch`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import torch
import xxhash

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.neighbors.exact import Queries, check_vectors, is_single_group, k_nearest_neighbors, query_rows

logger = logging.getLogger(__name__)

SEARCHES = ("auto", "exact", "index")

# Ours: the exact search is 2 N^2 D operations. With the default embedder's D = 1024 that is
# 2 * 400,000^2 * 1024 = 3.3e14, an hour on two CPU cores at 9e10 a second (23 minutes at D = 384).
EXACT_ROWS = 400_000

# Ours: a graph (HNSW) over bfloat16 copies; of CANDIDATES per row the best is taken in float32.
GRAPH: dict[str, Any] = {
    "dtype": "bf16",
    "connectivity": 16,
    "expansion_add": 64,
}
# Ours: how widely a search looks around (expansion_search), the first at which ENOUGH of a sample
# are found, else the last. The time of a search grows with it.
EFFORTS = (32, 64, 96, 128, 192, 256, 384, 512)
ENOUGH = 0.95
CANDIDATES = 8
BLOCK = 4096  # rows added or searched for at a time

# Ours: graphs, each of every PARTS-th row, that are built side by side. Two threads that add to one graph
# give another one each time; a thread to each graph gives always the same. Every query searches all of them,
# so that more of them cost more searching: two take a quarter more than one at equal recall.
PARTS = 2

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
    sample: int = 1000,
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
    index. The index is PARTS graphs, each built by one thread, which makes the result the same every
    time and for any number of threads. A hashed sample of the queries is searched exactly, too: the
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
    sample: int = 1000,
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
    import usearch

    check_vectors(vectors)
    wanted = query_rows(queries, len(vectors))
    # Each row a group of its own: the search then has one rule, and excludes a row from itself by it.
    kinds = np.arange(len(vectors)) if groups is None or is_single_group(groups) else groups
    index = _build(vectors, kinds, count, threads or torch.get_num_threads())
    report = _try_out(index, vectors, count, wanted[hashed_sample(wanted, sample, seed)], kinds)
    neighbors = np.empty((len(wanted), count), dtype=np.int64)
    cosines = np.empty((len(wanted), count), dtype=np.float32)
    for start in range(0, len(wanted), BLOCK):
        block = slice(start, min(start + BLOCK, len(wanted)))
        neighbors[block], cosines[block] = _search(index, vectors, count, wanted[block], kinds)
        if progress:
            progress(block.stop - block.start)
    return neighbors, cosines, {"library": "usearch", "version": usearch.__version__, **report}


def _check_library() -> None:
    if find_spec("usearch") is None:
        raise InputError(
            "search 'index': usearch is not installed; pip install 'hf-miwv-lmt[index]', or search 'exact'"
        )


class _Graphs(NamedTuple):
    """The graphs of an index, and how many threads search them."""

    parts: list[Any]
    threads: int

    def look_as_widely_as(self, effort: int) -> None:
        for part in self.parts:
            part.expansion_search = effort

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Return (Q, parts x count) int64 rows that the graphs name for the (Q, D) queries; -1 for none."""
        padded = np.resize(queries, (max(2, len(queries)), queries.shape[1]))  # one alone gets another shape
        columns = []
        for part in self.parts:
            matches = part.search(padded, count, threads=self.threads)
            keys, counts = matches.keys[: len(queries)].astype(np.int64), matches.counts[: len(queries)]
            columns.append(np.where(np.arange(keys.shape[1]) < counts[:, None], keys, -1))
        return np.concatenate(columns, axis=1)


def _build(vectors: np.ndarray, groups: np.ndarray, count: int, threads: int) -> _Graphs:
    firsts = np.sort(np.unique(groups, return_index=True)[1])
    # Rows of one group often have one prompt: many equal vectors would fill the candidates of each other.
    rows = firsts[_first_of_equals(vectors, firsts, count + 1)]
    # By the number of rows and not of threads, or other threads would find other neighbors.
    parts = PARTS if len(rows) > BLOCK else 1
    logger.info("building an index of %s rows", f"{len(rows):,}")
    with ThreadPoolExecutor(min(threads, parts)) as pool:
        graphs = list(pool.map(lambda first: _graph(vectors, rows[first::parts]), range(parts)))
    return _Graphs(graphs, threads)


def _graph(vectors: np.ndarray, rows: np.ndarray) -> Any:
    """Build one graph of some rows, in their order and in this thread."""
    from usearch.index import Index

    graph = Index(ndim=vectors.shape[1], metric="ip", **GRAPH)
    for first in range(0, len(rows), BLOCK):
        block = rows[first : first + BLOCK]
        graph.add(block, vectors[block], threads=1)
    return graph


def _first_of_equals(vectors: np.ndarray, rows: np.ndarray, limit: int) -> np.ndarray:
    """Return the positions in `rows` to index, ascending: of those with the same bytes the first `limit`.

    No row needs more than its neighbors and itself, and a graph in which thousands are equal is cut into parts.
    """
    digests = (xxhash.xxh3_64_intdigest(vectors[row]) for row in rows)
    hashes = np.fromiter(digests, np.uint64, len(rows))
    order = hashes.argsort(kind="stable")
    hashes = hashes[order]
    return np.sort(np.delete(order, limit + np.flatnonzero(hashes[limit:] == hashes[:-limit])))


def _search(
    index: _Graphs, vectors: np.ndarray, count: int, rows: np.ndarray, groups: np.ndarray
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


def _try_out(
    index: _Graphs, vectors: np.ndarray, count: int, sample: np.ndarray, groups: np.ndarray
) -> dict[str, Any]:
    """Set the effort that is enough for the (S,) rows `sample`; return the measured recall for the record."""
    _, exact = k_nearest_neighbors(vectors, count, queries=sample, groups=groups)
    recall = None
    for effort in EFFORTS:
        index.look_as_widely_as(effort)
        if not len(sample):
            break
        _, approximate = _search(index, vectors, count, sample, groups)
        # nan, where fewer than `count` rows may be a neighbor, counts as missed by neither search.
        recall = float((np.isnan(exact) | (approximate >= exact - TOLERANCE)).mean())
        logger.info("search effort %d: recall %.3f on %d rows", effort, recall, len(sample))
        if recall >= ENOUGH:
            break
    return {
        "parameters": {
            **GRAPH,
            "parts": len(index.parts),
            "expansion_search": effort,
            "candidates": CANDIDATES * count,
        },
        "recall": recall,
        "recall_sample": len(sample),
    }
