"""The approximate search: right on small sets, the same every time, honest about its recall."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hf_miwv.common.errors import InputError
from hf_miwv.neighbors import index as neighbor_index
from hf_miwv.neighbors.exact import k_nearest_neighbors, nearest_neighbors
from hf_miwv.neighbors.index import EXACT_ROWS, choose_search, indexed_k_neighbors, indexed_neighbors


def unit_vectors(rows: int, width: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def with_library() -> None:
    pytest.importorskip("usearch", reason="usearch is missing: pip install 'hf-miwv-lmt[index]'")


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbor_index, "find_spec", lambda name: None)


@pytest.mark.usefixtures("with_library")
@pytest.mark.parametrize("queries", [None, range(700, 1500), np.array([1999, 5]), np.array([7])])
def test_small_sets_are_found_as_exactly(queries: range | np.ndarray | None) -> None:
    vectors = unit_vectors(2000)
    expected, _ = nearest_neighbors(vectors, queries=queries)
    done: list[int] = []
    index, cosines, report = indexed_neighbors(vectors, queries=queries, progress=done.append)
    rows = np.arange(2000) if queries is None else np.asarray(queries)
    assert not (index == rows).any()
    assert np.mean(index == expected) > 0.99
    np.testing.assert_allclose(cosines, (vectors[rows] * vectors[index]).sum(axis=1), atol=1e-6)
    assert report["recall"] > 0.99
    assert report["recall_sample"] == min(1000, len(rows))
    assert sum(done) == len(rows)


@pytest.mark.usefixtures("with_library")
def test_the_same_input_gives_the_same_bytes() -> None:
    vectors = unit_vectors(3000, width=64)
    one, other = indexed_neighbors(vectors, seed=3), indexed_neighbors(vectors, seed=3)
    assert one[0].tobytes() == other[0].tobytes()
    assert one[1].tobytes() == other[1].tobytes()
    assert one[2] == other[2]


@pytest.mark.usefixtures("with_library")
def test_any_number_of_threads_gives_the_same_bytes() -> None:
    vectors = unit_vectors(4200)
    runs = [indexed_k_neighbors(vectors, 2, threads=threads) for threads in (1, 2)]
    assert runs[0][2]["parameters"]["parts"] == 2
    for neighbors, cosines, report in runs[1:]:
        assert neighbors.tobytes() == runs[0][0].tobytes()
        assert cosines.tobytes() == runs[0][1].tobytes()
        assert report == runs[0][2]


@pytest.mark.usefixtures("with_library")
def test_two_graphs_find_what_all_cosines_say() -> None:
    vectors = unit_vectors(4200)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    neighbors, _, report = indexed_neighbors(vectors, threads=2, sample=4200)
    assert report["parameters"]["parts"] == 2
    is_nearest = cosines[np.arange(4200), neighbors] >= cosines.max(axis=1) - 1e-6
    assert report["recall"] == pytest.approx(is_nearest.mean())
    assert is_nearest.mean() > 0.95


@pytest.mark.usefixtures("with_library")
def test_the_recall_is_that_of_the_sampled_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit_vectors(300)

    def worsen(search: Callable[..., Any]) -> Callable[..., Any]:
        def worse(
            index: Any, vectors: np.ndarray, count: int, rows: np.ndarray, groups: np.ndarray
        ) -> tuple[np.ndarray, ...]:
            found, cosines = search(index, vectors, count, rows, groups)
            return found, np.where(rows[:, None] % 3 == 0, cosines - np.float32(1e-3), cosines)

        return worse

    monkeypatch.setattr(neighbor_index, "_search", worsen(neighbor_index._search))
    everything, _, whole = indexed_neighbors(vectors, sample=300)
    assert len(everything) == 300
    assert whole["recall"] == pytest.approx(2 / 3)
    parts = [indexed_neighbors(vectors, sample=30, seed=seed)[2] for seed in range(4)]
    assert {part["recall_sample"] for part in parts} == {30}
    assert len({part["recall"] for part in parts}) > 1  # other seeds, other rows


@pytest.mark.usefixtures("with_library")
@pytest.mark.parametrize(("efforts", "taken"), [((1, 600, 700), 600), ((1, 2), 2)])
def test_the_search_looks_as_widely_as_it_must(
    efforts: tuple[int, ...], taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neighbor_index, "EFFORTS", efforts)
    vectors = unit_vectors(6000, width=200)
    found, _, report = indexed_neighbors(vectors)
    assert report["parameters"]["expansion_search"] == taken
    exact, _ = nearest_neighbors(vectors)
    assert report["recall"] == pytest.approx(np.mean(found == exact), abs=0.05)
    assert (report["recall"] >= neighbor_index.ENOUGH) == (taken == 600)


@pytest.mark.usefixtures("with_library")
def test_many_equal_rows_hide_no_others() -> None:
    vectors = unit_vectors(5000)
    vectors[100:4000] = vectors[3]
    index, cosines, report = indexed_neighbors(vectors)
    assert index[[3, 100, 101, 3999]].tolist() == [100, 3, 3, 3]  # the lower index, never itself
    np.testing.assert_allclose(cosines[100:4000], 1, atol=1e-6)
    _, exact = nearest_neighbors(vectors, queries=range(4000, 5000))
    assert np.mean(cosines[4000:] >= exact - 1e-6) > 0.99
    assert report["recall"] > 0.99


@pytest.mark.usefixtures("with_library")
@pytest.mark.parametrize("queries", [None, range(900, 1400)])
def test_a_neighbor_of_another_group(queries: range | None) -> None:
    vectors = unit_vectors(2000)
    groups = np.arange(2000) // 40  # more of a kind than the index proposes candidates
    vectors = 0.1 * vectors + vectors[groups * 40]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    expected, _ = nearest_neighbors(vectors, queries=queries, groups=groups)
    index, cosines, _ = indexed_neighbors(vectors, queries=queries, groups=groups)
    rows = np.arange(2000) if queries is None else np.asarray(queries)
    assert not (groups[index] == groups[rows]).any()
    assert (index % 40 == 0).all()  # the first of its group stands for it
    np.testing.assert_allclose(cosines, (vectors[rows] * vectors[index]).sum(axis=1), atol=1e-6)
    assert np.mean(groups[index] == groups[expected]) > 0.5


@pytest.mark.usefixtures("with_library")
def test_equal_rows_of_different_groups_are_neighbors() -> None:
    vectors = unit_vectors(300)
    vectors[100:200] = vectors[3]
    groups = np.arange(300)
    groups[100:150], groups[150:200] = 100, 150
    index, _, report = indexed_neighbors(vectors, groups=groups)
    exact, _ = nearest_neighbors(vectors, groups=groups)
    assert index[[3, 100, 149, 150, 199]].tolist() == exact[[3, 100, 149, 150, 199]].tolist()
    assert report["recall"] == 1
    one, _, _ = indexed_neighbors(vectors, groups=np.zeros(300, dtype=np.int64))
    assert one.tolist() == indexed_neighbors(vectors)[0].tolist()


@pytest.mark.usefixtures("with_library")
def test_two_rows_and_bad_rows() -> None:
    index, _, report = indexed_neighbors(unit_vectors(2))
    assert index.tolist() == [1, 0]
    assert report["recall"] == 1
    with pytest.raises(InputError, match="at least two rows"):
        indexed_neighbors(unit_vectors(1))


@pytest.mark.usefixtures("with_library")
def test_a_row_without_another_candidate_is_searched_exactly() -> None:
    vectors = unit_vectors(40)

    class FindsOnlyItself:
        def candidates(self, queries: np.ndarray, count: int) -> np.ndarray:
            named = np.full((len(queries), count), -1)
            named[:, 0] = [30, 31]
            return named

    rows = np.array([30, 31])
    found, _ = neighbor_index._search(FindsOnlyItself(), vectors, 1, rows, np.arange(40))
    assert found[:, 0].tolist() == nearest_neighbors(vectors, queries=range(30, 32))[0].tolist()


@pytest.mark.usefixtures("with_library")
@pytest.mark.parametrize(
    ("rows", "search", "expected"),
    [
        (EXACT_ROWS, "auto", "exact"),
        (EXACT_ROWS + 1, "auto", "index"),
        (10, "index", "index"),
        (EXACT_ROWS + 1, "exact", "exact"),
    ],
)
def test_which_search(rows: int, search: str, expected: str) -> None:
    assert choose_search(rows, search) == expected


def test_an_unknown_search() -> None:
    with pytest.raises(InputError, match="search 'exakt': no such search; did you mean 'exact'"):
        choose_search(10, "exakt")


@pytest.mark.usefixtures("without_library")
def test_without_the_library(caplog: pytest.LogCaptureFixture) -> None:
    for call in (lambda: choose_search(10, "index"), lambda: indexed_neighbors(unit_vectors(5))):
        with pytest.raises(InputError, match=r"pip install 'hf-miwv-lmt\[index\]'"):
            call()
    with caplog.at_level(logging.WARNING):
        assert choose_search(EXACT_ROWS + 1) == "exact"
    assert "pip install 'hf-miwv-lmt[index]'" in caplog.text


@pytest.mark.slow
@pytest.mark.usefixtures("with_library")
def test_the_benchmark_runs_small() -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "neighbors.py"
    done = subprocess.run(
        [sys.executable, str(script), "--small", "--index-rows", "250000", "--before", str(script.parents[1])],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    cases = [(cells[0], cells[1], cells[2]) for cells in lines if not cells[0].startswith("| case")]
    assert [(rows, queries) for _, rows, queries in cases] == [
        ("400", "400"),
        ("400", "400"),
        ("1,000", "1,000"),
        ("20,000", "400"),
        ("5,000", "5,000"),
        ("5,000", "5,000"),
    ]
    assert "400 of 400 as in the dense one" in done.stdout
    assert "all 20,000 queries, extrapolated: " in done.stdout
    assert "on 1,000 rows" in done.stdout
    assert done.stdout.rstrip().endswith(" x as fast as before |")


@pytest.mark.slow
@pytest.mark.usefixtures("with_library")
def test_the_benchmark_searches_graph_by_graph() -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "neighbors.py"
    done = subprocess.run(
        [sys.executable, str(script), "--small", "--only", "queries", "--index-rows", "250000"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "| dealing rows to 2 graphs | " in done.stdout
    recalls = [float(recall) for recall in re.findall(r"recall ([\d.]+);", done.stdout)]
    assert len(recalls) == 3
    assert min(recalls) > 0.99


@pytest.mark.usefixtures("with_library")
def test_several_neighbors_are_those_of_the_exact_search() -> None:
    vectors = unit_vectors(400)
    vectors[100:160] = vectors[3]  # more equal rows than a row has neighbors
    index, cosines, report = indexed_k_neighbors(vectors, 4)
    expected, exact = k_nearest_neighbors(vectors, 4)
    assert report["recall"] == 1
    assert report["parameters"]["candidates"] == 32
    np.testing.assert_allclose(cosines, exact, atol=1e-6)
    alone = [row for row in range(100) if row != 3]
    assert np.mean(index[alone] == expected[alone]) > 0.95
    assert all(row not in index[row] and len(set(index[row])) == 4 for row in range(400))


@pytest.mark.usefixtures("with_library")
def test_several_neighbors_of_too_few_groups() -> None:
    vectors, groups = unit_vectors(30), np.arange(30) // 10
    index, cosines, report = indexed_k_neighbors(vectors, 12, groups=groups)
    exact = k_nearest_neighbors(vectors, 12, groups=groups)
    assert index.tolist() == exact[0].tolist()
    assert report["recall"] == 1
    np.testing.assert_allclose(cosines, exact[1], atol=1e-6)
