"""The rows that filters left: written for surveys to point at, read without those that these take, and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import pyarrow as pa

from hf_lmt.data.hashing import direction_column
from hf_lmt.pipeline.judge_rows import StepCounts, schema_between
from hf_lmt.pipeline.sharded_work import ROW, ShardedWork, rows_in_blocks, write_tables
from hf_miwv.common.executors.run_stages import Stage
from hf_miwv.common.executors.task_step import TaskStep


class Survey(Protocol):
    """Find rows to take by looking at those of all tasks.

    A task deals what decides about its rows to files; the tasks of the next stages read of these what belongs
    together, and write which rows go.

    Attributes:
        name (`str`): Name of its files, and of its stages.
        step (`str`): The step of curation that it belongs to, under which its rows are counted.
        reason (`str`): Why rows go.
    """

    @property
    def name(self) -> str:
        """Return the name of its files."""

    @property
    def step(self) -> str:
        """Return the step that its rows are counted under."""

    @property
    def reason(self) -> str:
        """Return why rows go."""

    def dealing(self, work: ShardedWork) -> TaskStep[ShardedWork]:
        """Make the step that deals what decides about the rows of a task.

        Args:
            work (`ShardedWork`): What every task knows.

        Returns:
            `TaskStep[ShardedWork]`: The last step of a stage.
        """

    def finding(self, work: ShardedWork, file: int) -> list[Stage]:
        """List the stages that find the rows.

        Args:
            work (`ShardedWork`): What every task knows.
            file (`int`): Number of the writing that rows are in.

        Returns:
            `list[Stage]`: The stages, in their order.
        """


AnySurvey = TypeVar("AnySurvey", bound=Survey)


class SurveyTask(TaskStep[ShardedWork], Generic[AnySurvey]):
    """Do a task's part of a survey.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        survey (`Survey`): The survey.
    """

    def __init__(self, work: ShardedWork, survey: AnySurvey) -> None:
        super().__init__(work)
        self.survey, self.name = survey, survey.name


class WriteLeft(TaskStep[ShardedWork]):
    """Write the rows that are left, and pass them on with their numbers in the file.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        file (`int`): Number of the writing.
    """

    type = "💽 - WRITER"
    name = "rows left"

    def __init__(self, work: ShardedWork, file: int) -> None:
        super().__init__(work)
        self.file = file

    def _task(self, data: Iterator[pa.Table], rank: int) -> Iterator[pa.Table]:
        first = 0
        path, schema = self.work.left_path(self.file, rank), schema_between(self.work.columns())
        for block in write_tables(path, schema, data):
            yield block.select(schema.names).append_column(ROW, pa.array(np.arange(first, first + len(block))))
            first += len(block)


class ReadLeft(TaskStep[ShardedWork]):
    """Read the rows that were left of a task, without those that surveys take.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        file (`int`): Number of the writing.
        surveys (`Sequence[Survey]`): The surveys, in their order.
    """

    type = "📖 - READER"
    name = "rows left"

    def __init__(self, work: ShardedWork, file: int, surveys: Sequence[Survey]) -> None:
        super().__init__(work)
        self.file, self.surveys = file, list(surveys)

    def _task(self, data: Any, rank: int) -> Iterator[pa.Table]:
        rows = self.work.left(self.file, rank)
        steps: dict[str, np.ndarray] = {}
        for code, survey in enumerate(self.surveys, 1):
            steps.setdefault(survey.step, np.zeros(len(rows), np.int8))[self.work.gone(survey.name, rank)] = code
        reasons = [None, *(survey.reason for survey in self.surveys)]
        counts, first = {step: StepCounts(step) for step in steps}, 0
        for block in rows_in_blocks(rows):
            block = block.append_column(ROW, pa.array(np.arange(first, first + len(block))))
            first += len(block)
            for step, codes in steps.items():
                codes_of_block = codes[block[ROW].to_numpy()]
                counts[step].add(block, [reasons[code] for code in codes_of_block.tolist()])
                block = block.filter(pa.array(codes_of_block == 0))
            yield block
        for step in steps:
            self.work.write_json(f"counts-{step}", f"{rank:05d}", counts[step].as_json())


class CountRows(TaskStep[ShardedWork]):
    """Count the rows that come by, by direction.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        stage (`str`): The stage of the record that has just taken rows.
    """

    type = "🔢 - COUNTER"

    def __init__(self, work: ShardedWork, stage: str) -> None:
        super().__init__(work)
        self.name = self.stage = stage

    def _task(self, data: Iterator[pa.Table], rank: int) -> Iterator[pa.Table]:
        counts: Counter[str] = Counter()
        for block in data:
            if len(block):
                counts.update(direction_column(block).to_pylist())
                self.stat_update("forwarded", value=len(block))
                yield block
        self.work.write_json(f"rows-{self.stage}", f"{rank:05d}", counts)
