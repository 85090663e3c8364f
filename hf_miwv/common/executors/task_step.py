"""The base of the steps of all stages, in datatrove's form."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from datatrove.pipeline.base import PipelineStep


class SharedWork(Protocol):
    """Hold what every task of a run knows."""

    def check(self) -> None:
        """Check that this task runs the code of its run, on the disk of its run.

        Raises:
            InputError: Another version of the code, or the work folder is not there.
        """


Work = TypeVar("Work", bound=SharedWork)


class TaskStep(PipelineStep, Generic[Work]):
    """Run one step of a stage in each of its tasks; a step says only what task `rank` does.

    Args:
        work (`SharedWork`): What every task of the run knows.
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Do the work of a task.

        Args:
            data (`Any`): What the step before yields.
            rank (`int`, *optional*, defaults to `0`): Number of the task.
            world_size (`int`, *optional*, defaults to `1`): Number of tasks.

        Yields:
            `Any`: What the next step of the stage takes; nothing where the results are files.
        """
        self.work.check()
        yield from self._task(data, rank) or ()

    @abstractmethod
    def _task(self, data: Any, rank: int) -> Iterator[Any] | None:
        """Do the work of task `rank`: write files, or yield what the next step takes."""
