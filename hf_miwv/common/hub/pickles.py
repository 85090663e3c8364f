"""Pickles by what a file holds, whatever it is called: they run code where they are loaded."""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

from hf_miwv.common.errors import InputError

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
OLD_PROTOCOL_BYTES = 10_000_000  # the longest file that is read for protocols 0 and 1
CALLS = {"GLOBAL", "STACK_GLOBAL", "INST", "OBJ", "REDUCE", "BUILD", "NEWOBJ"}
NUMPY, ZIP = b"\x93NUMPY", b"PK\x03\x04"
HEAD = 4096  # bytes
UNREADABLE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, zlib.error, LZMAError)


def is_pickle(path: Path) -> bool:
    """Check whether a file is a pickle or holds one.

    By its name; or a pickle of any protocol by its operations, none of which is carried out; a zip
    archive with one in it, as torch.save writes; an array of NumPy that holds objects, alone or in
    an archive.

    Args:
        path (`Path`): The file.

    Returns:
        `bool`: True for a pickle.

    Raises:
        InputError: a zip file that is torn or encrypted, so that nobody can say.
    """
    if path.suffix.lower() in PICKLES:
        return True
    with open(path, "rb") as file:
        head = file.read(HEAD)
        if head.startswith(ZIP):
            return _is_zip_with_pickle(path)
        if _begins_as_pickle(head):
            return True
        # Protocols 0 and 1 are plain text without a head, so all of the file has to be parsed to know.
        if path.stat().st_size > OLD_PROTOCOL_BYTES:
            return False
        return _is_old_pickle(head + file.read())


def _is_zip_with_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.lower().endswith(PICKLES):
                    return True
                with archive.open(name) as member:
                    if _begins_as_pickle(member.read(HEAD)):
                        return True
    except UNREADABLE as error:
        raise InputError(
            f"{path}: is a zip file that cannot be read ({error}), so it may hold a pickle, which runs code where "
            "it is loaded; save it whole and without a password, or take it out of the folder"
        ) from error
    return False


def _begins_as_pickle(head: bytes) -> bool:
    """Protocols from 2 on, which say so, and NumPy's arrays of objects."""
    if head.startswith(NUMPY):
        return b"'descr': '|O'" in head or b"'|O'" in head.partition(b"}")[0]
    if head[:1] != b"\x80" or len(head) < 3 or not 2 <= head[1] <= 5:
        return False
    operations = 0
    try:
        for _ in pickletools.genops(io.BytesIO(head)):
            operations += 1
    except Exception:  # noqa: S110  the head ends within an operation, or it is no pickle
        pass
    return operations >= 3


def _is_old_pickle(content: bytes) -> bool:
    """Protocols 0 and 1, which have no head: operations to the last byte, one of which calls."""
    if not content.rstrip(b"\n").endswith(b"."):
        return False
    names = set()
    stream = io.BytesIO(content.rstrip(b"\n"))
    try:
        names = {operation.name for operation, _, _ in pickletools.genops(stream)}
    except Exception:
        return False
    return not stream.read(1) and bool(names & CALLS)
