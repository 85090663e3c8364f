"""Mixtures in tasks: tokens are counted in all of them, rows are chosen in one, and lines are written in all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.corpora.monolingual import TEXT_SCHEMA, load_monolingual
from hf_lmt.data.mixture.mixture import MIXTURE_SCHEMA, choose_rows, lines_table
from hf_lmt.data.mixture.mixture_lines import bilingual_lines, monolingual_lines
from hf_lmt.data.mixture.mixture_settings import Settings, checked_settings
from hf_lmt.data.mixture.token_counts import BATCH, ENTRY, MakeLines, count_lines
from hf_lmt.data.prepare.pretraining_rows import mixture_sections
from hf_lmt.data.prepare.prompt_check import load_tokenizer
from hf_lmt.pipeline.sharded_work import CONTENT, ORDER, ShardedWork, rows_in_blocks, write_array, write_tables
from hf_lmt.pipeline.shards import deal_to_shards, shard_count
from hf_miwv.common.executors.task_step import TaskStep

TAKEN = np.dtype([("row", "i8"), ("position", "i8"), ("tokens", "u4"), ("group", "i2")])
"""A row that is taken: its number in its file, its position in the mixture, and what its line counts as."""


def mixture_record(work: ShardedWork) -> dict[str, Any]:
    """Return the counts of the mixture, with those of each source of texts.

    Args:
        work (`ShardedWork`): The work; its rows have been chosen.

    Returns:
        `dict[str, Any]`: The record's `mixture`.
    """
    sources, _ = _sections(work)
    texts = [work.read_json("texts", f"{number:05d}") for number in range(len(sources))]
    return {**work.read_json("mixture", "counts"), "monolingual": texts}


class ReadTexts(TaskStep[ShardedWork]):
    """Read sources of texts in one language, each in one task."""

    type = "📖 - READER"
    name = "texts"

    def _task(self, data: Any, rank: int) -> None:
        sources, _ = _sections(self.work)
        for number in range(rank, len(sources), self.work.tasks):
            loaded = load_monolingual(**sources[number])
            path = self.work.path("texts", f"{number:05d}.arrow")
            deque(write_tables(path, TEXT_SCHEMA, rows_in_blocks(loaded.rows)), maxlen=0)
            self.work.write_json("texts", f"{number:05d}", loaded.counts)


class CountTokens(TaskStep[ShardedWork]):
    """Count the tokens of the lines of a task: of its rows, and of its share of each source of texts."""

    type = "🔢 - TOKENIZER"
    name = "tokens"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        sources, settings = _sections(self.work)
        tokenizer = load_tokenizer(self.work.recipe.training)

        def count(blocks: Iterator[pa.Table], make_lines: MakeLines) -> np.ndarray:
            batches = (block.slice(first, BATCH) for block in blocks for first in range(0, len(block), BATCH))
            counted = [count_lines(batch, make_lines, tokenizer, settings.seed) for batch in batches]
            return np.concatenate([np.zeros(0, ENTRY), *counted])

        for number in range(len(sources)):
            path = self.work.path("tokens", f"texts-{number:05d}-{rank:05d}.npy")
            blocks = rows_in_blocks(_texts(self.work, number, rank)) if settings.shares["monolingual"] else iter(())
            write_array(path, count(blocks, monolingual_lines))
        keys = [np.zeros((2, 0), np.uint64)]

        def pairs() -> Iterator[pa.Table]:
            for block in data:
                if settings.shares["zh"] + settings.shares["en"]:
                    keys.append(np.stack([block[name].to_numpy() for name in (CONTENT, ORDER)]))
                    yield block

        write_array(self.work.path("tokens", f"pairs-{rank:05d}.npy"), count(pairs(), bilingual_lines))
        write_array(self.work.path("tokens", f"order-{rank:05d}.npy"), np.concatenate(keys, axis=1))


class ChooseRows(TaskStep[ShardedWork]):
    """Choose the rows of the mixture, in one task that holds what is counted of every row."""

    type = "🔻 - FILTER"
    name = "mixture"

    def _task(self, data: Any, rank: int) -> None:
        sources, settings = _sections(self.work)
        tasks = range(self.work.tasks)
        names = [f"texts-{number:05d}-{task:05d}" for number in range(len(sources)) for task in tasks]
        texts = len(names)
        names += [f"pairs-{task:05d}" for task in tasks]
        parts = [np.load(self.work.path("tokens", f"{name}.npy"), allow_pickle=False) for name in names]
        firsts = np.cumsum([0, *map(len, parts)])
        keys = [np.load(self.work.path("tokens", f"order-{task:05d}.npy"), allow_pickle=False) for task in tasks]
        # Of copies the first one counts, so pairs stand as one process has them.
        order = np.arange(firsts[-1])
        order[firsts[texts] :] = firsts[texts] + np.lexsort(np.concatenate(keys, axis=1))
        entries = np.concatenate(parts)[order]
        positions, counts = choose_rows(entries, settings)
        taken = np.empty(len(positions), TAKEN)
        taken["position"] = np.arange(len(positions))
        taken["tokens"], taken["group"] = entries["tokens"][positions], entries["group"][positions]
        file_of_row = np.searchsorted(firsts, order[positions], "right") - 1
        taken["row"] = order[positions] - firsts[file_of_row]
        for number, name in enumerate(names):
            rows = taken[file_of_row == number]
            write_array(self.work.path("taken", f"{name}.npy"), rows[np.argsort(rows["row"], kind="stable")])
        self.work.write_json("mixture", "counts", counts)


class WriteLines(TaskStep[ShardedWork]):
    """Make the lines of a task that are taken, and deal them to shards by their positions in the mixture.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        file (`int`): Number of the writing that the rows are in.
    """

    type = "💽 - WRITER"
    name = "lines"

    def __init__(self, work: ShardedWork, file: int) -> None:
        super().__init__(work)
        self.file = file

    def _task(self, data: Any, rank: int) -> None:
        sources, settings = _sections(self.work)
        files: list[tuple[str, Dataset, MakeLines]] = [
            (f"texts-{number:05d}-{rank:05d}", _texts(self.work, number, rank), monolingual_lines)
            for number in range(len(sources))
        ]
        files.append((f"pairs-{rank:05d}", self.work.left(self.file, rank), bilingual_lines))
        total, shards = self.work.read_json("mixture", "counts")["rows"], shard_count(self.work)

        def blocks() -> Iterator[tuple[np.ndarray, pa.Table]]:
            for name, rows, make_lines in files:
                all_taken, first = np.load(self.work.path("taken", f"{name}.npy"), allow_pickle=False), 0
                for block in rows_in_blocks(rows) if len(all_taken) else ():
                    ends = np.searchsorted(all_taken["row"], [first, first + len(block)])
                    taken = all_taken[slice(*ends)]
                    if len(taken):
                        batch = block.take(pa.array(taken["row"] - first))
                        lines = lines_table(batch, taken, make_lines, settings.seed).cast(MIXTURE_SCHEMA)
                        for column, values in ((ORDER, taken["position"]), (CONTENT, np.zeros(len(taken)))):
                            lines = lines.append_column(column, pa.array(values.astype(np.uint64)))
                        yield taken["position"] * shards // total, lines
                    first += len(block)

        with self.work.whole_folder("dealt", rank) as folder:
            deal_to_shards(folder, blocks())


def _sections(work: ShardedWork) -> tuple[list[dict[str, Any]], Settings]:
    """Return the sources of texts in one language, and the settings of the mixture."""
    sources, settings = mixture_sections(work.recipe)
    return sources, checked_settings(**settings)


def _texts(work: ShardedWork, number: int, rank: int) -> Dataset:
    """Return the share of a task in the texts of a source."""
    rows = Dataset.from_file(str(work.path("texts", f"{number:05d}.arrow")))
    return rows.select(range(len(rows) * rank // work.tasks, len(rows) * (rank + 1) // work.tasks))
