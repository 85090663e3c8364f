"""Flush files and folders to the disk."""

from __future__ import annotations

import os
from pathlib import Path


def on_windows() -> bool:
    """Return whether this system is Windows."""
    return os.name == "nt"


def flush(path: Path) -> None:
    """Flush a file, or the list of names of a folder, to the disk.

    Args:
        path (`Path`): The file or folder.
    """
    # Windows cannot open a folder, and flushes a file only where it may be written.
    if on_windows() and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if on_windows() else os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def flush_all(folder: Path) -> None:
    """Flush a folder and all in it to the disk.

    Args:
        folder (`Path`): The folder.
    """
    for path in [*folder.rglob("*"), folder]:
        flush(path)
