"""Explain the death of a process that loads batches for a trainer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hf_miwv.common.errors import InputError
from hf_miwv.common.trainer.finite_steps import name_of_newest


@contextmanager
def explained_dead_workers(checkpoints: Path) -> Iterator[None]:
    """Turn the death of a DataLoader worker into an error that says how to go on.

    Args:
        checkpoints (`Path`): Folder in which the training keeps its checkpoints.

    Raises:
        InputError: a process of `dataloader_num_workers` was killed.
    """
    try:
        yield
    except RuntimeError as error:
        # torch has no class for it: "DataLoader worker (pid 7) is killed by signal: Killed",
        # "DataLoader worker (pid(s) 7) exited unexpectedly"
        if not str(error).startswith("DataLoader worker"):
            raise
        newest = name_of_newest(checkpoints)
        kept = f"{newest} is kept, and the same command goes on from it" if newest else "no checkpoint was there yet"
        raise InputError(
            f"a process that loads batches was killed from outside, most likely by the system for want of memory "
            f"(the kernel's log says so: dmesg); {kept}. Give fewer of them: dataloader_num_workers: 0"
        ) from error
