"""How do time, memory and disk grow with the rows of prepare, inspect and curate, alone and in tasks?

    python benchmarks/growth.py [--data TABLE] [--rows 10000 100000 1000000] [--cases prepare inspect ...]

The rows are those of `preparation.py`: sentences of TABLE (without it, the package's sample corpus), repeated with
a number in every text. Each figure comes from a process of its own, which has the default steps of curation and no
evaluation set: `prepare` in one process; `tasks`, the same in 4 tasks by one process; `inspect` and `curate` on the
same table. Seconds are those of processor time, of the process and its children, less what starting it takes
(the same on 200 rows): other work on the machine moves them less than the clock. Memory is the most that the process
held, mapped files included. Disk is what is left when the process ends, result and cache of rows; work folders are
gone by then. The exponent is the slope of log seconds over log rows, by least squares. Where the seconds cannot be
told from those of starting, the table says so, and the exponent is of the other runs.

Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

CASES = ("prepare", "tasks", "inspect", "curate")
TASKS = 4
STARTING = 200  # rows of a run whose seconds are those of starting
MIN_SECONDS = 0.05  # above starting (ours): half of the last digit that the table shows


def run_case(case: str, folder: Path) -> None:
    """Do the work of a case on the table in the folder; print what it took as JSON."""
    rows = CASE_OF[case](folder)
    process, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (process, children))
    disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "table.parquet")
    figures = {"rows": rows, "seconds": seconds, "mebibytes": process.ru_maxrss / 1024, "disk": disk}
    print(json.dumps(figures), flush=True)


def source_of(folder: Path) -> Any:
    from hf_lmt.data.corpora.sources import Source

    return Source(str(folder / "table.parquet"), corpus="benchmark")


def recipe_of(folder: Path) -> Any:
    from hf_lmt.data.prepare.data_recipe import read_data_recipe

    return read_data_recipe(
        {
            "data": [{"path": str(folder / "table.parquet"), "corpus": "benchmark"}],
            "curation": {"contamination": {"sets": "none"}},
        }
    )


def run_prepare(folder: Path) -> int:
    from hf_lmt.data.prepare.prepare import prepare

    run = prepare(recipe_of(folder), folder / "out", progress=False)
    return int(run["counts"]["groups"]["all"]["read"])


def run_tasks(folder: Path) -> int:
    from hf_lmt.pipeline.prepare_sharded import prepare_sharded
    from hf_miwv.common.executors.executor_settings import read_executor

    settings = read_executor(f"local:{TASKS}", {"workers": 1})
    run = prepare_sharded(recipe_of(folder), folder / "out", settings, progress=False)
    return int(run["counts"]["groups"]["all"]["read"]) if run else 0


def run_inspect(folder: Path) -> int:
    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.inspection.inspect import inspect_rows

    rows = load(source_of(folder)).rows
    inspect_rows(rows, progress=False)
    return len(rows)


def run_curate(folder: Path) -> int:
    from hf_lmt.data.curation.curate_source import curate_source
    from hf_lmt.data.curation.curation_settings import steps_from

    run = curate_source(source_of(folder), folder / "out", steps_from({"contamination": {"sets": "none"}}))
    return int(run["counts"]["rows_in"])


CASE_OF: dict[str, Callable[[Path], int]] = dict(
    zip(CASES, (run_prepare, run_tasks, run_inspect, run_curate), strict=True)
)


def measure(case: str, data: str, rows: int) -> dict[str, float]:
    """The figures of a case, from a process and a folder of its own."""
    from preparation import write_table

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_table(data, folder, rows)
        environment = {**os.environ, "HF_DATASETS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, __file__, "--run", case, "--folder", name]
        done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def seconds_beyond(starting: float, seconds: float) -> float | None:
    """The seconds that the rows took; None where they are too few to be told from those of starting."""
    return seconds - starting if seconds - starting >= MIN_SECONDS else None


def exponent(rows: list[float], seconds: list[float | None]) -> float | None:
    """The slope of log seconds over log rows, of runs with seconds; None where these have one number of rows."""
    measured = [(count, used) for count, used in zip(rows, seconds, strict=True) if used is not None]
    if len({count for count, _ in measured}) < 2:
        return None
    counts, used_seconds = zip(*measured, strict=True)
    return float(np.polyfit(np.log(counts), np.log(used_seconds), 1)[0])


def table_line(case: str, figures: dict[str, float], seconds: float | None) -> str:
    rows = figures["rows"]
    time_cells = [f"< {MIN_SECONDS}", "–"] if seconds is None else [f"{seconds:.1f}", f"{rows / seconds:,.0f}"]
    cells = [case, f"{rows:,.0f}", *time_cells, f"{figures['mebibytes']:,.0f}", f"{figures['disk'] / rows:,.0f}"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=str(resources.files("hf_lmt") / "sample" / "sentences.csv"))
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--run", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run_case(given.run, given.folder)
        return
    print("| case | rows | processor seconds | rows/s | peak MiB | bytes on disk a row |\n|---|---|---|---|---|---|")
    exponents = {}
    for case in given.cases:
        starting = measure(case, given.data, STARTING)["seconds"]
        measured = [measure(case, given.data, rows) for rows in given.rows]
        seconds = [seconds_beyond(starting, figures["seconds"]) for figures in measured]
        for figures, used in zip(measured, seconds, strict=True):
            print(table_line(case, figures, used), flush=True)
        exponents[case] = exponent([figures["rows"] for figures in measured], seconds)
    words = {case: "not measured" if value is None else f"{value:.2f}" for case, value in exponents.items()}
    print("\nExponents: " + ", ".join(f"{case} {value}" for case, value in words.items()))


if __name__ == "__main__":
    main()
