"""The last rows of all tasks: thinned, prompted, dealt to shards by their order, and written as Parquet."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.hashing import direction_column
from hf_lmt.data.prepare.stages import INNER, add_prompts
from hf_lmt.pipeline.sharded_work import CONTENT, ORDER, ShardedWork, buckets_of
from hf_miwv.common.executors.task_step import TaskStep
from hf_miwv.common.runs.folder import SHARD_BYTES

BYTES_A_ROW = 1000  # ours: a sentence pair with its prompt and hint has fewer, in UTF-8


class Thin(TaskStep[ShardedWork]):
    """Apply Strategic Downsampling, by hash."""

    type = "🔻 - FILTER"
    name = "downsampling"

    def _task(self, data: Iterator[pa.Table], rank: int) -> Iterator[pa.Table]:
        thinning = self.work.recipe.downsampling
        counts: dict[str, Counter[str]] = {"curated_away": Counter(), "downsampled": Counter()}
        for block in data:
            if not len(block):
                continue
            counts["curated_away"].update(direction_column(block).to_pylist())
            if thinning is not None:
                block = block.filter(pa.array(thinning(block)))
            counts["downsampled"].update(direction_column(block).to_pylist())
            self.stat_update("forwarded", value=len(block))
            yield block
        self.work.write_json("counts-thinned", f"{rank:05d}", counts)


class DealRows(TaskStep[ShardedWork]):
    """Add prompts, and deal the rows of a task to the shards, each a range of the hash that orders rows."""

    type = "💽 - WRITER"
    name = "prompts"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        hinted: Counter[str] = Counter()
        shards = shard_count(self.work)
        writers: dict[int, Any] = {}
        folder = self.work.path("dealt", f"{rank:05d}")
        draft = folder.with_suffix(".part")
        for left in (draft, folder):  # of an attempt that was killed
            shutil.rmtree(left, ignore_errors=True)
        draft.mkdir()
        for block in data:
            if not len(block):
                continue
            block = add_prompts(block.drop_columns(list(INNER)), self.work.recipe)
            hinted.update(direction_column(block.filter(block["hinted"])).to_pylist())
            for shard, rows in _by_shard(block, shards):
                if shard not in writers:
                    writers[shard] = pa.ipc.new_stream(str(draft / f"{shard:05d}.arrow"), rows.schema)
                writers[shard].write_table(rows.combine_chunks())
        for writer in writers.values():
            writer.close()
        os.replace(draft, folder)
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
