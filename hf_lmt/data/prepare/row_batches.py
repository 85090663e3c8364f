"""Rows made batch by batch, by one process or several, in one Arrow file: whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
from datasets import Dataset

from hf_lmt.pool import in_processes
from hf_miwv.common.progress import stage
from hf_miwv.common.runs.workspace import is_sealed, put_sealed

BATCH = 10_000  # rows

Part: TypeAlias = Callable[[int, int], pa.Table]


def write_rows(path: Path, size: int, part: Part, *, num_proc: int, words: str, progress: bool) -> Dataset:
    """Write the rows of `part(first, last)` for each span of 0..size to `path`.

    The file is the same whatever `num_proc`: batches are always the same and come in order. One
    that is there already is whole, and is not made again. It has a checksum beside it.

    Args:
        path (`Path`): The Arrow file.
        size (`int`): Rows that the spans cover.
        part (`Callable[[int, int], pa.Table]`): Makes the rows of a span, all of one schema; runs in the other
            processes, if there are any.
        num_proc (`int`): Processes, 1 or more.
        words (`str`): Description for the progress bar.
        progress (`bool`): Show the bar.

    Returns:
        `Dataset`: The rows, mapped into memory from `path`.

    Raises:
        InputError: a process was killed from outside, or the file that is there is damaged.
    """
    if not is_sealed(path):
        draft = path.with_name(f"{path.name}.part")
        with stage(words, "row", size, show=progress) as bar:
            # a fork, because a part holds data sets and templates that would have to be pickled
            tables = in_processes(lambda span: part(*span), spans(size), num_proc, start="fork")
            _write(draft, tables, bar)
        put_sealed(draft, path)
    return Dataset.from_file(str(path))


def spans(size: int) -> list[tuple[int, int]]:
    """Divide rows into batches.

    Args:
        size (`int`): Number of rows.

    Returns:
        `list[tuple[int, int]]`: First and last (exclusive) row of each batch.
    """
    return [(first, min(first + BATCH, size)) for first in range(0, size, BATCH)]


def _write(draft: Path, tables: Iterator[pa.Table], bar: Any) -> None:
    first = next(tables)
    with open(draft, "wb") as file:
        with pa.ipc.new_stream(file, first.schema) as writer:
            for table in chain([first], tables):
                writer.write_table(table.combine_chunks())
                bar.update(len(table))
        file.flush()
        os.fsync(file.fileno())
