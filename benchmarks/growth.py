"""How do time, memory and disk grow with the rows, of what needs no model?

    python benchmarks/growth.py [--data TABLE] [--rows 10000 100000 1000000] [--cases prepare inspect ...]

The rows are sentences of TABLE (without it, the package's sample corpus), repeated with a number in every text. Each
figure comes from a process of its own. Of `hf-lmt`: `prepare` in one process, with the default steps of curation and
no evaluation set; `tasks`, the same in 4 tasks by one process; `inspect` and `curate` on the same table; `evaluate`,
hypotheses in 10 directions, whose rows are lines times directions. Of `hf-miwv`: `score`, the package's sample of
instructions, repeated, in which vectors, neighbors and losses are random and all else is real (reading, tokenizing,
planning the passes, writing the scored rows with card and pictures); `exact` and `index`, the two searches of
neighbors, on vectors of 384 dimensions.

Seconds are those of processor time, of the process and its children, less what starting it takes (the same on 200
rows): other work on the machine moves them less than the clock. Memory is the most that the process
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
from pathlib import Path

import numpy as np
from growth_cases import CASES, INPUTS, SENTENCES

STARTING = 200  # rows of a run whose seconds are those of starting
MIN_SECONDS = 0.05  # above starting (ours): half of the last digit that the table shows


def run_case(case: str, folder: Path) -> None:
    """Do the work of a case on the table in the folder; print what it took as JSON."""
    rows = CASES[case].run(folder)
    process, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in (process, children))
    written = (path for path in folder.rglob("*") if path.is_file() and folder / INPUTS not in path.parents)
    disk = sum(path.stat().st_size for path in written)
    figures = {"rows": rows, "seconds": seconds, "mebibytes": process.ru_maxrss / 1024, "disk": disk}
    print(json.dumps(figures), flush=True)


def measure(case: str, data: str, rows: int) -> dict[str, float]:
    """The figures of a case, from a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / INPUTS).mkdir()
        CASES[case].write(data, folder, rows)
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
    parser.add_argument("--data", default=SENTENCES)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--cases", nargs="+", choices=[*CASES], default=[*CASES])
    parser.add_argument("--run", choices=[*CASES], help=argparse.SUPPRESS)
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
