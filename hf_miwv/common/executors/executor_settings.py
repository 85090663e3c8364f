"""Where a job runs, and in how many tasks: `--executor` and its file."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.extras import need

EXECUTORS = ("local", "ray", "slurm", "hf-jobs")
OURS = ("tasks", "workers")
# What the steps set themselves: a file of settings may not.
SET_BY_STEPS = ("self", "pipeline", "logging_dir", "depends", "depends_job_id", "skip_completed", "job_name")


@dataclass(frozen=True)
class ExecutorSettings:
    """Say where a job runs.

    Args:
        kind (`str`): One of EXECUTORS.
        tasks (`int`): Tasks that each stage is dealt to.
        workers (`int`, *optional*): Tasks that run at the same time; by default all of them, of "local" at most
            as many as there are processors.
        options (`Mapping[str, Any]`, *optional*, defaults to `{}`): Further arguments of datatrove's executor, such
            as `partition` and `time` of Slurm.
    """

    kind: str
    tasks: int
    workers: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def read_executor(word: str, config: Mapping[Any, Any] | None = None) -> ExecutorSettings:
    """Read `--executor`, such as "local:8", and the content of its file.

    Args:
        word (`str`): One of EXECUTORS, with ":TASKS" behind it or without.
        config (`Mapping[Any, Any]`, *optional*): `tasks`, `workers`, and arguments of datatrove's executor.

    Returns:
        `ExecutorSettings`: The settings.

    Raises:
        InputError: An unknown executor or key, no number of tasks or two of them, or a library is missing.
    """
    kind, _, number = word.partition(":")
    if kind not in EXECUTORS:
        raise InputError(f"--executor {word!r}: no such executor; {did_you_mean(kind, EXECUTORS)}")
    need("scale", f"--executor {kind}", "datatrove", instead="or leave --executor out")
    content = dict(config or {})
    if number and "tasks" in content:
        raise InputError(f"--executor {word}: its file has tasks: {content['tasks']!r}; give one of the two")
    tasks = _count("tasks", int(number) if number.isdecimal() else number or content.pop("tasks", None), word)
    workers = content.pop("workers", None)
    if workers is not None:
        workers = _count("workers", workers, word)
    _check_options(kind, content)
    return ExecutorSettings(kind, tasks, workers, content)


def _count(name: str, value: Any, word: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        shown = "is not given" if value is None else f"{value!r} is no number of them"
        raise InputError(f"--executor {word}: {name} {shown}; give 1 or more, as in local:8 or {name}: 8 in its file")
    return value


def _check_options(kind: str, options: Mapping[Any, Any]) -> None:
    if kind == "hf-jobs":
        known = ["flavor", "timeout", "namespace", "volumes"]
    else:
        arguments = inspect.signature(executor_class(kind).__init__).parameters
        known = [name for name in arguments if name not in (*OURS, *SET_BY_STEPS)]
    for name in options:
        if name not in known:
            raise InputError(f"--executor-config: unknown key {name!r}; {did_you_mean(str(name), [*OURS, *known])}")


def executor_class(kind: str) -> Any:
    """Return datatrove's class for an executor.

    Args:
        kind (`str`): "local", "ray" or "slurm".

    Returns:
        `type`: The class.

    Raises:
        InputError: ray is not installed.
    """
    if kind == "slurm":
        from datatrove.executor import SlurmPipelineExecutor

        return SlurmPipelineExecutor
    if kind == "ray":
        if find_spec("ray") is None:
            raise InputError("--executor ray needs ray, not installed here; pip install ray, or give local:TASKS")
        from datatrove.executor.ray import RayPipelineExecutor

        return RayPipelineExecutor
    from datatrove.executor import LocalPipelineExecutor

    return LocalPipelineExecutor
