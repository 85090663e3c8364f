"""Copies, and rows of one text beyond a cap: dealt to buckets by the hash of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import concatenate_datasets

from hf_lmt.data.curation.duplicates import SAME, Caps, Duplicates, group_hashes, rows_beyond
from hf_lmt.data.method.scattered import ScatteredRows
from hf_lmt.pipeline.rows_left import SurveyTask
from hf_lmt.pipeline.sharded_work import ROW, ShardedWork, buckets_of, write_array
from hf_miwv.common.executors.run_stages import Stage

ENTRY = np.dtype([("group", "u8"), ("row", "i8")])  # row: in the file of its task


@dataclass(frozen=True)
class RepeatedTexts:
    """Survey rows with the same texts in a direction; of these so many stay.

    Args:
        name (`str`): Name of its files.
        step (`str`): Name of the step.
        reason (`str`): Why rows go.
        sides (`tuple[str, ...]`): The texts that count: source, target, or both.
        cap (`int`): Rows that stay.
        decision (`str`): Name of the decision, for its hash.
    """

    name: str
    step: str
    reason: str
    sides: tuple[str, ...]
    cap: int
    decision: str

    def dealing(self, work: ShardedWork) -> DealTexts:
        """Make the step that deals rows by what they say.

        Args:
            work (`ShardedWork`): What every task knows.

        Returns:
            `DealTexts`: The last step of a stage.
        """
        return DealTexts(work, self)

    def finding(self, work: ShardedWork, file: int) -> list[Stage]:
        """List the one stage that finds the rows beyond the cap.

        Args:
            work (`ShardedWork`): What every task knows.
            file (`int`): Number of the writing that rows are in.

        Returns:
            `list[Stage]`: The stages, in their order.
        """
        return [Stage(f"find-{self.name}", [FindBeyond(work, self, file)], work.tasks, work.describe)]


def copies() -> list[RepeatedTexts]:
    """Return the survey of the step `duplicates`."""
    return [RepeatedTexts("duplicates", Duplicates.name, str(Duplicates.words[1]), SAME, 1, Duplicates.name)]


def caps(step: Caps) -> list[RepeatedTexts]:
    """Return the surveys of the step `caps`: of sources, and then of targets among the rows left.

    Args:
        step (`Caps`): The step.

    Returns:
        `list[RepeatedTexts]`: One for each side that has a cap.
    """
    sides = (("source", step.per_source), ("target", step.per_target))
    return [
        RepeatedTexts(f"caps-{side}", Caps.name, str(Caps.words[code]), (side,), cap, f"{Caps.name} {side}")
        for code, (side, cap) in enumerate(sides, 1)
        if cap is not None
    ]


class DealTexts(SurveyTask[RepeatedTexts]):
    """Deal the rows of a task to buckets by the hash of their texts."""

    type = "🫂 - DEDUP"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        parts = [np.zeros(0, ENTRY)]
        for block in data:
            if len(block):
                entries = np.empty(len(block), ENTRY)
                entries["group"], entries["row"] = group_hashes(block, self.survey.sides), block[ROW].to_numpy()
                parts.append(entries)
        entries = np.concatenate(parts)
        buckets = buckets_of(entries["group"], self.work.tasks)
        for bucket in range(self.work.tasks):
            write_array(self.work.path(self.name, f"{bucket:05d}-{rank:05d}.npy"), entries[buckets == bucket])


class FindBeyond(SurveyTask[RepeatedTexts]):
    """Say which rows of a bucket are beyond the cap, by the rule of one process.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        survey (`RepeatedTexts`): The survey.
        file (`int`): Number of the writing that rows are in.
    """

    type = "🫂 - DEDUP"

    def __init__(self, work: ShardedWork, survey: RepeatedTexts, file: int) -> None:
        super().__init__(work, survey)
        self.file = file

    def _task(self, data: Any, rank: int) -> None:
        tasks = range(self.work.tasks)
        rows = [self.work.left(self.file, task).select_columns(self.work.columns()) for task in tasks]
        firsts = np.cumsum([0, *map(len, rows)])
        groups, positions = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
        for task in tasks:
            entries = np.load(self.work.path(self.name, f"{rank:05d}-{task:05d}.npy"), allow_pickle=False)
            groups.append(entries["group"])
            positions.append(entries["row"] + firsts[task])
        all_positions, gone = np.concatenate(positions), np.zeros(0, bool)
        if len(all_positions):
            all_rows, all_groups = ScatteredRows(concatenate_datasets(rows)), np.concatenate(groups)
            gone = rows_beyond(all_rows, all_positions, all_groups, self.survey.cap, self.survey.decision)
        # Positions go on from task to task, so those that go are cut into those of each.
        ends = np.cumsum([0, *map(len, positions[1:])])
        for task in tasks:
            part = slice(ends[task], ends[task + 1])
            self.work.write_gone(self.name, task, f"{rank:05d}", all_positions[part][gone[part]] - firsts[task])
        self.stat_update("dropped", value=int(gone.sum()))
