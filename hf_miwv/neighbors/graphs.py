"""Graphs of unit vectors, by the library `usearch`: which rows each has, building them, asking them for candidates."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
import xxhash

from hf_miwv.neighbors.exact import is_single_group

logger = logging.getLogger(__name__)

# Ours: graphs (HNSW) over bfloat16 copies. Of a million rows, 32 links (connectivity) in place of 16 take a fifth more
# building, and then half of the expansion for the same recall (benchmarks/README.md, "A million rows").
GRAPH: dict[str, Any] = {
    "dtype": "bf16",
    "connectivity": 32,
    "expansion_add": 64,
}
BLOCK = 4096  # rows added at a time

# Ours: graphs, each of every PARTS-th row, that are built side by side. Two threads that add to one graph
# give another one each time; a thread to each graph gives always the same. Every query searches all of them,
# so that more of them cost more searching: two take a quarter more than one at equal recall.
PARTS = 2
# Ours: the most rows of a graph, which is what one thread builds, and what its memory grows with. By the rows and not
# by the processes, so that any number of these have the same graphs and find the same neighbors.
GRAPH_ROWS = 500_000


class Graphs(NamedTuple):
    """The graphs of an index, and how many threads search them.

    Attributes:
        parts (`list[Index]`): The graphs; each names rows by their number among all rows.
        threads (`int`): Threads that search.
    """

    parts: list[Any]
    threads: int

    def look_as_widely_as(self, effort: int) -> None:
        """Set how widely a search looks around.

        Args:
            effort (`int`): `expansion_search` of usearch.
        """
        for part in self.parts:
            part.expansion_search = effort

    def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
        """Ask all graphs for the rows nearest to some vectors.

        Args:
            queries (`np.ndarray`): (Q, D) float32.
            count (`int`): Rows that each graph names.

        Returns:
            `np.ndarray`: (Q, parts x count) int64 rows, -1 for none.
        """
        padded = np.resize(queries, (max(2, len(queries)), queries.shape[1]))  # one alone gets another shape
        columns = []
        for part in self.parts:
            matches = part.search(padded, count, threads=self.threads)
            keys, counts = matches.keys[: len(queries)].astype(np.int64), matches.counts[: len(queries)]
            columns.append(np.where(np.arange(keys.shape[1]) < counts[:, None], keys, -1))
        return np.concatenate(columns, axis=1)


def groups_of_rows(groups: np.ndarray | None, rows: int) -> np.ndarray:
    """Return the groups, or each row as a group of its own where they forbid no row in particular.

    The search then has one rule, and excludes a row from itself by it.

    Args:
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.
        rows (`int`): N.

    Returns:
        `np.ndarray`: (N,) integers.
    """
    return np.arange(rows) if groups is None or is_single_group(groups) else groups


def rows_of_graphs(vectors: np.ndarray, groups: np.ndarray, count: int) -> list[np.ndarray]:
    """Deal the rows that a search can name to graphs: to one, above BLOCK rows to PARTS or more of GRAPH_ROWS at most.

    Of each group the first row, and of equal vectors the first `count` + 1.

    Args:
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        groups (`np.ndarray`): (N,) integers, equal where rows may not be each other's neighbor.
        count (`int`): Neighbors of each row.

    Returns:
        `list[np.ndarray]`: The int64 rows of each graph, ascending.
    """
    firsts = np.sort(np.unique(groups, return_index=True)[1])
    # Rows of one group often have one prompt: many equal vectors would fill the candidates of each other.
    rows = firsts[_first_of_equals(vectors, firsts, count + 1)]
    parts = max(PARTS if len(rows) > BLOCK else 1, -(-len(rows) // GRAPH_ROWS))
    return [rows[first::parts] for first in range(parts)]


def build_graphs(vectors: np.ndarray, graph_rows: Sequence[np.ndarray], threads: int | None = None) -> list[Any]:
    """Build graphs of some rows, each in the order of its rows and by one thread.

    Args:
        vectors (`np.ndarray`): (N, D) float32, each of length 1.
        graph_rows (`Sequence[np.ndarray]`): The int64 rows of each graph.
        threads (`int`, *optional*): Threads that build; by default torch's, which OMP_NUM_THREADS sets.

    Returns:
        `list[Index]`: The graphs.
    """
    logger.info("building an index of %s rows", f"{sum(len(rows) for rows in graph_rows):,}")
    with ThreadPoolExecutor(min(threads or torch.get_num_threads(), len(graph_rows))) as pool:
        return list(pool.map(lambda rows: _build_graph(vectors, rows), graph_rows))


def _build_graph(vectors: np.ndarray, rows: np.ndarray) -> Any:
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
