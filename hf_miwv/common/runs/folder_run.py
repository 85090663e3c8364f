"""The life of a run that writes a folder: is it finished? claim its work, go on, put it in place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_miwv.common.runs.folder import check_output, is_finished, remove_left_over, write_errors
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace, workspace_of

logger = logging.getLogger(__name__)


class FolderRun:
    """Lead one run of a command from the first look at its output folder to the finished one.

        run = FolderRun(output, overwrite, inputs=[data])      # refused here, before any work
        if run.is_finished(identity):                          # this very result is there already
            return read_record(output)
        with run.work(identity) as workspace:                  # what a killed run has left is gone on with
            ...
            write_folder(output, workspace, rows, record, decorate)

    Args:
        output (`Path`): Folder to write.
        overwrite (`bool`, *optional*, defaults to `False`): Whether another result may be replaced.
        inputs (`Iterable[Path | None]`): Files and folders that are read, and so never replaced.
        holds (`str`, defaults to `"data/*.parquet"`): Glob of files without which a result is not whole.
        processes (`Processes`, *optional*): Processes at one job, which agree on what is there; the first
            alone touches the output.

    Raises:
        InputError: `output` cannot be written, or holds something else, or an input.
    """

    def __init__(
        self,
        output: Path,
        overwrite: bool = False,
        *,
        inputs: list[Path | None] | None = None,
        holds: str = "data/*.parquet",
        processes: Processes | None = None,
    ) -> None:
        # Before any work: an output that cannot be written must not cost hours.
        for source in inputs or [None]:
            check_output(output, overwrite, source)
        self.output, self._overwrite, self._holds, self._processes = output, overwrite, holds, processes
        self._at_work = False

    def is_finished(self, identity: dict[str, Any], before_cleaning: Callable[[], None] | None = None) -> bool:
        """Check whether the output is the whole result of the run with this identity, on every process.

        Says so, and removes the work that a kill behind the last step has left beside it.

        Args:
            identity (`dict`): All that the result depends on, by the names that a user is told.
            before_cleaning (`Callable`, *optional*): Called first where the result is finished; it may
                still use that work.

        Returns:
            `bool`: True where nothing is left to do.

        Raises:
            InputError: it is the result of another run and may not be replaced; what differs.
        """
        processes = self._processes or Processes()
        if not processes.agree(is_finished(self.output, identity, self._overwrite, self._holds)):
            return False
        logger.info("%s already holds this result, whole: nothing to do", self.output)
        # A workspace that is open is removed when it closes.
        if processes.first and not self._at_work:
            if before_cleaning is not None:
                before_cleaning()
            remove_left_over(self.output)
        return True

    @contextmanager
    def work(self, identity: dict[str, Any] | None = None, part: str | None = None) -> Iterator[Workspace]:
        """Open the workspace beside the output, and say what becomes of earlier work in it.

        It is removed after success and kept otherwise.

        Args:
            identity (`dict`, *optional*): Work under another identity is thrown away. Without, none is:
                whatever is kept is found again by its content, or claimed by the caller.
            part (`str`, *optional*): Name of a folder in the workspace, for a part of the work with a
                lock and an identity of its own.

        Yields:
            `Workspace`: The workspace.

        Raises:
            InputError: another process works in it, the disk is full or cannot be written.
        """
        root = workspace_of(self.output)
        with write_errors(self.output), Workspace(root / part if part else root, root) as workspace:
            if identity is not None:
                _tell_of_earlier_work(workspace.claim(identity), workspace)
            self._at_work = True
            try:
                yield workspace
            finally:
                self._at_work = False


def _tell_of_earlier_work(changed: list[str] | None, workspace: Workspace) -> None:
    if changed:
        logger.warning(
            "%s held the unfinished work of another run (not the same: %s): it is not reused",
            workspace.folder,
            ", ".join(changed),
        )
    elif changed is not None:
        logger.info("going on with the unfinished work in %s", workspace.folder)
    elif workspace.folder.name.startswith("process-") and (others := _of_other_launches(workspace.folder)):
        logger.warning("unfinished work of another number of processes is not reused: %s", ", ".join(sorted(others)))


def _of_other_launches(folder: Path) -> list[str]:
    """List the workspaces beside one that were those of another number of processes."""
    world = folder.name.rpartition("-")[2]
    return [path.name for path in folder.parent.glob("process-*-of-*") if path.name.rpartition("-")[2] != world]
