"""Each row's nearest neighbors, among the rows and in the target set; saved, so that they are searched once."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.neighbors.embedding import embed_rows
from hf_miwv.neighbors.exact import k_nearest_of_set
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.target_set import TargetSet


def find_neighbors(journey: Journey, vectors: np.ndarray, workspace: Workspace) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest neighbors of all rows, or take them from the workspace where an earlier run has left them.

    Args:
        journey (`Journey`): The run.
        vectors (`np.ndarray`): (N, D) unit vectors of the prompts.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (N, K) the rows of the neighbors, -1 for none, and their cosines.
    """
    saved = _saved_search(workspace)
    ready = all(journey.processes.gather(saved is not None))
    if saved is None or not ready:  # all search, or none: they do it together
        began = time.perf_counter()
        neighbors, cosines, counts = _search_readable(journey, vectors)
        saved = neighbors, cosines, {"seconds": time.perf_counter() - began, **counts}
        # The counts last: `_saved_search` takes the three files only together.
        workspace.write_array("neighbors.npy", neighbors)
        workspace.write_array("cosines.npy", cosines)
        workspace.write_json("search.json", saved[2])
    journey.count("neighbors", saved[2])
    neighbors, cosines, _ = saved
    return neighbors, cosines


def find_target_neighbors(
    journey: Journey, target: TargetSet, vectors: np.ndarray, workspace: Workspace
) -> np.ndarray:
    """Find the nearest examples of the target set with another prompt than the row.

    Args:
        journey (`Journey`): The run.
        target (`TargetSet`): The target set.
        vectors (`np.ndarray`): (N, D) unit vectors of the prompts.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `np.ndarray`: (N, K) rows of the target set, -1 for none.
    """
    neighbors, counts = workspace.read_array("target_neighbors.npy"), workspace.read_json("target_search.json")
    ready = all(journey.processes.gather(neighbors is not None and counts is not None))
    if neighbors is None or counts is None or not ready:  # all search, or none: they do it together
        with Workspace(workspace.folder / "target_embeddings") as target_workspace:
            target_vectors, counts = embed_rows(
                *(target.table.rows, journey.embedder, journey.embedded_text, target_workspace),
                *(journey.processes, journey.progress),
            )
            nearest, _ = k_nearest_of_set(
                vectors,
                target_vectors[target.examples],
                journey.neighbor_count,
                groups=target.groups,
                set_groups=target.target_groups[target.examples],
                device=journey.embedder.model.device,
                queries=journey.rank_rows(),
            )
            nearest = np.concatenate(journey.processes.gather(nearest))
            neighbors = np.where(nearest < 0, -1, target.examples[nearest])
            workspace.write_array("target_neighbors.npy", neighbors)
            workspace.write_json("target_search.json", counts)
    journey.count("embed_target", counts, rows=len(target.table))
    return neighbors


def _search_readable(journey: Journey, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Search among the rows that can be read; the others have no neighbor (-1, nan)."""
    groups = np.array(journey.table.groups)
    if not journey.table.faults:
        return journey.search_neighbors(vectors, groups)
    readable = journey.readable_rows()
    nearest, similarity, counts = journey.search_neighbors(vectors[readable], groups[readable])
    shape = len(vectors), journey.neighbor_count
    neighbors, cosines = np.full(shape, -1), np.full(shape, np.nan, np.float32)
    neighbors[readable], cosines[readable] = np.where(nearest < 0, -1, readable[nearest]), similarity
    return neighbors, cosines, counts


def _saved_search(workspace: Workspace) -> tuple[np.ndarray, np.ndarray, dict[str, Any]] | None:
    neighbors, cosines = workspace.read_array("neighbors.npy"), workspace.read_array("cosines.npy")
    counts = workspace.read_json("search.json")
    if neighbors is None or cosines is None or counts is None:
        return None
    # Work that was begun before there could be several neighbors has one of each row, without a second axis.
    rows = len(neighbors)
    return neighbors.reshape(rows, -1), cosines.reshape(rows, -1), counts
