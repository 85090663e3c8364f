"""The neighbor searches: blocked and exact, one dense matrix, the index.

    python benchmarks/neighbors.py [--small] [--index-rows 1000000] [--only index|queries] [--before CHECKOUT]

Prints Markdown. The vectors are a mixture of Gaussians around 4,000 centers in 384 dimensions,
normalized (cosines of about 0.67 within a center), the same every time. Each case runs in a process
of its own; its memory is what the peak of the process grew by after the vectors were there. The
extrapolated time is that of the part in proportion to queries times rows.
`--before CHECKOUT` runs the index of another version of this project first, from the folder it is checked out in,
and then this one's at the same recall (`git worktree add CHECKOUT COMMIT` makes such a folder).
`--only index` runs the index alone. `--only queries` searches
`--index-rows` rows, on disk, for 20,000 hashed queries, exactly and by an index of which as many graphs as there are
threads are in memory at a time: what a task of `--executor` does. The whole is extrapolated in proportion to queries.
`--small` runs everything at 1/50 of the size, to see that it works. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import resource
import sys
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_miwv.neighbors import index as neighbor_index
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.neighbors.graphs import Graphs, build_graphs, rows_of_graphs
from hf_miwv.neighbors.index import CANDIDATES, TOLERANCE, hashed_sample, indexed_neighbors

DIMENSIONS, CENTERS, SPREAD, BLOCK = 384, 4000, 0.7, 50_000
TRIED = (32, 64, 128)  # expansion_search, of the graphs that are built one after another


@dataclass
class Run:
    """What one case gave: marks are the seconds at which each block of queries was done."""

    index: np.ndarray
    cosines: np.ndarray
    seconds: float
    mebibytes: float
    marks: list[float] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)


def write_vectors(path: Path, rows: int, centers: int) -> None:
    """(rows, DIMENSIONS) unit vectors in an .npy file; a shorter file is the start of a longer."""
    generator = np.random.default_rng(0)
    center = generator.standard_normal((centers, DIMENSIONS), dtype=np.float32)
    vectors = np.lib.format.open_memmap(path, "w+", np.float32, (rows, DIMENSIONS))
    for first in range(0, rows, BLOCK):
        noise = generator.standard_normal((BLOCK, DIMENSIONS), dtype=np.float32)
        block = center[generator.integers(centers, size=BLOCK)] + np.float32(SPREAD) * noise
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        vectors[first : first + BLOCK] = block[: rows - first]
    vectors.flush()


def dense(vectors: np.ndarray, marks: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """All N x N cosines at once."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    index = cosines.argmax(axis=1)
    return index, cosines[np.arange(len(index)), index]


def blocked(
    vectors: np.ndarray, marks: list[float], queries: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The exact search of the package."""
    return nearest_neighbors(vectors, queries=queries, progress=lambda _: marks.append(time.perf_counter()))


def indexed(vectors: np.ndarray, marks: list[float], enough: float) -> tuple[np.ndarray, np.ndarray, Any]:
    """The approximate search of the package, with a recall of `enough` at least."""
    neighbor_index.ENOUGH = enough
    return indexed_neighbors(vectors, progress=lambda _: marks.append(time.perf_counter()))


def indexed_before(vectors: np.ndarray, marks: list[float], checkout: Path) -> tuple[np.ndarray, np.ndarray, Any]:
    """The approximate search of the package in another folder, in place of the one that is imported."""
    for module in [name for name in sys.modules if name.partition(".")[0] == "hf_miwv"]:
        del sys.modules[module]
    sys.path.insert(0, str(checkout))
    search = importlib.import_module("hf_miwv.neighbors.index")
    return search.indexed_neighbors(vectors, progress=lambda _: marks.append(time.perf_counter()))


def run(search: Any, path: Path, rows: int) -> Run:
    """One search over the first `rows` vectors of the file, read into memory."""
    vectors = np.fromfile(path, np.float32, rows * DIMENSIONS, offset=_offset(path))
    vectors = vectors.reshape(rows, DIMENSIONS)
    marks: list[float] = []
    before, began = _peak_mebibytes(), time.perf_counter()
    index, cosines, *report = search(vectors, marks)
    ended, after = time.perf_counter(), _peak_mebibytes()
    marks = [mark - began for mark in marks]
    return Run(index, cosines, ended - began, after - before, marks, *report)


def _offset(path: Path) -> int:
    return path.stat().st_size - np.load(path, mmap_mode="r").nbytes


def _peak_mebibytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def head(against: str) -> None:
    """Prints the top of a table whose ratios are to the time of `against`."""
    cells = ["case", "rows", "queries", "seconds", f"x {against}", "peak MiB beyond the vectors"]
    print(f"\n| {' | '.join(cells)} | result |\n|{'---|' * 7}", flush=True)


def line(case: str, rows: int, found: Run, against: float | None, result: str = "–") -> None:
    """Prints a line of the table; `against`: the seconds that its own are divided by."""
    ratio = f"{found.seconds / against:.2f}" if against else "–"
    cells = [case, f"{rows:,}", f"{len(found.index):,}", f"{found.seconds:.1f}", ratio]
    print(f"| {' | '.join(cells)} | {found.mebibytes:,.0f} | {result} |", flush=True)


def compare_dense(apart: Any, path: Path, few: int, many: int) -> None:
    """(1) one dense matrix against blocks."""
    head("dense")
    plain = apart(run, (dense, path, few))
    line("dense matrix, numpy", few, plain, plain.seconds)
    found = apart(run, (blocked, path, few))
    same = int((found.index == plain.index).sum())
    difference = float(np.abs(found.cosines - plain.cosines).max())
    result = f"{same:,} of {few:,} as in the dense one, cosines within {difference:.0e}"
    line("blocked, exact", few, found, plain.seconds, result)
    line("blocked, exact", many, apart(run, (blocked, path, many)), None)


def compare_index(apart: Any, path: Path, rows: int, queries: int, index_rows: int, before: Path | None) -> None:
    """(2) a sample of exact queries, extrapolated to all, against (3) the index in full."""
    head("exact, extrapolated")
    wanted = hashed_sample(np.arange(rows), queries, seed=0)
    found = apart(run, (partial(blocked, queries=wanted), path, rows))
    whole = found.seconds * rows / queries
    note = f"all {rows:,} queries, extrapolated: {whole:,.0f} s"
    line("blocked, exact, part", rows, found, None, note)
    run_index(apart, path, index_rows, whole * (index_rows / rows) ** 2, before)


def run_index(apart: Any, path: Path, rows: int, exact_seconds: float | None, before: Path | None) -> None:
    """(3) the index, beside that of another version, if any, than which it is to find no less, but for 1 in 200."""
    enough, ended = neighbor_index.ENOUGH, ""
    if before:
        other = apart(run, (partial(indexed_before, checkout=before), path, rows))
        exact_seconds = exact_seconds or other.seconds
        line("index, before", rows, other, exact_seconds, describe(other))
        enough = other.report["recall"] - 0.005
    itself = apart(run, (partial(indexed, enough=enough), path, rows))
    if before:
        ended = f"; {other.seconds / itself.seconds:.2f} x as fast as before"
    line("index", rows, itself, exact_seconds or itself.seconds, describe(itself) + ended)


def describe(index: Run) -> str:
    """Where the time of an index went, and what it found."""
    share = (index.marks[-1] - index.marks[0]) / (len(index.marks) - 1)  # of one block of queries
    build, last = index.marks[0] - share, index.marks[-1]
    return (
        f"build and trial {build:.1f} s, search {last - build:.1f} s with expansion_search "
        f"{index.report['parameters']['expansion_search']}; recall {index.report['recall']:.4f} on "
        f"{index.report['recall_sample']:,} rows; {index.report['library']} {index.report['version']}"
    )


def compare_queries(path: Path, rows: int, queries: int) -> None:
    """(4) hashed queries of many rows, exactly and graph by graph, with the vectors on disk."""
    vectors = np.load(path, mmap_mode="r")
    wanted = hashed_sample(np.arange(rows), queries, seed=0)
    threads = torch.get_num_threads()
    print(f"\n| work on {rows:,} rows, {threads} threads | seconds | processor seconds | result |\n|{'---|' * 4}")
    clock = Clock()
    with clock:
        _, exact = nearest_neighbors(vectors, queries=wanted)
    print(
        f"| exact, {queries:,} queries | {clock} | all, extrapolated: {clock.wall * rows / queries:,.0f} s |",
        flush=True,
    )

    dealing, building, searching = Clock(), Clock(), {effort: Clock() for effort in TRIED}
    with dealing:
        graph_rows = rows_of_graphs(vectors, np.arange(rows), 1)
    print(f"| dealing rows to {len(graph_rows)} graphs | {dealing} | – |", flush=True)
    best = {effort: np.full(len(wanted), -np.inf, np.float32) for effort in TRIED}
    for first in range(0, len(graph_rows), threads):
        with building:
            index = Graphs(build_graphs(vectors, graph_rows[first : first + threads], threads), threads)
        for effort in TRIED:
            with searching[effort]:
                index.look_as_widely_as(effort)
                np.maximum(best[effort], best_cosines(index, vectors, wanted), out=best[effort])
    print(f"| building them | {building} | {building.wall / rows * 1e6:.0f} µs a row |")
    for effort in TRIED:
        recall = float((best[effort] >= exact - TOLERANCE).mean())
        whole = searching[effort].wall * rows / queries
        result = f"recall {recall:.4f}; all, extrapolated: {whole:,.0f} s"
        print(
            f"| searching them for {queries:,} queries, expansion_search {effort} | {searching[effort]} | {result} |"
        )
    print(f"\nPeak of its own memory and mapped files: {_peak_mebibytes():,.0f} MiB")


def best_cosines(index: Graphs, vectors: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(Q,) the highest cosine of each row with what the graphs name for it, itself left out."""
    best = []
    for first in range(0, len(wanted), 2048):
        rows = wanted[first : first + 2048]
        named = index.candidates(vectors[rows], CANDIDATES)
        cosines = np.einsum("qd,qkd->qk", vectors[rows], vectors[named])
        best.append(np.where((named < 0) | (named == rows[:, None]), -np.inf, cosines).max(axis=1))
    return np.concatenate(best)


class Clock:
    """Seconds, and processor seconds of this process, of all that was done within it."""

    def __init__(self) -> None:
        self.wall = self.processor = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        wall, processor = self._begin
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor

    def __str__(self) -> str:
        return f"{self.wall:,.1f} | {self.processor:,.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="everything at 1/50 of the size")
    parser.add_argument("--index-rows", type=int, default=1_000_000)
    parser.add_argument("--only", choices=["index", "queries"], help="one part, as said above")
    parser.add_argument("--before", type=Path, help="a folder with another version of this project, to compare with")
    given = parser.parse_args()
    before = given.before and given.before.resolve()
    if before and not (before / "hf_miwv/neighbors/index.py").is_file():
        parser.error(
            f"--before {given.before}: hf_miwv/neighbors/index.py is not there; name a checkout of this project"
        )
    scale = 50 if given.small else 1
    sizes = [size // scale for size in (20_000, 50_000, 1_000_000, 20_000, given.index_rows)]
    few, many, rows, queries, index_rows = sizes
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, spawn.Pool(1, maxtasksperchild=1) as pool:
        path = Path(folder) / "vectors.npy"
        pool.apply(write_vectors, (path, index_rows if given.only else max(rows, index_rows), CENTERS // scale))
        if given.only == "index":
            head("before" if before else "itself")
            run_index(pool.apply, path, index_rows, None, before)
        elif given.only == "queries":
            pool.apply(compare_queries, (path, index_rows, queries))
        else:
            compare_dense(pool.apply, path, few, many)
            compare_index(pool.apply, path, rows, queries, index_rows, before)


if __name__ == "__main__":
    main()
