"""All tasks of a run share one version of the code, and one disk."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.record import package_commit, package_version


@cache
def running_code() -> str:
    """Return version and commit of the code that runs."""
    return f"hf-miwv-lmt {package_version()} ({package_commit() or 'no commit known'})"


def check_task(plan: Path, code: str) -> None:
    """Check that a task runs the code of its run, on the disk of its run.

    Args:
        plan (`Path`): A file that the run has written before its first task.
        code (`str`): The `running_code` of the run.

    Raises:
        InputError: Another version of the code, or the file is not there.
    """
    if (running := running_code()) != code:
        raise InputError(
            f"this task runs {running}, and the run was begun by {code}: install that on every machine and "
            f"start again, or remove {plan.parent} to begin anew"
        )
    if not plan.exists():
        raise InputError(
            f"{plan} is not there: the work folder must lie on a disk that all machines share; give an --output on one"
        )
