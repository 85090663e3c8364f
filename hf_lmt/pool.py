"""One function run over many tasks by several processes, whose death is seen and told."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, Literal, TypeVar

from hf_miwv.common.errors import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 2  # tasks that each process may be ahead of whoever takes the results


def in_processes(
    run: Callable[[Task], Result],
    tasks: Iterable[Task],
    num_proc: int,
    *,
    start: Literal["spawn", "fork"] = "spawn",
) -> Iterator[Result]:
    """Yield `run` of each task, in the order of the tasks.

    A process that is killed from outside ends all of it at once: `multiprocessing.Pool` would wait
    for its result for ever. Processes whose parent was killed end, too.

    Args:
        run (`Callable[[Task], Result]`): A function; with "spawn" one of a module, or a `partial` of one. Runs in
            the other processes, if there are any; what it raises is raised here.
        tasks (`Iterable[Task]`): Read as they are needed, at most `AHEAD` for each process before their turn.
        num_proc (`int`): Processes, 1 or more; 1 starts none.
        start (`Literal["spawn", "fork"]`, *optional*, defaults to `"spawn"`): "spawn" takes seconds for each
            process, and is safe beside torch's threads; "fork" hands `run` over as it is, with whatever it holds
            in memory.

    Yields:
        `Result`: The result of each task.

    Raises:
        InputError: num_proc is below 1; or a process was killed from outside.
    """
    if num_proc < 1:
        raise InputError(f"num_proc {num_proc}: give 1 or more processes")
    if num_proc == 1:
        yield from map(run, tasks)
        return
    context = multiprocessing.get_context(start)
    waiting: deque[Future[Result]] = deque()
    with (
        explained_deaths(num_proc),
        ProcessPoolExecutor(num_proc, mp_context=context, initializer=_begin, initargs=(run,)) as pool,
    ):
        try:
            for task in tasks:
                waiting.append(pool.submit(_work, task))
                if len(waiting) >= AHEAD * num_proc:
                    # Enough tasks to keep every process busy, and no more: results
                    # wait in memory until they are taken.
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # after a fault, or where nobody takes the rest
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def explained_deaths(num_proc: int | None) -> Iterator[None]:
    """Turn the death of a process of a pool, ours or that of `datasets`, into an InputError.

    Args:
        num_proc (`int | None`): Processes of the pool, for the message; None where their number is not known.

    Raises:
        InputError: one of the processes was killed from outside.
    """
    try:
        yield
    except (BrokenProcessPool, RuntimeError) as error:
        if not isinstance(error, BrokenProcessPool) and "abruptly died" not in str(error):
            raise
        fewer = max(1, (num_proc or 2) // 2)
        raise InputError(
            # `datasets` raises a bare RuntimeError for the same death, so only
            # its message tells it from other faults.
            f"one of the {num_proc} processes was killed from outside, most likely by the system "
            "for want of memory (the kernel's log says so: dmesg). What was finished is kept, and "
            f"the same command with fewer processes goes on from there: --num-proc {fewer} "
            f"(num_proc={fewer})"
        ) from error


_run: Callable[[Any], Any]  # of a process that works for another


def _begin(run: Callable[[Any], Any]) -> None:
    global _run
    _run = run
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends the pool
    Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End with a killed parent: it does not end its pool, whose processes would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _work(task: Any) -> Any:
    return _run(task)
