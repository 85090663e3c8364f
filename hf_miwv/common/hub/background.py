"""Folders to the Hub in the background: each as a revision, while other work goes on."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote

from hf_miwv.common.hub.folder_contents import read_contents
from hf_miwv.common.hub.push import Pushed, push

WAITING = ".pushing"  # a folder beside the checkpoints
PART = ".part"

logger = logging.getLogger(__name__)


class BackgroundPush:
    """Pushes folders one after the other in a thread; a failure is told and ends nothing else.

    A folder may be removed or go on to change as soon as `push_revision` returns: what is pushed
    are hard links to its files (copies where the disk has none) in `.pushing/REVISION` beside it,
    which goes when it has been tried. `close`, and the end of the program, wait for all that is
    still under way; what a killed program leaves there, `resume` goes on with.

    >>> with BackgroundPush() as background:                                # doctest: +SKIP
    ...     background.push_revision("run/checkpoint-100", "ada/model", "step-100")
    """

    def __init__(self, **options: Any) -> None:
        """`options`: those of `push` that all have in common, such as `public`."""
        self._options = options
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="push")
        self._pushes: dict[str, Future[Pushed]] = {}
        _before_exit(self.close)

    def push_revision(
        self,
        folder: str | Path,
        repository: str,
        revision: str,
        complete: Callable[[Path], None] | None = None,
    ) -> None:
        """Begin to push `folder` to a branch of `repository`; returns at once.

        Never raises: what cannot be pushed is told in the log, and by `close`.

        Args:
            complete: adds to what is pushed, and replaces in it, in the folder that it is given.
                Its files are links: a file that changes is to be removed and written anew.
        """
        try:
            waiting = _link(Path(folder), revision, complete)
            self._submit(waiting, repository, revision)
        except Exception as error:
            failed: Future[Pushed] = Future()
            failed.set_exception(error)
            self._pushes[revision] = failed
            _tell(revision, error)

    def resume(self, parent: Path, repository: str) -> None:
        """Begin to push what a killed program has left in the folder `parent`/.pushing."""
        for part in parent.glob(f"{WAITING}/*{PART}"):
            shutil.rmtree(part, ignore_errors=True)
        left = sorted(parent.glob(f"{WAITING}/*"), key=lambda folder: folder.stat().st_mtime_ns)
        for waiting in left:
            self._submit(waiting, repository, unquote(waiting.name))

    def is_done(self, revision: str) -> bool:
        """Whether a revision has been pushed, or is about to be: False where that failed."""
        found = self._pushes.get(revision)
        return found is not None and (not found.done() or found.exception() is None)

    def wait(self) -> None:
        """Wait for all pushes so far."""
        under_way = [name for name, future in self._pushes.items() if not future.done()]
        if under_way:
            logger.info("waiting for what is still being pushed: %s", ", ".join(under_way))
        wait(self._pushes.values())

    def close(self) -> Mapping[str, Exception]:
        """Wait for all pushes; the revisions that did not arrive, and why."""
        self.wait()
        self._thread.shutdown(wait=True)
        errors = {name: future.exception() for name, future in self._pushes.items()}
        return {name: error for name, error in errors.items() if isinstance(error, Exception)}

    def _submit(self, waiting: Path, repository: str, revision: str) -> None:
        self._pushes[revision] = self._thread.submit(self._push, waiting, repository, revision)

    def _push(self, waiting: Path, repository: str, revision: str) -> Pushed:
        try:
            pushed = push(waiting, repository, revision=revision, **self._options)
            news = "pushed: revision %s of %s" if pushed.written else "already there: %s of %s"
            logger.info(news, revision, pushed.url)
            return pushed
        except Exception as error:
            _tell(revision, error)
            raise
        finally:
            shutil.rmtree(waiting, ignore_errors=True)
            with suppress(OSError):  # others still wait in it
                waiting.parent.rmdir()

    def __enter__(self) -> BackgroundPush:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def forget(parent: Path) -> None:
    """Remove what a killed program has left in the folder `parent`/.pushing."""
    shutil.rmtree(parent / WAITING, ignore_errors=True)


def _link(folder: Path, revision: str, complete: Callable[[Path], None] | None) -> Path:
    """The files to push once more, in a folder of their own that is there whole or not at all."""
    waiting = folder.parent / WAITING / quote(revision, safe="")
    draft = waiting.with_name(waiting.name + PART)
    found, _ = read_contents(folder, None)
    for old in (draft, waiting):
        shutil.rmtree(old, ignore_errors=True)
    for name, path in found.items():
        place = draft / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, place)
        except OSError:
            shutil.copyfile(path, place)
    if complete is not None:
        complete(draft)
    draft.rename(waiting)
    return waiting


def _before_exit(call: Callable[[], object]) -> None:
    """Have `call` called at the end of the program, while threads may still be begun.

    The client uploads several files in a pool of threads, and pools refuse work as soon as
    `concurrent.futures` has been told of the end; it is told in the same way, and those who asked
    last are told first.
    """
    getattr(threading, "_register_atexit", atexit.register)(call)


def _tell(revision: str, error: Exception) -> None:
    logger.warning("revision %s was not pushed, and the training goes on: %s", revision, error)
