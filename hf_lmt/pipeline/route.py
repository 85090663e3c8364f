"""The stages that rows go through: filters after one another, and an end where all tasks have to be waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_lmt.pipeline.judge_rows import JoinedRows
from hf_lmt.pipeline.read_rows import ChooseHints, OfferHints, ReadRows
from hf_lmt.pipeline.rows_left import CountRows, ReadLeft, Survey, WriteLeft
from hf_lmt.pipeline.sharded_work import ShardedWork
from hf_miwv.common.executors.run_stages import Stage


class Route:
    """Put stages together: filters follow each other in a stage, and each survey is the end of one.

    Args:
        work (`ShardedWork`): What every task knows.

    Attributes:
        stages (`list[Stage]`): The stages so far.
    """

    def __init__(self, work: ShardedWork) -> None:
        self.work = work
        self.stages: list[Stage] = []
        self._steps: list[Any] = []
        self.end_stage("read", ReadRows(work))
        self.end_stage("offer-hints", OfferHints(work))
        self.end_stage("choose-hints", ChooseHints(work))
        self._steps = [JoinedRows(work)]
        self._file, self._is_written = -1, False
        self._surveys: list[Survey] = []  # of the rows as they were written last

    def filter(self, step: Any) -> None:
        """Let the rows pass a step.

        Args:
            step (`TaskStep`): A step that takes rows and yields those that are left.
        """
        self._steps.append(step)
        self._is_written = self._is_written and isinstance(step, CountRows)

    def write(self) -> int:
        """Write the rows that are left.

        Returns:
            `int`: Number of the writing.
        """
        self._file, self._is_written, self._surveys = self._file + 1, True, []
        self._steps.append(WriteLeft(self.work, self._file))
        return self._file

    def survey(self, surveys: Sequence[Survey]) -> None:
        """Take the rows that surveys find, one after another.

        Args:
            surveys (`Sequence[Survey]`): The surveys.
        """
        for survey in surveys:
            if not self._is_written:
                self.write()
            is_first = self.stages[-1].name == "choose-hints"
            self.end_stage("curate" if is_first else f"deal-{survey.name}", survey.dealing(self.work))
            self.stages += survey.finding(self.work, self._file)
            self._surveys = [*self._surveys, survey]
            self._steps = [ReadLeft(self.work, self._file, self._surveys)]

    def end_stage(self, name: str, step: Any) -> None:
        """Add the stage of the steps since the last one.

        Args:
            name (`str`): Name of the stage.
            step (`TaskStep`): Its last step.
        """
        self.stages.append(Stage(name, [*self._steps, step], self.work.tasks, self.work.describe))
