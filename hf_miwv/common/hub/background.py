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
    """Push folders one after the other in a thread; a failure is logged and ends nothing else.

    A folder may be removed or go on to change as soon as `push_revision` returns: hard links to its
    files (copies where the disk has none) are pushed, from `.pushing/REVISION` beside it, which is
    removed when it has been tried. `close`, and the end of the program, wait for all pushes that are
    not finished; those that a killed program leaves there, `resume` goes on with.

    Args:
        **options (`Any`): Options of `push` that all have in common, such as `private`.

    >>> with BackgroundPush() as background:                                # doctest: +SKIP
    ...     background.push_revision("run/checkpoint-100", "ada/model", "step-100")
    """

    def __init__(self, **options: Any) -> None:
        """Start the thread; nothing is pushed before `push_revision` or `resume`."""
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
        """Begin to push `folder` to a branch of `repository`; return at once.

        Never raises: a push that fails is named in the log, and by `close`.

        Args:
            folder (`str | Path`): The folder.
            repository (`str`): OWNER/NAME.
            revision (`str`): The branch.
            complete (`Callable[[Path], None]`, *optional*): Called with the folder that is pushed, to add to it
                and replace in it. Its files are links: a file that changes is to be removed and written anew.
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
        """Begin to push the folders that a killed program has left in `parent`/.pushing.

        Args:
            parent (`Path`): The folder of the checkpoints.
            repository (`str`): OWNER/NAME.
        """
        for part in parent.glob(f"{WAITING}/*{PART}"):
            shutil.rmtree(part, ignore_errors=True)
        # Oldest first, as they were begun, so that the newest revision is also the last to arrive.
        unfinished = sorted(parent.glob(f"{WAITING}/*"), key=lambda folder: folder.stat().st_mtime_ns)
        for waiting in unfinished:
            self._submit(waiting, repository, unquote(waiting.name))

    def is_done(self, revision: str) -> bool:
        """Check whether a revision has been pushed, or is about to be.

        Args:
            revision (`str`): The branch.

        Returns:
            `bool`: False where that failed, or was never begun.
        """
        future = self._pushes.get(revision)
        return future is not None and (not future.done() or future.exception() is None)

    def wait(self) -> None:
        """Wait for all pushes so far."""
        unfinished = [name for name, future in self._pushes.items() if not future.done()]
        if unfinished:
            logger.info("waiting for what is still being pushed: %s", ", ".join(unfinished))
        wait(self._pushes.values())

    def close(self) -> Mapping[str, Exception]:
        """Wait for all pushes.

        Returns:
            `Mapping[str, Exception]`: The revisions that did not arrive, and why.
        """
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
    """Remove the folders that a killed program has left in `parent`/.pushing.

    Args:
        parent (`Path`): The folder of the checkpoints.
    """
    shutil.rmtree(parent / WAITING, ignore_errors=True)


def _link(folder: Path, revision: str, complete: Callable[[Path], None] | None) -> Path:
    """Link the files to push into a folder of their own, which appears whole or not at all."""
    waiting = folder.parent / WAITING / quote(revision, safe="")
    draft = waiting.with_name(waiting.name + PART)
    files, _ = read_contents(folder, None)
    for old in (draft, waiting):
        shutil.rmtree(old, ignore_errors=True)
    for name, path in files.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A link costs no space, and keeps the content when the trainer deletes an old checkpoint.
            os.link(path, target)
        except OSError:
            shutil.copyfile(path, target)
    if complete is not None:
        complete(draft)
    # The new name is what `resume` looks for: a draft that a kill interrupts is never pushed.
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
