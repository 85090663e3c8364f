"""What of a folder goes to the Hub, and what must not."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hf_miwv.errors import InputError
from hf_miwv.folder import RECORD, read_record

CARD = "README.md"
ADAPTER = "adapter_config.json"
WEIGHTS = "*.safetensors"
WORK_FILES = (
    ".*", "*.work", "*.part", "*.lock", "lock", "whole", "__pycache__", "checkpoint-*",
    "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state*.pth", "training_args.bin",
    "global_step*", "latest", "zero_to_fp32.py", "seconds",
)  # fmt: skip
"""Names, of files or folders, of unfinished work and of what a trainer needs to go on."""
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
BINARY = (".safetensors", ".parquet", ".arrow", ".png", ".npz", ".npy", ".gz", ".zst", ".gguf")
TOKEN = re.compile(rb"(?<![A-Za-z0-9])hf_(?:[a-z]+_)?[A-Za-z0-9]{20,}(?![A-Za-z0-9_])")
BLOCK = 1 << 20
LONGEST_TOKEN = 1 << 10
SMALL = 10_000_000  # bytes; the Hub keeps larger files out of git


@dataclass(frozen=True)
class LocalFile:
    """A file to be pushed: on the disk, or `content` in its place.

    `sha256` and `blob` are how the Hub names it: as a large file, and as a small one in git; the
    latter None where it is too large for git.
    """

    place: Path
    content: bytes | None
    sha256: str
    blob: str | None
    size: int


def kind_of(folder: Path) -> str:
    """ "model" for a folder with safetensors, "dataset" for another that these programs wrote.

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


def read_contents(folder: Path, secret: str | None) -> tuple[dict[str, Path], list[str]]:
    """The files to push, by their path in the folder, and what is left out as unfinished work.

    Args:
        secret: the token in use, which no file may hold; nor any text that looks like one.

    Raises:
        InputError: a pickle, or a token in a file.
    """
    found: dict[str, Path] = {}
    left_out: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(name.startswith(f"{one}/") for one in left_out):
            continue
        if any(fnmatch.fnmatch(path.name, pattern) for pattern in WORK_FILES):
            left_out.append(name)
        elif path.is_file():
            found[name] = path
    for name, path in found.items():
        _check_file(name, path, secret)
    if not found:
        raise InputError(f"{folder}: holds nothing to push")
    return found, left_out


def describe(paths: Mapping[str, Path], replaced: Mapping[str, bytes]) -> dict[str, LocalFile]:
    """Every file with its hashes; `replaced` is what goes in place of what is on the disk."""
    described = {}
    for name in sorted(paths.keys() | replaced.keys()):
        described[name] = hashed(paths.get(name, Path(name)), replaced.get(name))
    return described


def read_text(file: LocalFile) -> str:
    """What a text file holds."""
    return file.place.read_text("utf-8") if file.content is None else file.content.decode()


def hashed(place: Path, content: bytes | None = None) -> LocalFile:
    """The file at `place`, or with `content` in place of what is there, with its hashes."""
    size = place.stat().st_size if content is None else len(content)
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)  # noqa: S324  git's own
    for block in [content] if content is not None else _blocks(place):
        sha256.update(block)
        if size <= SMALL:
            blob.update(block)
    return LocalFile(
        place, content, sha256.hexdigest(), blob.hexdigest() if size <= SMALL else None, size
    )


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _check_file(name: str, path: Path, secret: str | None) -> None:
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"{path}: is a pickle, which runs code where it is loaded; save weights with "
            "model.save_pretrained(folder), and take other files out of the folder"
        )
    if path.suffix.lower() in BINARY:
        return
    tail = b""
    for block in _blocks(path):
        text = tail + block
        if TOKEN.search(text) or (secret and secret.encode() in text):
            raise InputError(
                f"{name}: holds what looks like a token of the Hub; take it out of {path}, and "
                "if it was ever shared make it void on https://hf.co/settings/tokens"
            )
        tail = text[-LONGEST_TOKEN:]
