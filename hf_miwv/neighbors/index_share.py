"""The index dealt to tasks: each builds some of the graphs, then searches for its rows in all of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace, is_sealed, put_sealed
from hf_miwv.neighbors.exact import check_vectors, k_nearest_neighbors
from hf_miwv.neighbors.graphs import Graphs, build_graphs, groups_of_rows, rows_of_graphs
from hf_miwv.neighbors.index import SAMPLE, hashed_sample, search_graphs, try_out

EXACT = "sample-exact.npy"  # cosines of the sampled rows, by the exact search


def build_index_share(
    vectors: np.ndarray, count: int, groups: np.ndarray | None, workspace: Workspace, processes: Processes
) -> dict[str, float]:
    """Build this process's graphs, which stay in the workspace; killed, it builds those that are not there.

    Graph g is built by process g mod world. The sample by which recall is measured is searched exactly by the process
    whose turn it is after the last graph.

    Args:
        vectors (`np.ndarray`): (N, D) float32 in C order, each of length 1.
        count (`int`): Neighbors of each row, K.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.
        workspace (`Workspace`): The workspace of this process.
        processes (`Processes`): This process among those at the job.

    Returns:
        `dict[str, float]`: "graphs", of all processes, and "seconds" of this one.

    Raises:
        InputError: as in `nearest_neighbors`.
    """
    began = time.perf_counter()
    check_vectors(vectors)
    groups = groups_of_rows(groups, len(vectors))
    graph_rows = rows_of_graphs(vectors, groups, count)
    for number in range(processes.rank, len(graph_rows), processes.world):
        path = _graph_path(workspace, number)
        if not is_sealed(path):
            draft = path.with_suffix(".part")
            build_graphs(vectors, [graph_rows[number]])[0].save(draft)
            put_sealed(draft, path)
    if len(graph_rows) % processes.world == processes.rank and workspace.read_array(EXACT) is None:
        _, exact = k_nearest_neighbors(vectors, count, queries=_sample(vectors), groups=groups)
        workspace.write_array(EXACT, exact)
    return {"graphs": len(graph_rows), "seconds": time.perf_counter() - began}


def search_index_share(
    vectors: np.ndarray,
    count: int,
    groups: np.ndarray | None,
    queries: range,
    workspaces: Sequence[Workspace],
    number_of_graphs: int,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Search for some rows in the graphs of all processes: the best K of what all name, as `indexed_k_neighbors`.

    Every process measures the recall on the same sample of all rows, and so searches with the same effort.

    Args:
        vectors (`np.ndarray`): (N, D) float32 in C order, each of length 1.
        count (`int`): Neighbors of each row, K.
        groups (`np.ndarray`, *optional*): (N,) integers, equal where rows may not be each other's neighbor.
        queries (`range`): The rows to search for.
        workspaces (`Sequence[Workspace]`): The workspaces of all processes, by rank, in which the graphs are.
        number_of_graphs (`int`): Graphs of all processes.

    Returns:
        `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: (Q, K) int64 indices, (Q, K) float32 cosines, and the report
        of `indexed_neighbors`.

    Raises:
        ValueError: a graph or the exact search of the sample is not there.
    """
    paths = [_graph_path(workspaces[number % len(workspaces)], number) for number in range(number_of_graphs)]
    exact = workspaces[number_of_graphs % len(workspaces)].read_array(EXACT)
    if exact is None or not all(is_sealed(path) for path in paths):
        raise ValueError(f"{workspaces[0].folder.parent}: not all of the index is there")
    from usearch.index import Index

    # Mapped and not read, so that tasks of one machine share the memory of the graphs.
    index = Graphs([Index.restore(path, view=True) for path in paths], torch.get_num_threads())
    groups = groups_of_rows(groups, len(vectors))
    report = try_out(index, vectors, count, _sample(vectors), exact, groups)
    return *search_graphs(index, vectors, count, np.asarray(queries), groups), report


def _sample(vectors: np.ndarray) -> np.ndarray:
    return hashed_sample(np.arange(len(vectors)), SAMPLE, 0)


def _graph_path(workspace: Workspace, number: int) -> Path:
    return workspace.folder / f"graph-{number:05d}.usearch"
