"""How fast do corpora become training rows, and in how much memory?

    python benchmarks/preparation.py [--data TABLE] [--rows 1000000] [--processes 1 2] [--measures pairs prompts ...]

Sentences of TABLE (a multi-way table; without it, the package's sample corpus) are repeated, each
copy with a number in every text, until they make `--rows` rows. Half of the lines have all
languages, so that auxiliary sentences stand beside them; the others only English or Chinese and one
more, so that these have to be joined by their text. Each figure comes from a process of its own:

- pairs: the table to rows on disk; downsampling: StrategicDownsampling on these rows, and
  Dataset.filter with a like decision row by row on the same; both again on the rows without
  `row_key`, whose keys are made of the texts; prompts:
  ParallelMultilingualPrompting on the first 200,000; chain: `prepare` on the table, with and
  without the default steps of curation (no evaluation sets).
- rows/s by the clock, and by the seconds of processor time of all processes, which other work on
  the machine does not move much. Memory: the most that a process held of its own (anonymous), and
  with the pages of files that it had mapped, which the system takes back when it needs them. Disk: the bytes that
  the process and its children wrote, files that are removed again included.

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
import threading
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

FIRST = 200_000  # rows for what is slow
TIMES = 3  # the best of these, where nothing has to start afresh
SHARES = 2**64
TOGETHER = 100  # lines, each with those of two languages, in a row group


def write_table(data: str, folder: Path, rows: int) -> None:
    """A table of about as many rows, with lines of all languages and lines of two."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hf_lmt.directions import DIRECTIONS, PAIRS
    from hf_lmt.registry import LANGUAGES
    from hf_miwv.common.reading.reading import read_dataset

    table = read_dataset(data).with_format("arrow")[:]
    codes = [name for name in table.column_names if name in LANGUAGES]
    lines = table.select(codes).to_pylist()
    pairs = [pair for pair in PAIRS if {*pair} <= {*codes}]
    schema = pa.schema([(code, pa.string()) for code in codes])
    each = sum({*direction} <= {*codes} for direction in DIRECTIONS)
    numbers = range(max(1, rows // (2 * each)))
    with pq.ParquetWriter(folder / "table.parquet", schema) as writer:
        # Few row groups, as tables have: what says where they lie would else take more memory than the rows.
        for first in range(0, len(numbers), TOGETHER):
            group: list[dict[str, str | None]] = []
            for number in numbers[first : first + TOGETHER]:
                line = lines[number % len(lines)]
                group.append({code: f"{text} ({number})" for code, text in line.items() if text is not None})
                other = {code: f"{text} ({number}.)" for code, text in line.items() if text is not None}
                group += [{code: other.get(code) for code in pair} for pair in pairs]
            writer.write_table(pa.Table.from_pylist(group, schema))


def load_rows(folder: Path) -> Any:
    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.corpora.sources import Source

    return load(Source(str(folder / "table.parquet"), corpus="benchmark")).rows


def pairs(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    return 0, lambda: load_rows(folder)


def downsampling(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    from hf_lmt.data.method.downsampling import StrategicDownsampling

    rows = load_rows(folder)
    return len(rows), lambda: StrategicDownsampling()(rows, num_proc=processes)


def row_by_row(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    import xxhash

    rows = load_rows(folder)

    def stays(row: dict[str, Any]) -> bool:
        if row["target_lang"] not in ("en", "zh") or row["source_lang"] in ("en", "zh"):
            return True
        key = f"{row['source_lang']}-{row['target_lang']} {row['row_key']}"
        return xxhash.xxh3_64_intdigest(key.encode()) / SHARES < 0.05

    return len(rows), lambda: rows.filter(stays, load_from_cache_file=False, num_proc=processes)


def without_keys(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    from hf_lmt.data.method.downsampling import StrategicDownsampling

    rows = load_rows(folder).remove_columns("row_key")
    return len(rows), lambda: StrategicDownsampling()(rows, num_proc=processes)


def without_keys_row_by_row(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    import xxhash

    from hf_lmt.data.hashing import content_key

    rows = load_rows(folder).remove_columns("row_key")

    def stays(row: dict[str, Any]) -> bool:
        if row["target_lang"] not in ("en", "zh") or row["source_lang"] in ("en", "zh"):
            return True
        names = ("corpus", "source_lang", "target_lang", "source", "target")
        key = content_key(*(row[name] for name in names))
        return xxhash.xxh3_64_intdigest(key.encode()) / SHARES < 0.05

    return len(rows), lambda: rows.filter(stays, load_from_cache_file=False, num_proc=processes)


def prompts(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting

    rows = load_rows(folder)
    rows = rows.select(range(min(FIRST, len(rows))))
    return len(rows), lambda: ParallelMultilingualPrompting()(rows, num_proc=processes)


def chain(folder: Path, processes: int, curation: bool = False) -> tuple[int, Callable[[], Any]]:
    import yaml

    from hf_lmt.data.curation.curation_settings import DEFAULT
    from hf_lmt.data.prepare.data_recipe import read_data_recipe
    from hf_lmt.data.prepare.prepare import prepare

    steps: dict[str, Any] = {name: curation for name in DEFAULT if name != "contamination"}
    recipe = {
        "data": [{"path": str(folder / "table.parquet"), "corpus": "benchmark"}],
        "curation": {**steps, "contamination": False},
    }
    path, output = folder / "recipe.yaml", folder / f"rows-{processes}-{curation}"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return 0, lambda: prepare(read_data_recipe(path), output, num_proc=processes, progress=False)


def curated_chain(folder: Path, processes: int) -> tuple[int, Callable[[], Any]]:
    return chain(folder, processes, curation=True)


MEASURES = {
    "pairs": pairs,
    "downsampling": downsampling,
    "Dataset.filter, row by row": row_by_row,
    "downsampling, no row_key": without_keys,
    "Dataset.filter, no row_key": without_keys_row_by_row,
    "prompts": prompts,
    "chain, without curation": chain,
    "chain, with curation": curated_chain,
}
FRESH = ("pairs", "chain, without curation", "chain, with curation")  # nothing in the cache


class Watch(threading.Thread):
    """Looks every 50 ms how much memory this process has of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            kibibytes = int(status.split("RssAnon:")[1].split()[0])
            self.most = max(self.most, kibibytes * 1024)
            time.sleep(0.05)


def measure(name: str, folder: Path, processes: int) -> dict[str, float]:
    import datasets

    rows, work = MEASURES[name](folder, processes)
    datasets.disable_caching()  # nothing is to be found that an earlier measure left
    watch = Watch()
    watch.start()
    times = []
    rounds = 1 if name in FRESH else TIMES
    before = written_bytes()
    for _ in range(rounds):
        began, used = time.perf_counter(), processor_seconds()
        result = work()
        times.append((time.perf_counter() - began, processor_seconds() - used))
    seconds, spent = (min(one) for one in zip(*times, strict=True))
    if name.startswith("chain"):
        rows = result["counts"]["groups"]["all"]["read"]
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": rows or len(result),
        "seconds": seconds,
        "processor": spent,
        "own": watch.most,
        "mapped": held,
        "written": (written_bytes() - before) / rounds,
    }


def processor_seconds() -> float:
    """Of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def written_bytes() -> int:
    """Of this process and of those that it started and that have ended: what storage was asked to write."""
    return int(Path("/proc/self/io").read_text().split("\nwrite_bytes:")[1].split()[0])


def run(name: str, folder: Path, processes: int) -> dict[str, float]:
    """`measure` in a process of its own, with a cache of its own where it is to start afresh."""
    cache = tempfile.mkdtemp(dir=folder) if name in FRESH else str(folder / "cache")
    words = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
    environment = {
        **os.environ,
        "HF_DATASETS_CACHE": cache,
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    done = subprocess.run(  # noqa: S603  this very file
        [*words, "--processes", str(processes)], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_lmt") / "sample" / "sentences.csv"
    parser.add_argument("--data", default=str(sample))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=list(MEASURES), metavar="MEASURE")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder, given.processes[0])))
        return
    print("| what | processes | rows | rows/s | rows/processor s | own MB | with mapped | bytes written a row |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        write_table(given.data, Path(folder), given.rows)
        for name in given.measures:
            for processes in given.processes if name != "pairs" else [1]:
                found = run(name, Path(folder), processes)
                rows = found["rows"]
                print(
                    f"| {name} | {processes} | {rows:,.0f} | {rows / found['seconds']:,.0f} | "
                    f"{rows / found['processor']:,.0f} | {found['own'] / 1e6:,.0f} | "
                    f"{found['mapped'] / 1e6:,.0f} | {found['written'] / rows:,.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
