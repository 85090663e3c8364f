"""The folder of unfinished work: what a killed run leaves, and the same command goes on from."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from filelock import FileLock, Timeout

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.spelling import respelled

BLOCK = 1 << 24  # bytes that are read at once
DIGITS = 16  # of a checksum in hexadecimal, which stands behind an array
HEAD = len('{"xxh3": "') + DIGITS + len('", "content": ')  # bytes before the text in sealed JSON
KEPT: list[Path] = []
"""Folders of unfinished work that this process has left, because something ended it."""
IDENTITY = "identity.json"


def workspace_of(output: Path) -> Path:
    """Return the folder of unfinished work for an output: beside it, so that a rename moves the result there.

    Args:
        output (`Path`): The output, a file or a folder.

    Returns:
        `Path`: OUTPUT.work.
    """
    output = output.absolute()
    return output.with_name(f"{output.name}.work")


def earlier_identity(folder: Path) -> dict[str, Any] | None:
    """Read the identity of the unfinished run in a workspace; None where there is none.

    Args:
        folder (`Path`): The workspace.

    Returns:
        `dict[str, Any] | None`: The identity.
    """
    try:
        return json.loads((folder / IDENTITY).read_text("utf-8"))["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damage is for `Workspace` to tell


def differing_names(earlier: dict[str, Any], identity: dict[str, Any]) -> list[str]:
    """List the keys whose values differ between two identities, however they are spelled.

    Args:
        earlier (`dict[str, Any]`): An identity that was read.
        identity (`dict[str, Any]`): The identity of this run.

    Returns:
        `list[str]`: The keys, in order.
    """
    first, second = respelled(earlier), respelled(identity)
    return [name for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)]


class DamagedWorkError(InputError):
    """Report a file of unfinished work that is not as it was written."""


class Workspace:
    """Keep the finished parts of an unfinished run in a folder beside the output, named after it.

    Every file is whole or absent (written aside, flushed to disk, renamed), except the journals,
    which grow line by line and lose at most their last, torn line. Each carries a checksum, so that
    damage by a disk is seen, and not scored. Work belongs to an identity (settings, model, data,
    versions); under another identity it is thrown away.

    Args:
        folder (`Path`): The folder; made, and locked until the workspace closes.
        root (`Path`, *optional*): A parent that is ours too, and is removed when nothing is left in it.

    Raises:
        InputError: the folder cannot be written, or another process works in it; or, in reading, a
            file is not as it was written.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        """Make the folder and take its lock."""
        self.folder = folder
        self._root = root or folder
        self._is_left = False
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / "lock")
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                f"another process is at work in {folder}; wait for it, or give another --output"
            ) from None
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error

    @classmethod
    def reader(cls, folder: Path) -> Workspace:
        """Open a folder without its lock, to read what a task has finished there.

        Args:
            folder (`Path`): The folder.

        Returns:
            `Workspace`: The workspace, which cannot be written to.
        """
        reader = cls.__new__(cls)
        reader.folder = reader._root = folder
        return reader

    def claim(self, identity: dict[str, Any]) -> list[str] | None:
        """Take the folder for a run with this identity.

        Args:
            identity (`dict[str, Any]`): All that the result depends on, by name.

        Returns:
            `list[str] | None`: None where there is no earlier work, [] where it is this run's own, and else the
            names of the differing parts; that work is thrown away.
        """
        earlier = self.read_json(IDENTITY)
        if earlier is None:
            self.clear()
            self.write_json(IDENTITY, identity)
            return None
        changed = differing_names(earlier, identity)
        if changed:
            self.clear()
            self.write_json(IDENTITY, identity)
        return changed

    def clear(self) -> None:
        """Remove everything but the lock."""
        for path in self.folder.iterdir():
            if path.name != "lock":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Remove the folder after success, or where nothing is in it; else keep the work."""
        if self._is_left:
            return
        self._lock.release()
        if kind is None or not any(path.name != "lock" for path in self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # another process's work is still in it, or it is gone
                self._root.rmdir()
        elif self._root not in KEPT:
            KEPT.append(self._root)

    def leave(self) -> None:
        """Release the lock and keep the work, for tasks that go on with it elsewhere."""
        self._lock.release()
        self._is_left = True

    def read_json(self, name: str) -> Any | None:
        """Read a value that `write_json` wrote.

        Args:
            name (`str`): Name of the file.

        Returns:
            `Any | None`: The value; None where there is no such file.

        Raises:
            InputError: the file is damaged.
        """
        path = self.folder / name
        if not path.exists():
            return None
        return self._open(path, path.read_bytes())

    def write_json(self, name: str, value: Any) -> None:
        """Write a value as a whole file with its checksum.

        Args:
            name (`str`): Name of the file.
            value (`Any`): Such as JSON holds.
        """
        self._write(name, _sealed(value))

    def read_array(self, name: str) -> np.ndarray | None:
        """Read an array that `write_array` wrote.

        Args:
            name (`str`): Name of the file.

        Returns:
            `np.ndarray | None`: The array; None where there is no such file.

        Raises:
            InputError: the file is damaged.
        """
        path = self.folder / name
        if not path.exists():
            return None
        digest, bytes_left = xxhash.xxh3_64(), path.stat().st_size - DIGITS
        with open(path, "rb") as file:
            while bytes_left > 0 and (block := file.read(min(BLOCK, bytes_left))):
                digest.update(block)
                bytes_left -= len(block)
            if file.read() != digest.hexdigest().encode():
                raise self._damaged(path)
        return np.load(path, allow_pickle=False)  # which reads no further than the array

    def write_array(self, name: str, value: np.ndarray) -> None:
        """Write an array as a whole file with its checksum behind it.

        Args:
            name (`str`): Name of the file.
            value (`np.ndarray`): The array, of numbers.
        """
        path = self.folder / f"{name}.part"
        with open(path, "w+b") as file:
            np.save(file, value, allow_pickle=False)
            # Read back and not hashed on the way: `np.save` writes in pieces that it does not hand out.
            file.seek(0)
            digest = xxhash.xxh3_64()
            while block := file.read(BLOCK):
                digest.update(block)
            file.write(digest.hexdigest().encode())
            _flush(file)
        os.replace(path, self.folder / name)

    def read_journal(self, name: str) -> list[Any]:
        """Read the whole lines of a journal; a torn last line is cut off.

        Args:
            name (`str`): Name of the journal.

        Returns:
            `list[Any]`: The values that `append_journal` added; empty where there is no such file.
        """
        path = self.folder / name
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            # Otherwise the next line would be appended to the torn one, and both would be lost.
            os.truncate(path, len(whole))
        return [self._open(path, line) for line in whole.split(b"\n")[:-1]]

    def append_journal(self, name: str, value: Any) -> None:
        """Add a line to a journal, on the disk when the call returns.

        Args:
            name (`str`): Name of the journal.
            value (`Any`): Such as JSON holds.
        """
        with open(self.folder / name, "ab") as file:
            file.write(_sealed(value) + b"\n")
            _flush(file)

    def _open(self, path: Path, sealed: bytes) -> Any:
        """Return the value that `_sealed` made this JSON of."""
        text = sealed[HEAD:-1]
        if sealed != _seal(text):
            raise self._damaged(path)
        return json.loads(text)

    def _damaged(self, path: Path) -> InputError:
        return _damaged(path, self._root)

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / f"{name}.part"
        with open(path, "wb") as file:
            file.write(content)
            _flush(file)
        os.replace(path, self.folder / name)


def put_sealed(draft: Path, path: Path) -> None:
    """Rename a finished file of unfinished work to `path`, with its checksum in a file beside it.

    For files that a library maps into memory, which cannot carry a checksum behind them. The
    checksum comes first: a run killed in between leaves no file without one.

    Args:
        draft (`Path`): The finished file.
        path (`Path`): Its final name.
    """
    part = path.with_name(f"{path.name}.xxh3.part")
    with open(part, "w", encoding="ascii") as file:
        file.write(_digest_of(draft))
        _flush(file)
    os.replace(part, _seal_of(path))
    os.replace(draft, path)


def is_sealed(path: Path) -> bool:
    """Check whether `put_sealed` wrote the file, after reading all of it.

    Args:
        path (`Path`): The file.

    Returns:
        `bool`: False where the file or its checksum does not exist.

    Raises:
        DamagedWorkError: the file is not as it was written.
    """
    seal = _seal_of(path)
    if not (path.exists() and seal.exists()):
        return False
    if seal.read_bytes() != _digest_of(path).encode():
        raise _damaged(path, path.parent)
    return True


def _damaged(path: Path, root: Path) -> DamagedWorkError:
    return DamagedWorkError(
        f"{path} is damaged: it is not as it was written. Remove {root}, and run the same command "
        "again: it begins anew"
    )


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.xxh3")


def _digest_of(path: Path) -> str:
    digest = xxhash.xxh3_64()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _sealed(value: Any) -> bytes:
    """Write a JSON object of the value and of the checksum of its text."""
    return _seal(json_text(value).encode())


def _seal(text: bytes) -> bytes:
    return b'{"xxh3": "%s", "content": %s}' % (xxhash.xxh3_64_hexdigest(text).encode(), text)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
