"""Caps of sources and counts of downsampling: of a direction's rows in all tasks, those of the lowest hashes stay."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.limits import capped_rows
from hf_lmt.directions import parse_direction
from hf_lmt.pipeline.rows_left import SurveyTask
from hf_lmt.pipeline.sharded_work import CONTENT, ORDER, ROW, ShardedWork, write_array
from hf_miwv.common.executors.run_stages import Stage

COUNTS = "counts"  # name of the survey of counts
ENTRY = np.dtype([("hash", "u8"), ("order", "u8"), ("content", "u8"), ("row", "i8")])
"""A row that is counted: rows of one hash go by the order in which one process has them."""

Counted = Iterator[tuple[Any, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class LowestHashes:
    """Survey groups of rows of which only so many stay, those of the lowest hashes.

    Args:
        name (`str`): Name of its files.
        reason (`str`): Why rows go.
        counted (`Callable[[pa.Table], Counted]`): Yields of a batch the groups, and the positions and hashes of
            their rows.
        limit_of (`Callable[[Any], int]`): Rows of a group that stay.
    """

    name: str
    reason: str
    counted: Callable[[pa.Table], Counted]
    limit_of: Callable[[Any], int]

    @property
    def step(self) -> str:
        """Return the name, because it is no step of curation."""
        return self.name

    def dealing(self, work: ShardedWork) -> OfferLowest:
        """Make the step that offers the lowest hashes of a task.

        Args:
            work (`ShardedWork`): What every task knows.

        Returns:
            `OfferLowest`: The last step of a stage.
        """
        return OfferLowest(work, self)

    def finding(self, work: ShardedWork, file: int) -> list[Stage]:
        """List the one stage that finds the lowest hashes of all tasks.

        Args:
            work (`ShardedWork`): What every task knows.
            file (`int`): Number of the writing that rows are in.

        Returns:
            `list[Stage]`: The stages, in their order.
        """
        return [Stage(f"find-{self.name}", [FindLowest(work, self)], work.tasks, work.describe)]


def source_caps(recipe: DataRecipe) -> LowestHashes:
    """Return the survey of the caps that sources have.

    Args:
        recipe (`DataRecipe`): The recipe.

    Returns:
        `LowestHashes`: The survey; a group is a direction of a source.
    """
    return LowestHashes("data-caps", "beyond a cap", partial(_capped, recipe), partial(_cap_of, recipe))


def counts(thinning: StrategicDownsampling) -> LowestHashes:
    """Return the survey of the counts of downsampling.

    Args:
        thinning (`StrategicDownsampling`): The downsampling; of its rates nothing is done here.

    Returns:
        `LowestHashes`: The survey; a group is a direction.
    """
    return LowestHashes(COUNTS, "beyond a count", thinning.counted_rows, partial(_count_of, thinning))


def counted_rows(work: ShardedWork, survey: str) -> Counter[str]:
    """Count the rows of each group in all tasks.

    Args:
        work (`ShardedWork`): The work.
        survey (`str`): Name of the survey.

    Returns:
        `Counter[str]`: Rows by group.
    """
    rows: Counter[str] = Counter()
    for rows_of_task in work.read_all_json(f"{survey}-rows"):
        rows.update(rows_of_task)
    return rows


def _capped(recipe: DataRecipe, batch: pa.Table) -> Counted:
    for (origin, direction), positions, hashes in capped_rows(batch, recipe.sources, recipe.seed):
        yield f"{origin}.{direction}", positions, hashes


def _cap_of(recipe: DataRecipe, group: str) -> int:
    origin, _, direction = group.partition(".")
    cap = recipe.sources[int(origin)].cap_of(direction)
    assert cap is not None  # noqa: S101  capped_rows names only groups that have one
    return cap


def _count_of(thinning: StrategicDownsampling, direction: str) -> int:
    return thinning.count_of(parse_direction(direction)) or 0


class OfferLowest(SurveyTask[LowestHashes]):
    """Write the rows of the lowest hashes of each group in a task, as many as may stay of all; its others go."""

    type = "🔻 - FILTER"

    def _task(self, data: Iterator[pa.Table], rank: int) -> None:
        parts: dict[str, list[np.ndarray]] = defaultdict(list)
        for block in data:
            for group, positions, hashes in self.survey.counted(block) if len(block) else ():
                entries = np.empty(len(positions), ENTRY)
                entries["hash"] = hashes
                for field, column in (("order", ORDER), ("content", CONTENT), ("row", ROW)):
                    entries[field] = block[column].to_numpy()[positions]
                parts[group].append(entries)
        gone = [np.zeros(0, np.int64)]
        with self.work.whole_folder(self.name, rank) as folder:
            for group, entries_of_group in parts.items():
                entries = np.concatenate(entries_of_group)
                entries = entries[_order(entries)]
                limit = self.survey.limit_of(group)
                write_array(folder / f"{group}.npy", entries[:limit])
                gone.append(entries["row"][limit:])
        self.work.write_gone(self.name, rank, "own", np.concatenate(gone))
        rows = {group: sum(map(len, entries)) for group, entries in parts.items()}
        self.work.write_json(f"{self.name}-rows", f"{rank:05d}", rows)


class FindLowest(SurveyTask[LowestHashes]):
    """Say which of the offered rows are not among the lowest of all tasks; each task looks at some groups."""

    type = "🔻 - FILTER"

    def _task(self, data: Any, rank: int) -> None:
        folders = [self.work.path(self.name, f"{task:05d}") for task in range(self.work.tasks)]
        gone: dict[int, list[np.ndarray]] = defaultdict(lambda: [np.zeros(0, np.int64)])
        for group in sorted(counted_rows(self.work, self.name))[rank :: self.work.tasks]:
            paths = {task: folder / f"{group}.npy" for task, folder in enumerate(folders)}
            offered = {task: np.load(path, allow_pickle=False) for task, path in paths.items() if path.exists()}
            tasks = np.repeat(list(offered), list(map(len, offered.values())))
            entries = np.concatenate(list(offered.values()))
            beyond = _order(entries)[self.survey.limit_of(group) :]
            for task in np.unique(tasks[beyond]).tolist():
                gone[task].append(entries["row"][beyond[tasks[beyond] == task]])
        for task in range(self.work.tasks):
            self.work.write_gone(self.name, task, f"{rank:05d}", np.concatenate(gone[task]))


def _order(entries: np.ndarray) -> np.ndarray:
    """Order (K,) entries from the lowest hash on."""
    return np.lexsort((entries["content"], entries["order"], entries["hash"]))
