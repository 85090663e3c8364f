"""The last rows of all tasks: thinned, prompted, dealt to shards by their order, and written as Parquet."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
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

BYTES_A_TOKEN = 8  # ours: a token of a text has fewer, in UTF-8
BYTES_A_ROW = 1000  # ours: a sentence pair with its prompt and hint has fewer, in UTF-8


class Thin(TaskStep[ShardedWork]):
    """Thin directions that Strategic Downsampling has a rate for, by hash.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        thinning (`StrategicDownsampling`): The downsampling.
    """

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

        def blocks() -> Iterator[tuple[np.ndarray, pa.Table]]:
            for block in data:
                if len(block):
                    columns = [name for name in (*INNER, ROW) if name in block.column_names]
                    block = add_prompts(block.drop_columns(columns), self.work.recipe)
                    hinted.update(direction_column(block.filter(block["hinted"])).to_pylist())
                    yield buckets_of(block[ORDER].to_numpy(), shards), block

        with self.work.whole_folder("dealt", rank) as folder:
            deal_to_shards(folder, blocks())
        self.work.write_json("counts-hinted", f"{rank:05d}", hinted)


def deal_to_shards(folder: Path, blocks: Iterator[tuple[np.ndarray, pa.Table]]) -> None:
    """Write the rows of each shard to a file of its own.

    Args:
        folder (`Path`): The folder of the files.
        blocks (`Iterator[tuple[np.ndarray, pa.Table]]`): (B,) numbers of shards, and the B rows.
    """
    writers: dict[int, Any] = {}
    for numbers, block in blocks:
        for shard in np.unique(numbers).tolist():
            rows = block.filter(pa.array(numbers == shard))
            if shard not in writers:
                writers[shard] = pa.ipc.new_stream(str(folder / f"{shard:05d}.arrow"), rows.schema)
            writers[shard].write_table(rows.combine_chunks())
    for writer in writers.values():
        writer.close()


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
    """Return how many shards there are: by rows that were read, or by tokens, so the same for any number of tasks.

    Args:
        work (`ShardedWork`): The work; its rows have been read, and those of a mixture chosen.

    Returns:
        `int`: At least 1.
    """
    if work.recipe.mixture is not None:
        size = work.read_json("mixture", "counts")["tokens"]["given"] * BYTES_A_TOKEN
    else:
        size = sum(tally.rows for tally, _ in work.tallies()) * BYTES_A_ROW
    return max(1, -(-size // SHARD_BYTES))
