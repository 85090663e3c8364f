"""The folder of unfinished work: what a killed run leaves, and the same command goes on from."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from hf_miwv.errors import InputError
from hf_miwv.json_text import json_text

IDENTITY = "identity.json"


def workspace_of(output: Path) -> Path:
    """Where the unfinished work for `output` lies: beside it, so that a rename puts it in place."""
    output = output.absolute()
    return output.with_name(f"{output.name}.work")


def earlier_identity(folder: Path) -> dict[str, Any] | None:
    """Read the identity of the unfinished run in a workspace; None where there is none."""
    try:
        return json.loads((folder / IDENTITY).read_text("utf-8"))
    except (OSError, ValueError):
        return None


def differing_names(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The keys whose values differ between two identities."""
    names = sorted(one.keys() | other.keys())
    return [name for name in names if one.get(name) != other.get(name)]


class Workspace:
    """A folder beside the output, named after it, that holds finished parts of an unfinished run.

    Every file is whole or absent (written aside, flushed to disk, renamed), except the journals,
    which grow line by line and lose at most their last, torn line. Work belongs to an identity
    (settings, model, data, versions); under another identity it is thrown away.

    Raises:
        InputError: the folder cannot be written, or another process works in it.
    """

    def __init__(self, folder: Path, root: Path | None = None) -> None:
        """`root`: a parent that is ours too, and goes when nothing is left in it."""
        self.folder = folder
        self._root = root or folder
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

    def claim(self, identity: dict[str, Any]) -> list[str] | None:
        """Take the folder for a run with this identity.

        Returns None where there is no earlier work, [] where there is and it is this run's own,
        and else the names of what differs, after throwing that work away.
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
        self._lock.release()
        if kind is None or not any(path.name != "lock" for path in self.folder.iterdir()):
            shutil.rmtree(self.folder, ignore_errors=True)
            with suppress(OSError):  # another process's work is still in it, or it is gone
                self._root.rmdir()

    def read_json(self, name: str) -> Any | None:
        path = self.folder / name
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def write_json(self, name: str, value: Any) -> None:
        self._write(name, json_text(value).encode())

    def read_array(self, name: str) -> np.ndarray | None:
        path = self.folder / name
        return np.load(path, allow_pickle=False) if path.exists() else None

    def write_array(self, name: str, value: np.ndarray) -> None:
        path = self.folder / f"{name}.part"
        with open(path, "wb") as file:
            np.save(file, value, allow_pickle=False)
            _flush(file)
        os.replace(path, self.folder / name)

    def read_journal(self, name: str) -> list[Any]:
        """The whole lines of a journal; a torn last line is cut off."""
        path = self.folder / name
        if not path.exists():
            return []
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(path, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def append_journal(self, name: str, value: Any) -> None:
        with open(self.folder / name, "ab") as file:
            file.write(json_text(value).encode() + b"\n")
            _flush(file)

    def _write(self, name: str, content: bytes) -> None:
        path = self.folder / f"{name}.part"
        with open(path, "wb") as file:
            file.write(content)
            _flush(file)
        os.replace(path, self.folder / name)


def _flush(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
