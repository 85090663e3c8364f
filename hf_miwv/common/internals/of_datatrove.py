"""Private names of datatrove: running one task of an executor."""

from __future__ import annotations

from typing import Any


def run_task(executor: Any, rank: int) -> None:
    """Run one task of an executor in this process, unless its completion marker is there.

    Args:
        executor (`PipelineExecutor`): An executor of datatrove.
        rank (`int`): Number of the task.
    """
    # A local rank other than 0 keeps the log of the task in its file, and off the screen.
    executor._run_for_rank(rank, local_rank=1)
