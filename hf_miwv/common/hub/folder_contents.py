"""The files of a folder that go to the Hub, and those that must not."""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.pickles import PICKLES, is_pickle
from hf_miwv.common.hub.secrets import BLOCK, find_secret
from hf_miwv.common.runs.folder import RECORD, read_record

CARD = "README.md"
ADAPTER = "adapter_config.json"
WEIGHTS = "*.safetensors"
WORK_FILES = (
    ".*",
    "*.work",
    "*.part",
    "*.lock",
    "lock",
    "whole",
    "__pycache__",
    "checkpoint-*",
    "optimizer.pt",
    "scheduler.pt",
    "scaler.pt",
    "rng_state*.pth",
    "training_args.bin",
    "global_step*",
    "latest",
    "zero_to_fp32.py",
    "seconds",
)
"""Names, of files or folders, of unfinished work and of what a trainer needs to go on."""
SMALL = 10_000_000  # bytes; the Hub keeps larger files out of git

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LocalFile:
    """Describe a file to be pushed.

    Attributes:
        path (`Path`): The file on the disk.
        content (`bytes`, *optional*): Bytes that are pushed instead of those on the disk.
        sha256 (`str`): The Hub's name for it as a large file.
        blob (`str`, *optional*): The Hub's name for it as a small file in git; None where it is too large.
        size (`int`): Bytes.
    """

    path: Path
    content: bytes | None
    sha256: str
    blob: str | None
    size: int


def kind_of(folder: Path) -> str:
    """Return the kind of repository that a folder becomes.

    Args:
        folder (`Path`): The folder.

    Returns:
        `str`: "model" for a folder with safetensors, "dataset" for another that these programs wrote.

    Raises:
        InputError: it is neither, or no folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give one that hf-miwv or hf-lmt wrote")
    if any(folder.glob(WEIGHTS)):
        return "model"
    if read_record(folder) is None:
        if any(path.suffix in PICKLES for path in folder.iterdir()):
            raise InputError(
                f"{folder}: holds weights as pickles and none as safetensors; save them anew with "
                "model.save_pretrained(folder)"
            )
        raise InputError(
            f"{folder}: has neither safetensors nor the {RECORD} of a finished run; give a folder "
            "that hf-miwv or hf-lmt wrote, whole"
        )
    if not (folder / CARD).is_file():
        raise InputError(
            f"{folder}: is no data set, as it has no card ({CARD}); what can be pushed are scored, "
            "chosen, judged and prepared rows, evaluations and models"
        )
    return "dataset"


def read_contents(folder: Path, token: str | None, allowed: Collection[str] = ()) -> tuple[dict[str, Path], list[str]]:
    """List the files to push, by their path in the folder, and the unfinished work that is left out.

    A link is followed to a file that is pushed itself, and to no other: those that lead out of the
    folder are left out, and named in a warning.

    Args:
        folder (`Path`): The folder that is pushed.
        token (`str`, *optional*): The token in use, which no file may hold; nor any text that looks like one
            or like a key.
        allowed (`Collection[str]`, *optional*, defaults to `()`): Files, by their path in the folder or from
            here, that are pushed whatever they hold.

    Returns:
        `tuple[dict[str, Path], list[str]]`: Path in the folder -> path, and the paths that are left out.

    Raises:
        InputError: a pickle, a zip file that may hold one, or a token or key in a file, all of them together;
            or a file among `allowed` is not pushed at all.
    """
    files: dict[str, Path] = {}
    left_out: list[str] = []
    links: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(name.startswith(f"{skipped}/") for skipped in left_out + links):
            continue
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in WORK_FILES):
            left_out.append(name)
        elif path.is_symlink():
            links.append(name)
        elif path.is_file():
            files[name] = path
    # Links are followed only now, when all files are known: a link out of the folder could publish any file.
    inside = {path.resolve() for path in files.values()}
    files |= {name: folder / name for name in links if (folder / name).resolve() in inside}
    outside = [name for name in links if name not in files]
    if outside:
        logger.warning(
            "left out, as links that lead out of %s or to no file: %s; put the files themselves "
            "there if they are to be pushed",
            folder,
            ", ".join(outside),
        )
    if not files:
        raise InputError(f"{folder}: holds nothing to push")
    passed = {_name_in(folder, allowed_file, files) for allowed_file in allowed}
    faults = [_fault(name, path, token) for name, path in files.items() if name not in passed]
    if refused := [fault for fault in faults if fault]:
        raise InputError("\n".join(refused))
    return files, left_out


def describe(paths: Mapping[str, Path], replaced: Mapping[str, bytes]) -> dict[str, LocalFile]:
    """Describe every file with its hashes.

    Args:
        paths (`Mapping[str, Path]`): Path in the folder -> path.
        replaced (`Mapping[str, bytes]`): Path in the folder -> bytes that replace those on the disk.

    Returns:
        `dict[str, LocalFile]`: Path in the folder -> file, in the order of the paths.
    """
    described = {}
    for name in sorted(paths.keys() | replaced.keys()):
        described[name] = hashed(paths.get(name, Path(name)), replaced.get(name))
    return described


def read_text(file: LocalFile) -> str:
    """Return the content of a text file.

    Args:
        file (`LocalFile`): The file.

    Returns:
        `str`: Its text, decoded as UTF-8.
    """
    return file.path.read_text("utf-8") if file.content is None else file.content.decode()


def hashed(path: Path, content: bytes | None = None) -> LocalFile:
    """Describe a file with its hashes.

    Args:
        path (`Path`): The file.
        content (`bytes`, *optional*): Bytes that replace those on the disk.

    Returns:
        `LocalFile`: The description.
    """
    size = path.stat().st_size if content is None else len(content)
    # Both names in one pass over the file: git hashes a header with the size before the content.
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)  # noqa: S324  git's own
    for block in [content] if content is not None else _blocks(path):
        sha256.update(block)
        if size <= SMALL:
            blob.update(block)
    return LocalFile(path, content, sha256.hexdigest(), blob.hexdigest() if size <= SMALL else None, size)


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _name_in(folder: Path, allowed_file: str, files: Collection[str]) -> str:
    """Return the name in the folder of a file that is named so, or by its path from here."""
    if allowed_file in files:
        return allowed_file
    path = Path(allowed_file).expanduser().absolute()
    if path.is_relative_to(folder.absolute()):
        name = path.relative_to(folder.absolute()).as_posix()
        if name in files:
            return name
    raise InputError(
        f"--allow {allowed_file}: is no file of {folder} that would be pushed; " + did_you_mean(allowed_file, files)
    )


def _fault(name: str, path: Path, token: str | None) -> str | None:
    """Say why a file must not be pushed; None where it may be."""
    anyway = f"or send it all the same with --allow {shlex.quote(name)}"
    try:
        if is_pickle(path):
            return (
                f"{path}: is a pickle, which runs code where it is loaded; save weights with "
                f"model.save_pretrained(folder), and take other files out of the folder, {anyway}"
            )
    except InputError as error:
        return f"{error}, {anyway}"
    words = find_secret(path, token)
    if words is None:
        return None
    void = " on https://hf.co/settings/tokens" if "Hub" in words else ""
    return (
        f"{name}: holds what looks like {words}; take it out of {path}, and if it was ever shared "
        f"make it void{void}; {anyway}"
    )
