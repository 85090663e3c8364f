"""The files between the stages of a sharded preparation, and what their tasks know of each other."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, concatenate_datasets

from hf_lmt.data.corpora.blocks import Tally, merged_tallies
from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.corpora.parts import Part
from hf_lmt.data.corpora.variants import VARIANTS
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.limits import ORIGIN
from hf_lmt.data.prepare.row_batches import BATCH
from hf_miwv.common.executors.same_code import check_task
from hf_miwv.common.runs.json_text import json_text

ORDER, CONTENT = "_order", "_content"  # columns between the stages: the hashes that rows are put in order by
ROW = "_row"  # a column within a stage: the number of a row in the file of its task
PLAN = "plan.json"


@dataclass(frozen=True)
class ShardedWork:
    """Hold what every task of a sharded preparation knows.

    Args:
        folder (`Path`): The work folder, which all tasks can reach.
        recipe (`DataRecipe`): The recipe.
        tasks (`int`): Tasks of a stage.
        parts (`tuple[tuple[int, Part], ...]`): All parts of all sources, in their order, each behind the number of
            its source. Part i is read by task i mod tasks.
        code (`str`): Version and commit of the code that made the plan.
    """

    folder: Path
    recipe: DataRecipe
    tasks: int
    parts: tuple[tuple[int, Part], ...]
    code: str

    def check(self) -> None:
        """Check that this task runs the code of the plan, on the disk of the plan.

        Raises:
            InputError: Another version of the code, or the work folder is not there.
        """
        check_task(self.folder / PLAN, self.code)

    def parts_of(self, rank: int) -> list[int]:
        """List the parts that a task reads.

        Args:
            rank (`int`): Number of the task.

        Returns:
            `list[int]`: Their numbers.
        """
        return list(range(rank, len(self.parts), self.tasks))

    def describe(self, rank: int) -> str:
        """Say what a task reads.

        Args:
            rank (`int`): Number of the task.

        Returns:
            `str`: The words.
        """
        texts = []
        for number, part in (self.parts[index] for index in self.parts_of(rank)):
            texts.append(str(part) if part.files else f"{self.recipe.sources[number].name}, {part}")
        return "; ".join(texts) or "nothing of its own"

    def path(self, stage: str, name: str) -> Path:
        """Return the path of a file of a stage; its folder is made.

        Args:
            stage (`str`): Name of the folder.
            name (`str`): Name of the file, without its ending.

        Returns:
            `Path`: The path.
        """
        path = self.folder / stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def rows_path(self, part: int) -> Path:
        """Return the file of a part's rows.

        Args:
            part (`int`): Number of the part.

        Returns:
            `Path`: The path.
        """
        return self.path("rows", f"{part:05d}.arrow")

    def left_path(self, file: int, rank: int) -> Path:
        """Return a file of the rows that filters left of a task.

        Args:
            file (`int`): Number of the writing: 0 for the first time that rows are written.
            rank (`int`): Number of the task.

        Returns:
            `Path`: The path.
        """
        return self.path(f"left-{file}", f"{rank:05d}.arrow")

    def left(self, file: int, rank: int) -> Dataset:
        """Return the rows that filters left of a task, mapped into memory.

        Args:
            file (`int`): Number of the writing.
            rank (`int`): Number of the task.

        Returns:
            `Dataset`: The rows.
        """
        return Dataset.from_file(str(self.left_path(file, rank)))

    def write_gone(self, survey: str, rank: int, bucket: str, rows: np.ndarray) -> None:
        """Write which rows of a task a survey takes.

        Args:
            survey (`str`): Name of the survey.
            rank (`int`): Number of the task that has the rows.
            bucket (`str`): Name of what was looked through.
            rows (`np.ndarray`): (G,) int64, numbers of rows in the file of the task.
        """
        write_array(self.path(f"gone-{survey}", f"{rank:05d}-{bucket}.npy"), rows)

    def gone(self, survey: str, rank: int) -> np.ndarray:
        """Return which rows of a task a survey takes.

        Args:
            survey (`str`): Name of the survey.
            rank (`int`): Number of the task.

        Returns:
            `np.ndarray`: (G,) int64, numbers of rows in the file of the task.
        """
        paths = sorted((self.folder / f"gone-{survey}").glob(f"{rank:05d}-*.npy"))
        return np.concatenate([np.zeros(0, np.int64), *(np.load(path, allow_pickle=False) for path in paths)])

    @contextmanager
    def whole_folder(self, stage: str, rank: int) -> Iterator[Path]:
        """Fill a folder of a task, whole or not at all.

        Args:
            stage (`str`): Name of the folder of all tasks.
            rank (`int`): Number of the task.

        Yields:
            `Path`: The draft, which is empty; behind the block it is renamed.
        """
        folder = self.path(stage, f"{rank:05d}")
        draft = folder.with_suffix(".part")
        for left in (draft, folder):  # of an attempt that was killed
            shutil.rmtree(left, ignore_errors=True)
        draft.mkdir()
        yield draft
        os.replace(draft, folder)

    def write_json(self, stage: str, name: str, value: Any) -> None:
        """Write a whole JSON file, such as the counts of a task.

        Args:
            stage (`str`): Name of the folder.
            name (`str`): Name of the file, without its ending.
            value (`Any`): What JSON can hold.
        """
        path = self.path(stage, f"{name}.json")
        draft = path.with_suffix(".part")
        draft.write_text(json_text(value), "utf-8")
        os.replace(draft, path)

    def read_json(self, stage: str, name: str) -> Any:
        """Read what `write_json` wrote.

        Args:
            stage (`str`): Name of the folder.
            name (`str`): Name of the file, without its ending.

        Returns:
            `Any`: The value.
        """
        return json.loads(self.path(stage, f"{name}.json").read_text("utf-8"))

    def read_all_json(self, stage: str) -> list[Any]:
        """Read the JSON files of all tasks, by rank.

        Args:
            stage (`str`): Name of the folder.

        Returns:
            `list[Any]`: The values.
        """
        return [self.read_json(stage, f"{rank:05d}") for rank in range(self.tasks)]

    def tallies(self) -> list[tuple[Tally, Counter[str]]]:
        """Return for each source the tally of all its parts, and the notes of its reader."""
        read = [self.read_json("rows", f"{part:05d}") for part in range(len(self.parts))]
        sums = []
        for number in range(len(self.recipe.sources)):
            part_counts = [counts for counts, (source, _) in zip(read, self.parts, strict=True) if source == number]
            notes: Counter[str] = Counter()
            for counts in part_counts:
                notes.update(counts["notes"])
            sums.append((merged_tallies(_tally(counts["tally"]) for counts in part_counts), notes))
        return sums

    def columns(self) -> list[str]:
        """List the columns of the rows of all sources together, as one process would have them."""
        tallies = self.tallies()
        names = dict.fromkeys(ROW_SCHEMA.names)
        for part, (source, _) in enumerate(self.parts):
            kept = self.read_json("rows", f"{part:05d}")["columns"]
            names |= dict.fromkeys(name for name in kept if name not in VARIANTS or tallies[source][0].variants)
        return [*names, ORIGIN]

    def row_counts(self) -> list[int]:
        """Return how many rows each part gave."""
        return [self.read_json("rows", f"{part:05d}")["tally"]["rows"] for part in range(len(self.parts))]

    def all_texts(self) -> Dataset:
        """Return source and target of all rows that were read, mapped into memory, part after part."""
        files = [Dataset.from_file(str(self.rows_path(part))) for part in range(len(self.parts))]
        return concatenate_datasets([rows.select_columns(["source", "target"]) for rows in files])


def tally_as_json(tally: Tally) -> dict[str, Any]:
    """Return a tally as JSON can hold it.

    Args:
        tally (`Tally`): What was counted.

    Returns:
        `dict[str, Any]`: The tally.
    """
    return {**vars(tally), "names": sorted(tally.names)}


def _tally(values: dict[str, Any]) -> Tally:
    counters = {name: Counter(values[name]) for name in ("languages", "other_languages", "variants")}
    return Tally(**{**values, **counters, "names": set(values["names"])})


def rows_in_blocks(rows: Dataset) -> Iterator[pa.Table]:
    """Yield the rows of a file as Arrow tables of at most BATCH rows.

    Args:
        rows (`Dataset`): The rows.

    Yields:
        `pa.Table`: The rows.
    """
    if len(rows):
        yield from rows.with_format("arrow").iter(BATCH)


def write_tables(path: Path, schema: pa.Schema, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Write tables to an Arrow file, whole or not at all, and pass them on.

    Args:
        path (`Path`): The file.
        schema (`pa.Schema`): Its columns; others of the tables are not written.
        tables (`Iterable[pa.Table]`): The tables.

    Yields:
        `pa.Table`: The tables as they were; behind the last one the file is there.
    """
    draft = path.with_name(f"{path.name}.part")
    with open(draft, "wb") as file:
        with pa.ipc.new_stream(file, schema) as writer:
            for table in tables:
                writer.write_table(table.select(schema.names).cast(schema).combine_chunks())
                yield table
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def write_array(path: Path, values: np.ndarray) -> None:
    """Write an array to an .npy file, whole or not at all.

    Args:
        path (`Path`): The file.
        values (`np.ndarray`): The array.
    """
    draft = path.with_name(f"{path.name}.part")
    with open(draft, "wb") as file:
        np.save(file, values, allow_pickle=False)
    os.replace(draft, path)


def buckets_of(hashes: np.ndarray, count: int) -> np.ndarray:
    """Deal hashes to buckets by their range, so that buckets one after another are in order.

    Args:
        hashes (`np.ndarray`): (N,) uint64.
        count (`int`): Buckets, below 2^32.

    Returns:
        `np.ndarray`: (N,) int64, floor(hash / 2^32 x count / 2^32).
    """
    return ((hashes >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)
