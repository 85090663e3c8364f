"""An output folder: parquet shards, card, pictures and run.json, there as a whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.flushing import flush_all
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.spelling import respelled
from hf_miwv.common.runs.workspace import Workspace, differing_names, workspace_of

SHARD_BYTES = 500_000_000  # the Hub's own shard size
RECORD = "run.json"
PLACED = "placed.json"  # in a workspace: whose the file beside it is
DRAFTS = "output"  # in a workspace: where an output lies before it is put in place
AS_TYPED = ("identity", "recipe", "overrides")  # of a record: they have keys of the user's own
# NumPy's error where an array does not fit onto the disk: it comes without errno
NUMPY_SHORT = re.compile(r"^\d+ requested and \d+ written$")


def read_record(folder: Path) -> Any:
    """Read the run.json of a folder that this program wrote; None where there is none.

    Args:
        folder (`Path`): The folder.

    Returns:
        `dict[str, Any] | None`: The record; the caller says of which command it is.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not record.get("package"):
        return None
    return {name: part if name in AS_TYPED else respelled(part) for name, part in record.items()}


def check_output(output: Path, overwrite: bool, source: Path | None = None) -> None:
    """Check that `output` can be written, before any work is done.

    An existing folder of ours may turn out to be this very run, finished: `is_finished` tells once the identity is
    known. Any other content needs `overwrite`; the folder that is read from, or that one stands in, is never replaced.

    Args:
        output (`Path`): The folder to write.
        overwrite (`bool`): Whether other content in it is replaced.
        source (`Path`, *optional*): File or folder that is read.

    Raises:
        InputError: it cannot be written.
    """
    if output.is_file():
        raise InputError(f"--output {output} is a file; give a folder")
    parent = next((folder for folder in output.absolute().parents if folder.exists()), output)
    if not os.access(parent, os.W_OK):
        raise InputError(f"--output {output}: {parent} cannot be written; give another folder")
    if output.exists() and Path.cwd().is_relative_to(output.resolve()):
        raise InputError(f"--output {output} is the folder you stand in; give a new one")
    if source is not None and source.resolve().is_relative_to(output.resolve()):
        raise InputError(f"--output {output} holds the input {source}; give another folder")
    if _occupied(output) and read_record(output) is None and not overwrite:
        raise InputError(f"--output {output} holds something else; give a new folder, or --overwrite")


def is_finished(output: Path, identity: dict[str, Any], overwrite: bool, holds: str = "data/*.parquet") -> bool:
    """Check whether `output` is the whole result of the run with this identity.

    To run it again would give the same bytes.

    Args:
        output (`Path`): The folder.
        identity (`dict[str, Any]`): All that the result depends on, by name.
        overwrite (`bool`): Whether the result of another run may be replaced.
        holds (`str`, *optional*, defaults to `"data/*.parquet"`): Glob of files without which it is not whole.

    Returns:
        `bool`: True where nothing is left to do.

    Raises:
        InputError: it is the result of another run and may not be replaced.
    """
    record = read_record(output)
    if record is None:
        return False
    differs = differing_names(record.get("identity") or {}, identity)
    if differs and not overwrite:
        raise InputError(
            f"--output {output} holds the result of another run (not the same: "
            f"{', '.join(differs)}); give a new folder, or --overwrite"
        )
    return not differs and any(output.glob(holds))


def remove_left_over(output: Path) -> None:
    """Remove the work folder of a finished output, which a kill behind its last step has left.

    Args:
        output (`Path`): The output.
    """
    folder = workspace_of(output)
    if folder.is_dir():
        with Workspace(folder):  # under its lock; it is removed at the end
            pass


def check_unused(output: Path, overwrite: bool, command_line: Sequence[str] | None = None) -> None:
    """Check that `output` holds nothing, or may be replaced.

    For commands without an identity. This very command may do its work once more where it was killed behind its last
    step: then `output` is its own, whole, and the work folder beside it is there still, without a draft of it.

    Args:
        output (`Path`): The folder to write.
        overwrite (`bool`): Whether its content is replaced.
        command_line (`Sequence[str]`, *optional*): The words of this command, to know its own work by.

    Raises:
        InputError: it holds something, and may not be replaced.
    """
    if not _occupied(output) or overwrite:
        return
    drafts, record = workspace_of(output) / DRAFTS, read_record(output) or {}
    killed_late = drafts.is_dir() and not any(drafts.iterdir())
    same = command_line is not None and record.get("command_line") == list(command_line)
    if not (killed_late and same):
        raise InputError(f"--output {output} is there already; give a new folder, or --overwrite")


def write_folder(
    output: Path,
    workspace: Workspace,
    dataset: Dataset,
    run: Mapping[str, Any],
    decorate: Callable[[Path], None],
) -> None:
    """Write the data set, run.json and whatever `decorate(folder)` adds; then put it in place.

    Args:
        output (`Path`): The folder to write.
        workspace (`Workspace`): The open workspace beside it.
        dataset (`Dataset`): The rows.
        run (`Mapping[str, Any]`): The record.
        decorate (`Callable[[Path], None]`): Adds further files, such as the card.
    """

    def fill(draft: Path) -> None:
        (draft / "data").mkdir()
        _write_shards(dataset, draft / "data")
        text = json_text(run, indent=2)
        (draft / RECORD).write_text(text + "\n", "utf-8")
        decorate(draft)

    put_in_place(output, workspace, fill)


def put_in_place(output: Path, workspace: Workspace, fill: Callable[[Path], None]) -> None:
    """Fill a draft with all of `output`, and rename it to that.

    The draft lies inside the workspace, is called as the output will be, and is flushed to disk
    before it is renamed. An earlier `output` is moved into the workspace first and goes with it.

    Args:
        output (`Path`): The folder to write.
        workspace (`Workspace`): The open workspace beside it.
        fill (`Callable[[Path], None]`): Writes all of `output` into the draft.

    Raises:
        InputError: there is no room or no permission to write.
    """
    drafts, replaced = workspace.folder / DRAFTS, workspace.folder / "replaced"
    draft = drafts / output.name
    with write_errors(output):
        for folder in (drafts, replaced):
            shutil.rmtree(folder, ignore_errors=True)
        draft.mkdir(parents=True)
        fill(draft)
        flush_all(draft)
        if output.exists():
            os.rename(output, replaced)
        # Not copied: the draft is on the same disk, and a rename is whole or not done at all.
        os.rename(draft, output)


@contextmanager
def write_errors(output: Path) -> Iterator[None]:
    """Turn a full disk or a folder without write permission into an InputError.

    Args:
        output (`Path`): The output, for the message.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        reasons = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your disk quota is used up"}
        number = errno.ENOSPC if NUMPY_SHORT.search(str(error)) else error.errno
        if number not in (*reasons, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        reason = reasons.get(number, error.strerror)
        raise InputError(
            f"{output} cannot be written: {reason}; finished work is kept in "
            f"{output.name}.work, and the same command goes on from there"
        ) from error


def _write_shards(dataset: Dataset, folder: Path) -> None:
    # By bytes and not by rows, so that no shard is too large for a viewer of the Hub.
    shards = max(1, -(-dataset.data.nbytes // SHARD_BYTES))
    for index in range(shards):
        part = dataset.shard(shards, index, contiguous=True)
        part.to_parquet(str(folder / f"train-{index:05d}-of-{shards:05d}.parquet"))


def _occupied(folder: Path) -> bool:
    return folder.exists() and any(folder.iterdir())


def check_file(
    output: Path, overwrite: bool, source: str | None = None, command_line: Sequence[str] | None = None
) -> None:
    """Check that a file can be written, before any work is done.

    This very command may do its work once more where it was killed behind its last step, which
    `put_file_in_place` has marked.

    Args:
        output (`Path`): The file.
        overwrite (`bool`): Whether an earlier one may be replaced.
        source (`str`, *optional*): Path of the file that is read, and never replaced.
        command_line (`Sequence[str]`, *optional*): The words of this command, to know its own work by.

    Raises:
        InputError: it is the input or a folder, or is there already and may not be replaced.
    """
    if source is not None and output.exists() and Path(source).resolve() == output.resolve():
        raise InputError(f"--output {output} is the input; give another file")
    if output.is_dir():
        raise InputError(f"--output {output} is a folder; give a file, such as answers.jsonl")
    if output.exists() and not overwrite and not _is_placed_by(output, command_line):
        raise InputError(f"--output {output} is there already; give a new file, or --overwrite")


def put_file_in_place(
    part: Path, output: Path, workspace: Workspace, command_line: Sequence[str] | None = None
) -> None:
    """Rename a whole file in the workspace to its place, and mark whose it is until the workspace goes.

    Args:
        part (`Path`): The finished file, in the workspace.
        output (`Path`): Its final name.
        workspace (`Workspace`): The open workspace.
        command_line (`Sequence[str]`, *optional*): The command that wrote it.
    """
    workspace.write_json(PLACED, {"command_line": None if command_line is None else list(command_line)})
    os.replace(part, output)


def _is_placed_by(output: Path, command_line: Sequence[str] | None) -> bool:
    try:
        marked = json.loads((workspace_of(output) / PLACED).read_text("utf-8"))["content"]
    except (OSError, ValueError, KeyError):
        return False
    return marked == {"command_line": None if command_line is None else list(command_line)}
