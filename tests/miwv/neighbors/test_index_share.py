"""The index in tasks: the neighbors of one process, by any number of tasks, also after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import DamagedWorkError, Workspace
from hf_miwv.neighbors import graphs, index_share
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.neighbors.index import indexed_k_neighbors
from hf_miwv.neighbors.index_share import build_index_share, search_index_share

pytest.importorskip("usearch", reason="usearch is missing: pip install 'hf-miwv-lmt[index]'")

ROWS = 400


@pytest.fixture
def vectors(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Unit vectors of ROWS rows, which are so many that an index has four graphs."""
    monkeypatch.setattr(graphs, "GRAPH_ROWS", 100)
    vectors = np.random.default_rng(0).normal(size=(ROWS, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def workspaces_of(folder: Path, tasks: int) -> list[Workspace]:
    return [Workspace(folder / Processes(rank, tasks).name()) for rank in range(tasks)]


def in_tasks(
    vectors: np.ndarray, workspaces: list[Workspace], count: int = 1, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    tasks = len(workspaces)
    counts = [
        build_index_share(vectors, count, groups, workspace, Processes(rank, tasks))
        for rank, workspace in enumerate(workspaces)
    ]
    assert {count["graphs"] for count in counts} == {4}
    shares = np.array_split(np.arange(len(vectors)), tasks)
    neighbors, cosines, reports = zip(
        *(
            search_index_share(vectors, count, groups, range(share[0], share[-1] + 1), workspaces, 4)
            for share in shares
        ),
        strict=True,
    )
    return np.concatenate(neighbors), np.concatenate(cosines), list(reports)


@pytest.mark.parametrize("tasks", [1, 3, 6])
@pytest.mark.parametrize("grouped", [False, True])
def test_any_number_of_tasks_finds_what_one_process_finds(
    vectors: np.ndarray, tasks: int, grouped: bool, tmp_path: Path
) -> None:
    groups = None
    if grouped:  # the last rows are copies of the first, and may not be their neighbors
        vectors[-20:], groups = vectors[:20], np.r_[np.arange(ROWS - 20), np.arange(20)]
    expected, expected_cosines, report = indexed_k_neighbors(vectors, 2, groups=groups)
    neighbors, cosines, reports = in_tasks(vectors, workspaces_of(tmp_path, tasks), 2, groups)
    assert neighbors.tobytes() == expected.tobytes()
    assert cosines.tobytes() == expected_cosines.tobytes()
    assert reports == [report] * tasks
    assert report["parameters"]["parts"] == 4


def test_the_recall_is_the_share_of_rows_with_their_nearest_neighbor(vectors: np.ndarray, tmp_path: Path) -> None:
    _, exact = nearest_neighbors(vectors)
    _, cosines, reports = in_tasks(vectors, workspaces_of(tmp_path, 2))
    assert reports[0]["recall_sample"] == ROWS
    assert reports[0]["recall"] == pytest.approx((cosines[:, 0] >= exact - 1e-6).mean())
    assert reports[0]["recall"] > 0.95


def test_a_killed_task_builds_only_the_graphs_that_are_not_there(
    vectors: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _, _ = in_tasks(vectors, workspaces_of(tmp_path / "whole", 1))
    workspace = Workspace(tmp_path / "killed")
    built: list[int] = []
    build_graphs = index_share.build_graphs

    def killed_at_the_third(vectors: np.ndarray, graph_rows: list[np.ndarray]) -> list[Any]:
        built.append(int(graph_rows[0][0]))
        if len(built) == 3:
            raise KeyboardInterrupt
        return build_graphs(vectors, graph_rows)

    monkeypatch.setattr(index_share, "build_graphs", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        in_tasks(vectors, [workspace])
    (tmp_path / "killed" / "graph-00002.part").write_bytes(b"half a graph")
    resumed, _, _ = in_tasks(vectors, [workspace])
    assert built == [0, 1, 2, 2, 3]
    assert resumed.tobytes() == expected.tobytes()


def test_a_damaged_or_missing_graph_is_not_searched(vectors: np.ndarray, tmp_path: Path) -> None:
    workspaces = workspaces_of(tmp_path, 2)
    in_tasks(vectors, workspaces)
    graph = workspaces[1].folder / "graph-00003.usearch"
    content = bytearray(graph.read_bytes())
    content[200] ^= 1
    graph.write_bytes(bytes(content))
    with pytest.raises(DamagedWorkError, match=r"graph-00003\.usearch is damaged"):
        search_index_share(vectors, 1, None, range(5), workspaces, 4)
    graph.unlink()
    with pytest.raises(ValueError, match="not all of the index is there"):
        search_index_share(vectors, 1, None, range(5), workspaces, 4)
