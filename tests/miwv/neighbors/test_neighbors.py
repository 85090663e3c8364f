"""The blocked search equals the dense one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plain import plain_neighbor, plain_neighbors

from hf_miwv.common.errors import InputError
from hf_miwv.neighbors.exact import check_vectors, k_nearest_neighbors, k_nearest_of_set, nearest_neighbors


def unit_vectors(rows: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize(("query_block", "key_block"), [(1, 1), (7, 5), (5, 7), (64, 64), (3, 100)])
def test_any_blocking_equals_the_plain_search(query_block: int, key_block: int) -> None:
    vectors = unit_vectors(50)
    index, cosines = nearest_neighbors(vectors, query_block=query_block, key_block=key_block)
    expected = [plain_neighbor(vectors, row) for row in range(50)]
    assert index.tolist() == expected
    np.testing.assert_allclose(cosines, [vectors[i] @ vectors[j] for i, j in enumerate(expected)], atol=1e-6)


def test_a_repeated_row_is_its_twins_neighbor_and_never_its_own() -> None:
    vectors = unit_vectors(6)
    vectors[4] = vectors[1]
    index, cosines = nearest_neighbors(vectors, query_block=2, key_block=3)
    assert index[1] == 4
    assert index[4] == 1
    assert cosines[1] == pytest.approx(1, abs=1e-6)


def test_of_equal_cosines_the_first_row_wins() -> None:
    vectors = np.tile(np.array([[1, 0]], dtype=np.float32), (5, 1))
    index, _ = nearest_neighbors(vectors, query_block=2, key_block=2)
    assert index.tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (unit_vectors(1), "needs at least two rows"),
        (np.array([[1, 0], [np.nan, 0]], dtype=np.float32), "row 1: the embedder gave a vector"),
    ],
)
def test_bad_input(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        nearest_neighbors(vectors)


def test_progress_counts_every_row() -> None:
    done: list[int] = []
    nearest_neighbors(unit_vectors(10), query_block=4, progress=done.append)
    assert done == [4, 4, 2]


@pytest.mark.parametrize("queries", [range(13, 29), range(0), np.array([40, 3, 3, 49])])
def test_a_part_of_the_rows_gets_the_same_as_in_the_whole(queries: range | np.ndarray) -> None:
    vectors = unit_vectors(50)
    everything, _ = nearest_neighbors(vectors)
    index, cosines = nearest_neighbors(vectors, query_block=5, key_block=9, queries=queries)
    rows = np.asarray(queries, dtype=np.int64)
    assert index.tolist() == everything[rows].tolist()
    np.testing.assert_allclose(cosines, (vectors[rows] * vectors[index]).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("queries", [range(45, 51), np.array([-1])])
def test_a_query_that_is_no_row_is_refused(queries: range | np.ndarray) -> None:
    with pytest.raises(InputError, match=r"query (50|-1): no such row; give rows from 0 to 49"):
        nearest_neighbors(unit_vectors(50), queries=queries)


def test_a_vector_that_is_not_finite_is_found_in_any_block() -> None:
    vectors = unit_vectors(20)
    vectors[17, 3] = np.inf
    with pytest.raises(InputError, match="row 17: the embedder gave a vector"):
        check_vectors(vectors, block=6)


# Connections that tests before this one left open are collected, and warned of, at any moment.
@pytest.mark.filterwarnings("error", "ignore::ResourceWarning")
def test_a_read_only_memory_map_serves(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", unit_vectors(30))
    mapped = np.load(tmp_path / "vectors.npy", mmap_mode="r")
    index, _ = nearest_neighbors(mapped)
    assert index.tolist() == [plain_neighbor(mapped, row) for row in range(30)]


def plain_neighbor_of_another_group(vectors: np.ndarray, groups: np.ndarray, row: int) -> int:
    """The row of another group with the largest cosine, the first of equals."""
    others = [other for other in range(len(vectors)) if groups[other] != groups[row]]
    cosines = [float(np.dot(vectors[row], vectors[other])) for other in others]
    return others[int(np.argmax(cosines))]


@pytest.mark.parametrize(("query_block", "key_block"), [(1, 1), (7, 5), (64, 64), (3, 100)])
@pytest.mark.parametrize("kinds", [2, 5, 40])
def test_a_neighbor_of_another_group(kinds: int, query_block: int, key_block: int) -> None:
    vectors = unit_vectors(50)
    groups = np.random.default_rng(kinds).integers(0, kinds, 50)
    for row in range(50):  # rows of a group lie close together, so that the nearest is forbidden
        vectors[row] = 0.2 * vectors[row] + vectors[groups[row]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index, cosines = nearest_neighbors(vectors, query_block=query_block, key_block=key_block, groups=groups)
    expected = [plain_neighbor_of_another_group(vectors, groups, row) for row in range(50)]
    assert index.tolist() == expected
    assert index.tolist() != nearest_neighbors(vectors)[0].tolist()
    np.testing.assert_allclose(cosines, (vectors * vectors[index]).sum(axis=1), atol=1e-6)
    part, _ = nearest_neighbors(vectors, queries=range(20, 31), groups=groups)
    assert part.tolist() == expected[20:31]


@pytest.mark.parametrize("groups", [np.zeros(20, dtype=np.int64), np.arange(20), None])
def test_groups_that_forbid_nothing_in_particular(groups: np.ndarray | None) -> None:
    vectors = unit_vectors(20)
    index, _ = nearest_neighbors(vectors, groups=groups)
    assert index.tolist() == [plain_neighbor(vectors, row) for row in range(20)]


@pytest.mark.parametrize(("query_block", "key_block"), [(1, 1), (7, 5), (5, 2), (64, 64), (3, 100)])
@pytest.mark.parametrize("count", [1, 4, 49])
def test_several_neighbors_equal_the_plain_search(count: int, query_block: int, key_block: int) -> None:
    vectors = unit_vectors(50)
    index, cosines = k_nearest_neighbors(vectors, count, query_block=query_block, key_block=key_block)
    assert index.tolist() == [plain_neighbors(vectors, row, count) for row in range(50)]
    np.testing.assert_allclose(cosines, np.einsum("qd,qkd->qk", vectors, vectors[index]), atol=1e-6)


def test_of_several_equal_cosines_the_first_rows_win() -> None:
    vectors = np.tile(np.array([[1, 0]], dtype=np.float32), (7, 1))
    index, _ = k_nearest_neighbors(vectors, 3, query_block=2, key_block=2)
    assert index.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], *[[0, 1, 2]] * 4]


def test_where_too_few_may_be_a_neighbor_there_is_none() -> None:
    vectors, groups = unit_vectors(6), np.array([0, 0, 0, 0, 1, 2])
    index, cosines = k_nearest_neighbors(vectors, 3, groups=groups, key_block=2)
    allowed = [[other for other in range(6) if groups[other] != group] for group in groups]
    expected = [plain_neighbors(vectors, row, 3, allowed[row]) for row in range(6)]
    assert index.tolist() == [[*rows, *[-1] * (3 - len(rows))] for rows in expected]
    assert (np.isnan(cosines) == (index == -1)).all()
    assert (index == -1).sum() == 4


@pytest.mark.parametrize("count", [1, 3])
def test_nearest_rows_of_another_set(count: int) -> None:
    generator = np.random.default_rng(5)
    rows, others = (generator.normal(size=(size, 8)).astype(np.float32) for size in (40, 12))
    rows, others = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (rows, others))
    groups, set_groups = generator.integers(0, 9, size=40), generator.integers(0, 9, size=12)
    set_groups[:10] = groups[0]  # two of the twelve are left to the rows of that group
    index, cosines = k_nearest_of_set(rows, others, count, groups=groups, set_groups=set_groups, queries=range(3, 40))
    for row, neighbors, values in zip(range(3, 40), index.tolist(), cosines, strict=True):
        allowed = [other for other in range(12) if set_groups[other] != groups[row]]
        joined = np.concatenate([others, rows[row : row + 1]])
        expected = plain_neighbors(joined, 12, count, allowed)
        assert neighbors == [*expected, *[-1] * (count - len(expected))]
        np.testing.assert_allclose(values[: len(expected)], others[expected] @ rows[row], atol=1e-6)
        assert np.isnan(values[len(expected) :]).all()
