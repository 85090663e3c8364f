"""Directions scored in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from hf_lmt.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_processes(
    run: Callable[[Task], Result], tasks: Iterable[Task], num_proc: int
) -> Iterator[Result]:
    """`run` of each task, in the order of the tasks.

    Args:
        run: a function of a module, or a `partial` of one; what it raises is raised here.
        num_proc: processes, 1 or more; 1 starts none.

    Raises:
        InputError: num_proc is below 1; or a process was killed from outside.
    """
    if num_proc < 1:
        raise InputError(f"num_proc {num_proc}: give 1 or more processes")
    if num_proc == 1:
        yield from map(run, tasks)
        return
    context = multiprocessing.get_context("spawn")  # a fork beside torch's threads can hang
    with ProcessPoolExecutor(num_proc, mp_context=context) as pool:
        try:
            yield from pool.map(run, tasks)
        except BrokenProcessPool as error:
            raise InputError(
                f"one of the {num_proc} scoring processes was killed, perhaps for want of memory; "
                "run again with a smaller --num-proc"
            ) from error
