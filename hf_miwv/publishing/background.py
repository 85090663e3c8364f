"""Checkpoints to the Hub while a training runs: each as a revision, in the background."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from transformers import TrainerCallback

from hf_miwv.publishing.contents import read_contents
from hf_miwv.publishing.push import Pushed, push

WAITING = ".pushing"  # a folder beside the checkpoints

logger = logging.getLogger(__name__)


class BackgroundPush:
    """Pushes folders one after the other in a thread; a failure is told and ends nothing else.

    A checkpoint may be removed or go on to change as soon as `push_revision` returns: what is
    pushed are hard links to its files (copies where the disk has none) in a folder `.pushing`
    beside it, which goes when it is done. `close`, and the end of the program, wait for all that is
    still under way; a program that is killed leaves that to the next push of the same folder.

    >>> with BackgroundPush() as background:                                # doctest: +SKIP
    ...     background.push_revision("run/checkpoint-100", "ada/model", "step-100")
    """

    def __init__(self, **options: Any) -> None:
        """`options`: those of `push` that all have in common, such as `public`."""
        self._options = options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")
        self._pushes: dict[str, Future[Pushed]] = {}
        self._parents: set[Path] = set()
        self._count = 0
        _before_exit(self.close)

    def push_revision(self, folder: str | Path, repository: str, revision: str) -> None:
        """Begin to push `folder` to a branch of `repository`; returns at once.

        Never raises: what cannot be pushed is told in the log, and by `close`.
        """
        try:
            waiting = self._link(Path(folder))
            self._pushes[revision] = self._thread.submit(self._push, waiting, repository, revision)
        except Exception as error:
            failed: Future[Pushed] = Future()
            failed.set_exception(error)
            self._pushes[revision] = failed
            _tell(revision, error)

    def close(self) -> Mapping[str, Exception]:
        """Wait for all pushes; the revisions that did not arrive, and why."""
        waiting = [name for name, future in self._pushes.items() if not future.done()]
        if waiting:
            logger.info("waiting for what is still being pushed: %s", ", ".join(waiting))
        self._thread.shutdown(wait=True)
        errors = {name: future.exception() for name, future in self._pushes.items()}
        return {name: error for name, error in errors.items() if isinstance(error, Exception)}

    def _link(self, folder: Path) -> Path:
        """The files to push, once more, in a folder of their own below `.pushing`."""
        parent = folder.parent / WAITING
        if parent not in self._parents:
            shutil.rmtree(parent, ignore_errors=True)  # what a killed run left
            self._parents.add(parent)
        found, _ = read_contents(folder, None)
        self._count += 1
        waiting = parent / str(self._count) / folder.name
        for name, path in found.items():
            place = waiting / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError:
                shutil.copyfile(path, place)
        return waiting

    def _push(self, waiting: Path, repository: str, revision: str) -> Pushed:
        try:
            pushed = push(waiting, repository, revision=revision, **self._options)
            logger.info("pushed: revision %s of %s", revision, pushed.url)
            return pushed
        except Exception as error:
            _tell(revision, error)
            raise
        finally:
            shutil.rmtree(waiting.parent, ignore_errors=True)
            with suppress(OSError):  # others still wait in it
                waiting.parent.parent.rmdir()

    def __enter__(self) -> BackgroundPush:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class PushCheckpoints(TrainerCallback):
    """Pushes each checkpoint that a trainer saves as the revision step-N of a repository."""

    def __init__(self, repository: str, **options: Any) -> None:
        """`options`: of `BackgroundPush`."""
        self._repository = repository
        self._options = options
        self._background: BackgroundPush | None = None

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not state.is_world_process_zero:
            return
        if self._background is None:
            self._background = BackgroundPush(**self._options)
        step = state.global_step
        checkpoint = Path(args.output_dir) / f"checkpoint-{step}"
        self._background.push_revision(checkpoint, self._repository, f"step-{step}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._background is not None:
            self._background.close()
            self._background = None


def _before_exit(wait: Callable[[], object]) -> None:
    """Have `wait` called at the end of the program, while threads may still be begun.

    The client uploads several files in a pool of threads, and pools refuse work as soon as
    `concurrent.futures` has been told of the end; it is told in the same way, and those who asked
    last are told first.
    """
    getattr(threading, "_register_atexit", atexit.register)(wait)


def _tell(revision: str, error: Exception) -> None:
    logger.warning("revision %s was not pushed, and the training goes on: %s", revision, error)
