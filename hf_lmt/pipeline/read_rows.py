"""Read the parts of the sources, and gather the sentences that may be hints."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from hf_lmt.data.corpora.blocks import Tally, row_blocks, row_schema
from hf_lmt.data.corpora.parts import open_part
from hf_lmt.data.method.auxiliary_sentences import lowest_sentences, offers_of
from hf_lmt.data.prepare.limits import ORIGIN
from hf_lmt.data.prepare.order import order_keys
from hf_lmt.pipeline.sharded_work import (
    CONTENT,
    ORDER,
    ShardedWork,
    buckets_of,
    rows_in_blocks,
    tally_as_json,
    write_array,
    write_tables,
)
from hf_miwv.common.executors.task_step import TaskStep

OFFER = np.dtype([("join", "U5", (2,)), ("pivot", "u8"), ("hint", "u8"), ("position", "i8")])


class ReadRows(TaskStep[ShardedWork]):
    """Write the rows of the parts of a task, with the hashes that decide about their order."""

    type = "📖 - READER"
    name = "sources"

    def _task(self, data: Any, rank: int) -> None:
        for part in self.work.parts_of(rank):
            with self.track_time():
                self._read(part)

    def _read(self, number: int) -> None:
        source_number, part = self.work.parts[number]
        recipe, tally = self.work.recipe, Tally()
        source = recipe.sources[source_number]
        contents = open_part(source, part)
        schema = row_schema(contents)
        columns = schema.names

        def tables() -> Iterator[pa.Table]:
            for block in row_blocks(source, contents, list(recipe.directions), True, tally):
                keys, content = order_keys(block, recipe.seed)
                origins = np.full(len(block), source_number, np.int16)
                for name, values in ((ORIGIN, origins), (ORDER, keys), (CONTENT, content)):
                    block = block.append_column(name, pa.array(values))
                self.stat_update("rows", value=len(block))
                yield block

        for name, kind in ((ORIGIN, pa.int16()), (ORDER, pa.uint64()), (CONTENT, pa.uint64())):
            schema = schema.append(pa.field(name, kind))
        deque(write_tables(self.work.rows_path(number), schema, tables()), maxlen=0)
        counts = {"columns": columns, "tally": tally_as_json(tally), "notes": dict(contents.notes)}
        # The counts last: they say that the rows are whole.
        self.work.write_json("rows", f"{number:05d}", counts)


class OfferHints(TaskStep[ShardedWork]):
    """Deal the sentences of a task's rows that may be hints to buckets, by the text that they are joined by."""

    type = "🫂 - DEDUP"
    name = "offer hints"

    def _task(self, data: Any, rank: int) -> None:
        from datasets import Dataset

        offered: dict[tuple[str, str], list[Any]] = defaultdict(list)
        firsts = np.cumsum([0, *self.work.row_counts()])
        for part in self.work.parts_of(rank):
            first = int(firsts[part])
            for block in rows_in_blocks(Dataset.from_file(str(self.work.rows_path(part)))):
                for join, offers in offers_of(block, first):
                    offered[join].append(offers)
                first += len(block)
        whole = {join: tuple(map(np.concatenate, zip(*parts, strict=True))) for join, parts in offered.items()}
        for bucket in range(self.work.tasks):
            arrays = []
            for join, (pivots, hints, positions) in sorted(whole.items()):
                chosen = buckets_of(pivots, self.work.tasks) == bucket
                rows = np.empty(int(chosen.sum()), OFFER)
                rows["join"], rows["pivot"] = join, pivots[chosen]
                rows["hint"], rows["position"] = hints[chosen], positions[chosen]
                arrays.append(rows)
            path = self.work.path("offers", f"{bucket:05d}-{rank:05d}.npy")
            write_array(path, np.concatenate(arrays) if arrays else np.empty(0, OFFER))


class ChooseHints(TaskStep[ShardedWork]):
    """Of the sentences of a bucket keep the one of the lowest hash for each text that they are joined by."""

    type = "🫂 - DEDUP"
    name = "choose hints"

    def _task(self, data: Any, rank: int) -> None:
        paths = [self.work.path("offers", f"{rank:05d}-{task:05d}.npy") for task in range(self.work.tasks)]
        offers = np.concatenate([np.load(path, allow_pickle=False) for path in paths])
        for join in np.unique(offers["join"], axis=0):
            rows = offers[(offers["join"] == join).all(axis=1)]
            pivots, positions = lowest_sentences(rows["pivot"], rows["hint"], rows["position"])
            name = f"{'-'.join(join)}.{rank:05d}.npy"
            write_array(self.work.path("hints", name), np.stack([pivots, positions.astype(np.uint64)]))
