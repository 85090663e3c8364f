"""Seconds, rows per second and peak memory of `inspect_rows` over many rows, in a fresh process.

The rows are those of a table with a column per language in all directions, and again with a number
put before each text until there are enough: no text of one round is one of another, and within a
round a sentence stands in as many rows as in the table. They are shuffled by hash, as `prepare`
leaves them, which is the slow case: few texts of a batch are the same. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hf_lmt.data.corpora.load import load
from hf_lmt.data.inspection.inspect import inspect_rows

BLOCK = 10_000  # rows


def make_rows(table: str, count: int, file: Path) -> None:
    """Write `count` rows, made of the table's, to an Arrow file."""
    base = load(table).rows.data.table.combine_chunks()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, base.schema) as writer:
        for number, first in enumerate(range(0, count, len(base))):
            order = np.random.default_rng(number).permutation(len(base))[: count - first]
            for begin in range(0, len(order), BLOCK):
                block = base.take(pa.array(order[begin : begin + BLOCK]))
                writer.write_table(_varied(block, number).cast(base.schema))


def _varied(block: pa.Table, number: int) -> pa.Table:
    for name in ("source", "target", "auxiliary"):
        if number:
            texts = pc.binary_join_element_wise(str(number), block[name].cast(pa.string()), " ")
            block = block.set_column(block.column_names.index(name), name, texts)
    return block


def measure(file: str) -> None:
    """Inspect the rows of a file; print what it took as JSON."""
    rows = Dataset.from_file(file)
    start, used = time.perf_counter(), time.process_time()
    found = inspect_rows(rows, progress=False)
    print(
        json.dumps(
            {
                "rows": len(rows),
                "directions": len(found.directions),
                "seconds": time.perf_counter() - start,
                "cpu_seconds": time.process_time() - used,
                "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_lmt") / "sample" / "sentences.csv"
    parser.add_argument("--data", default=str(sample), help="A table with a column per language.")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--inspect", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inspect:
        measure(given.inspect)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.arrow"
        make_rows(given.data, given.rows, file)
        child = subprocess.run(  # noqa: S603
            [sys.executable, __file__, "--inspect", str(file)],
            check=True,
            stdout=subprocess.PIPE,
        )
    one = json.loads(child.stdout)
    print(f"{Path(given.data).name}, Python {platform.python_version()}, one process\n")
    print("| rows | directions | seconds | CPU seconds | rows/s | peak memory, MiB |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {one['rows']:,} | {one['directions']} | {one['seconds']:.1f} "
        f"| {one['cpu_seconds']:.1f} | {one['rows'] / one['seconds']:,.0f} "
        f"| {one['peak_kib'] / 1024:,.0f} |"
    )


if __name__ == "__main__":
    main()
