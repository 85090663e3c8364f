"""Exact duplicates of all tasks: dealt to buckets by the hash of what they say, and all but one taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import concatenate_datasets

from hf_lmt.data.curation.duplicates import Duplicates, group_hashes, rows_beyond
from hf_lmt.data.method.scattered import ScatteredRows
from hf_lmt.pipeline.judge_rows import StepCounts, schema_between
from hf_lmt.pipeline.sharded_work import ShardedWork, buckets_of, rows_in_blocks, write_array, write_tables
from hf_miwv.common.executors.task_step import TaskStep

ENTRY = np.dtype([("group", "u8"), ("row", "i8")])  # row: in the file of its task


class WriteJudged(TaskStep[ShardedWork]):
    """Write the rows that are left, and deal their hashes to buckets."""

    type = "💽 - WRITER"
    name = "rows left"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        groups = [np.zeros(0, np.uint64)]

        def tables() -> Iterator[pa.Table]:
            for block in data:
                if len(block):
                    groups.append(group_hashes(block))
                yield block

        rows = write_tables(self.work.judged_path(rank), schema_between(self.work.columns()), tables())
        entries = np.empty(rows, ENTRY)
        entries["group"], entries["row"] = np.concatenate(groups), np.arange(rows)
        buckets = buckets_of(entries["group"], self.work.tasks)
        for bucket in range(self.work.tasks):
            write_array(self.work.path("copies", f"{bucket:05d}-{rank:05d}.npy"), entries[buckets == bucket])


class FindCopies(TaskStep[ShardedWork]):
    """Say which rows of a bucket are copies, by the rule of the step `duplicates`."""

    type = "🫂 - DEDUP"
    name = "find copies"

    def _task(self, data: Any, rank: int) -> None:
        judged = [rows.select_columns(self.work.columns()) for rows in self.work.all_judged()]
        firsts = np.cumsum([0, *map(len, judged)])
        groups, positions = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for task in range(self.work.tasks):
            entries = np.load(self.work.path("copies", f"{rank:05d}-{task:05d}.npy"), allow_pickle=False)
            groups.append(entries["group"])
            positions.append(entries["row"] + firsts[task])
        rows, all_positions = concatenate_datasets(judged), np.concatenate(positions)
        gone = np.zeros(0, bool)
        if len(all_positions):
            gone = rows_beyond(ScatteredRows(rows), all_positions, np.concatenate(groups), 1, Duplicates.name)
        write_array(self.work.path("gone", f"{rank:05d}.npy"), all_positions[gone])
        self.stat_update("dropped", value=int(gone.sum()))


class DropCopies(TaskStep[ShardedWork]):
    """Read the rows of a task without those that are copies.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        drops (`bool`): Whether copies were looked for.
    """

    type = "🔻 - FILTER"
    name = Duplicates.name

    def __init__(self, work: ShardedWork, drops: bool) -> None:
        super().__init__(work)
        self.drops = drops

    def _task(self, data: Any, rank: int) -> Iterator[pa.Table]:
        judged = self.work.all_judged()
        firsts = np.cumsum([0, *map(len, judged)])
        staying = np.ones(len(judged[rank]), bool)
        if self.drops:
            gone = [np.load(path, allow_pickle=False) for path in sorted((self.work.folder / "gone").glob("*.npy"))]
            positions = np.concatenate(gone) - firsts[rank]
            staying[positions[(positions >= 0) & (positions < len(staying))]] = False
        counts, first = StepCounts(Duplicates.name), 0
        for block in rows_in_blocks(judged[rank]):
            kept = staying[first : first + len(block)]
            counts.add(block, [None if stays else str(Duplicates.words[1]) for stays in kept.tolist()])
            first += len(block)
            yield block.filter(pa.array(kept))
        if self.drops:
            self.work.write_json(f"counts-{Duplicates.name}", f"{rank:05d}", counts.as_json())
