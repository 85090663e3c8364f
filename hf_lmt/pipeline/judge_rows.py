"""Rows through the filters of curation that judge each row alone, with their reasons and counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.curation.step import Step, changes
from hf_lmt.data.hashing import direction_column
from hf_lmt.data.method.auxiliary_sentences import AuxiliarySentences
from hf_lmt.data.prepare.limits import ORIGIN, weigh_batch
from hf_lmt.data.prepare.stages import join_sentences
from hf_lmt.pipeline.sharded_work import CONTENT, ORDER, ShardedWork, rows_in_blocks
from hf_miwv.common.executors.task_step import TaskStep


class JoinedRows(TaskStep[ShardedWork]):
    """Read the rows of a task, join the sentences that may be hints, and leave out what weights leave out."""

    type = "📖 - READER"
    name = "rows with hints"

    def _task(self, data: Any, rank: int) -> Iterator[pa.Table]:
        recipe = self.work.recipe
        joining = AuxiliarySentences.of_sentences(self.work.all_texts(), _chosen_hints(self.work))
        names = [*self.work.columns(), ORDER, CONTENT]
        is_weighed = len({source.weight for source in recipe.sources}) > 1
        counts: dict[str, Counter[str]] = {"read": Counter(), "outside_weight": Counter()}
        for part in self.work.parts_of(rank):
            for block in rows_in_blocks(Dataset.from_file(str(self.work.rows_path(part)))):
                counts["read"].update(direction_column(block).to_pylist())
                block = join_sentences(block, joining)
                if is_weighed:
                    block = block.filter(pa.array(weigh_batch(block, recipe.sources, recipe.seed)))
                counts["outside_weight"].update(direction_column(block).to_pylist())
                yield _completed(block, names)
        self.work.write_json("counts-joined", f"{rank:05d}", counts)


class CurationFilter(TaskStep[ShardedWork]):
    """Filter rows by a step of curation that judges each row alone.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        step (`Step`): The step.
    """

    type = "🔻 - FILTER"

    def __init__(self, work: ShardedWork, step: Step) -> None:
        super().__init__(work)
        self.step, self.name = step, step.name

    def _task(self, data: Iterator[pa.Table], rank: int) -> Iterator[pa.Table]:
        step = deepcopy(self.step)
        step.load()
        counts = StepCounts(step.name)
        for rows in data:
            if not len(rows):
                continue
            with self.track_time("block"):
                rows = step.transform(rows) if changes(step) else rows
                reasons: list[str | None] = [None] * len(rows) if step.idle else step(rows)
                counts.add(rows, reasons)
                kept = rows.filter(pa.array([reason is None for reason in reasons], pa.bool_()))
            self.stat_update("total", value=len(rows))
            self.stat_update("forwarded", value=len(kept))
            for reason, count in Counter(filter(None, reasons)).items():
                self.stat_update(f"dropped_{reason}", value=count)
            yield kept
        counts.notes = dict(getattr(step, "notes", {}))
        self.work.write_json(f"counts-{step.name}", f"{rank:05d}", counts.as_json())


class StepCounts:
    """Count what a step takes in one task, by reason and direction, as `curate` does.

    Args:
        name (`str`): Name of the step.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.reasons: Counter[str] = Counter()
        self.directions: dict[str, Counter[str]] = defaultdict(Counter)
        self.notes: dict[str, Any] = {}

    def add(self, rows: pa.Table, reasons: list[str | None]) -> None:
        """Count the rows of a block and the reasons against them.

        Args:
            rows (`pa.Table`): B rows.
            reasons (`list[str | None]`): (B,) reasons, None for a row that stays.
        """
        self.reasons.update(filter(None, reasons))
        for name, reason in zip(direction_column(rows).to_pylist(), reasons, strict=True):
            self.directions[name]["in"] += 1
            self.directions[name]["rejected"] += reason is not None

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON can hold them."""
        return {"name": self.name, "reasons": self.reasons, "directions": self.directions, "notes": self.notes}


def _chosen_hints(work: ShardedWork) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Return {join: hashes, rising, and positions}; the files of a join are in the order of their hashes."""
    files: dict[str, list[np.ndarray]] = defaultdict(list)
    for path in sorted((work.folder / "hints").glob("*.npy")):
        files[path.name.partition(".")[0]].append(np.load(path, allow_pickle=False))
    sentences = {}
    for name, arrays in files.items():
        pivot, auxiliary_lang = name.split("-")
        hashes, positions = np.concatenate(arrays, axis=1)
        sentences[pivot, auxiliary_lang] = hashes, positions.astype(np.int64)
    return sentences


def _completed(block: pa.Table, names: list[str]) -> pa.Table:
    """Return the named columns; those that the source of the block lacks are null."""
    for name in names:
        if name not in block.column_names:
            kind = ROW_SCHEMA.field(name).type if name in ROW_SCHEMA.names else pa.string()
            block = block.append_column(name, pa.nulls(len(block), kind))
    return block.select(names)


def schema_between(columns: list[str]) -> pa.Schema:
    """Return the types of the columns between the stages.

    Args:
        columns (`list[str]`): Names of the columns.

    Returns:
        `pa.Schema`: The schema.
    """
    kinds = {"line": pa.int64(), ORIGIN: pa.int16(), ORDER: pa.uint64(), CONTENT: pa.uint64()}
    return pa.schema([pa.field(name, kinds.get(name, pa.string())) for name in [*columns, ORDER, CONTENT]])
