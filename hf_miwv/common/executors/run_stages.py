"""Stages, each dealt to tasks, one after another on one of datatrove's executors."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.executors.executor_settings import ExecutorSettings, executor_class
from hf_miwv.common.internals.of_datatrove import run_task
from hf_miwv.common.progress import stage as progress_stage

COMPLETIONS = "completions"  # datatrove's folder of markers, a file for each task that is done

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stage:
    """Hold the steps that each task of a stage runs.

    Args:
        name (`str`): Name of the stage, a word; its log and markers lie in a folder of this name.
        steps (`Sequence[Callable[..., Any]]`): datatrove's form, `step(data, rank, world_size)`.
        tasks (`int`): Tasks.
        describe (`Callable[[int], str]`): What a task works on, for messages.
    """

    name: str
    steps: Sequence[Callable[..., Any]]
    tasks: int
    describe: Callable[[int], str]


def run_stages(stages: Sequence[Stage], settings: ExecutorSettings, logs: Path, progress: bool = True) -> bool:
    """Run stages one after another; a task whose completion marker is there is not run again.

    Args:
        stages (`Sequence[Stage]`): The stages, in their order.
        settings (`ExecutorSettings`): Where they run.
        logs (`Path`): Folder of logs and markers, which all tasks can reach.
        progress (`bool`, *optional*, defaults to `True`): Show a bar for each stage that runs here.

    Returns:
        `bool`: Whether they are done. Those of Slurm are only queued.

    Raises:
        InputError: A task fails, or is killed; which, and what to do.
    """
    quiet_datatrove()
    if settings.kind == "local":
        max_tasks = max((stage.tasks for stage in stages), default=0)
        workers = min(settings.workers or os.cpu_count() or 1, max_tasks)
        # Started afresh and not forked: threads of the parent may hold locks. For all stages, because each process
        # takes seconds to import what it needs.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) if workers > 1 else nullcontext() as pool:
            for stage in stages:
                _run_here(stage, settings, logs, pool, progress)
        return True
    previous = None
    for stage in stages:
        previous = make_executor(stage, settings, logs, previous)
        if settings.kind == "ray":
            previous.run()
            if left := previous.get_incomplete_ranks(skip_completed=True):
                raise InputError(_failure_message(stage, dict.fromkeys(left, f"see {logs / stage.name / 'logs'}")))
    if settings.kind == "slurm" and previous is not None:
        previous.run()  # launches the stages that it depends on first
    return settings.kind != "slurm"


def quiet_datatrove() -> None:
    """Keep datatrove's news off the screen; they stand in the log of each task."""
    from loguru import logger as datatrove_logger

    datatrove_logger.disable("datatrove")


def make_executor(stage: Stage, settings: ExecutorSettings, logs: Path, previous: Any = None) -> Any:
    """Make datatrove's executor of a stage.

    Args:
        stage (`Stage`): The stage.
        settings (`ExecutorSettings`): Where it runs.
        logs (`Path`): Folder of logs and markers.
        previous (`PipelineExecutor`, *optional*): The executor of the stage before, which this one waits for.

    Returns:
        `PipelineExecutor`: The executor.
    """
    executor_options: dict[str, Any] = dict(settings.options)
    if settings.kind == "slurm":
        executor_options |= {"job_name": stage.name, "depends": previous}
    if settings.workers is not None:
        executor_options["workers"] = min(settings.workers, stage.tasks)
    return executor_class(settings.kind)(
        pipeline=list(stage.steps),
        tasks=stage.tasks,
        logging_dir=str(logs.absolute() / stage.name),
        **executor_options,
    )


def _run_here(
    stage: Stage, settings: ExecutorSettings, logs: Path, pool: ProcessPoolExecutor | None, progress: bool
) -> None:
    """Run the tasks of a stage in processes of this machine, or in this one where there is no pool.

    Ours, and not the local executor's own pool, because that waits for ever for a task whose process was killed.
    """
    executor = make_executor(stage, settings, logs)
    left = executor.get_incomplete_ranks()
    faults: dict[int, BaseException] = {}
    with progress_stage(stage.name, "task", stage.tasks, show=progress) as bar:
        bar.update(stage.tasks - len(left))
        if pool is None:
            for rank in left:
                faults |= _fault(rank, partial(run_task, executor, rank))
                bar.update(1)
        else:
            futures: dict[Future[None], int] = {pool.submit(_run_quietly, executor, rank): rank for rank in left}
            for future in as_completed(futures):
                faults |= _fault(futures[future], future.result)
                bar.update(1)
    for rank, fault in faults.items():
        if not isinstance(fault, (InputError, BrokenProcessPool)):
            fault.add_note(f"in task {rank} of stage {stage.name}: {stage.describe(rank)}")
            raise fault
    if faults:
        raise InputError(_failure_message(stage, {rank: _in_words(fault) for rank, fault in sorted(faults.items())}))


def _run_quietly(executor: Any, rank: int) -> None:
    quiet_datatrove()
    run_task(executor, rank)


def _fault(rank: int, run: Callable[[], object]) -> dict[int, BaseException]:
    """Return {rank: fault} where running fails: the other tasks are to be done all the same."""
    try:
        run()
    except Exception as fault:
        return {rank: fault}
    return {}


def _in_words(fault: BaseException) -> str:
    if isinstance(fault, BrokenProcessPool):
        return "not done: a process was killed from outside, most likely by the system for want of memory"
    return str(fault)


def _failure_message(stage: Stage, faults: dict[int, str]) -> str:
    lines = [f"  task {rank} ({stage.describe(rank)}): {words}" for rank, words in faults.items()]
    return "\n".join(
        [
            f"stage {stage.name}: {len(faults)} of {stage.tasks} tasks are not done, and nothing is written:",
            *lines,
            "The same command goes on from here, and runs no finished task again. To go on without the rows of a "
            "task, leave what it reads out of the data",
        ]
    )
