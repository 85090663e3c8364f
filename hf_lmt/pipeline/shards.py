"""The last rows of all tasks: thinned, prompted, dealt to shards by their order, and written as Parquet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.hashing import direction_column
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.prepare.stages import INNER, add_prompts
from hf_lmt.pipeline.sharded_work import CONTENT, ORDER, ROW, ShardedWork, buckets_of
from hf_miwv.common.executors.task_step import TaskStep
from hf_miwv.common.runs.folder import SHARD_BYTES

BYTES_A_ROW = 1000  # ours: a sentence pair with its prompt and hint has fewer, in UTF-8


class Thin(TaskStep[ShardedWork]):
    """Thin directions that Strategic Downsampling has a rate for, by hash."""

    type = "🔻 - FILTER"
    name = "downsampling"

    def __init__(self, work: ShardedWork, thinning: StrategicDownsampling) -> None:
        super().__init__(work)
        self.thinning = thinning

    def _task(self, data: Iterator[pa.Table], rank: int) -> Iterator[pa.Table]:
        for block in data:
            if len(block):
                yield block.filter(pa.array(self.thinning.mask(block)))


class DealRows(TaskStep[ShardedWork]):
    """Add prompts, and deal the rows of a task to the shards, each a range of the hash that orders rows."""

    type = "💽 - WRITER"
    name = "prompts"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        hinted: Counter[str] = Counter()
        shards = shard_count(self.work)
        writers: dict[int, Any] = {}
        with self.work.whole_folder("dealt", rank) as folder:
            for block in data:
                if not len(block):
                    continue
                columns = [name for name in (*INNER, ROW) if name in block.column_names]
                block = add_prompts(block.drop_columns(columns), self.work.recipe)
                hinted.update(direction_column(block.filter(block["hinted"])).to_pylist())
                for shard, rows in _by_shard(block, shards):
                    if shard not in writers:
                        writers[shard] = pa.ipc.new_stream(str(folder / f"{shard:05d}.arrow"), rows.schema)
                    writers[shard].write_table(rows.combine_chunks())
            for writer in writers.values():
                writer.close()
        self.work.write_json("counts-hinted", f"{rank:05d}", hinted)


class WriteShards(TaskStep[ShardedWork]):
    """Put the rows of each shard in their order, and write it as Parquet."""

    type = "💽 - WRITER"
    name = "shards"

    def _task(self, data: Any, rank: int) -> None:
        shards = shard_count(self.work)
        for shard in range(rank, shards, self.work.tasks):
            pieces = sorted((self.work.folder / "dealt").glob(f"*/{shard:05d}.arrow"))
            path = self.work.path("data", f"train-{shard:05d}-of-{shards:05d}.parquet")
            if not pieces:
                continue
            tables = [Dataset.from_file(str(piece)).data.table for piece in pieces]
            rows = pa.concat_tables(tables, promote_options="default").combine_chunks()
            order = np.lexsort((rows[CONTENT].to_numpy(), rows[ORDER].to_numpy()))
            rows = rows.take(pa.array(order)).drop_columns([ORDER, CONTENT])
            draft = path.with_suffix(".part")
            Dataset(rows).to_parquet(str(draft))
            os.replace(draft, path)
            self.work.write_json("data", f"{shard:05d}", {"rows": len(rows)})
            self.stat_update("rows", value=len(rows))


def shard_count(work: ShardedWork) -> int:
    """Return how many shards there are: by the rows that were read, so the same for any number of tasks.

    Args:
        work (`ShardedWork`): The work; its rows have been read.

    Returns:
        `int`: At least 1.
    """
    rows = sum(tally.rows for tally, _ in work.tallies())
    return max(1, -(-rows * BYTES_A_ROW // SHARD_BYTES))


def _by_shard(block: pa.Table, shards: int) -> Iterator[tuple[int, pa.Table]]:
    numbers = buckets_of(block[ORDER].to_numpy(), shards)
    for shard in np.unique(numbers).tolist():
        yield shard, block.filter(pa.array(numbers == shard))
