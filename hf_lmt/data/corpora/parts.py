"""A source cut into parts, which several processes read: ranges of lines, of bytes, of rows, or whole files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hf_lmt.data.corpora.contents import (
    Contents,
    contents_of_records,
    json_lines_files,
    json_lines_of,
    json_records,
    medium_of,
    open_source,
    records_of_dataset,
    state_of_files,
    text_files_of,
)
from hf_lmt.data.corpora.shapes import Record, Unit
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import lines_from, open_bytes
from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_datasets import fingerprint_of
from hf_miwv.common.reading.reading import read_dataset

BLOCK = 1 << 24  # bytes in which line ends are looked for at a time


class Part(NamedTuple):
    """A part of a source, as JSON can hold it.

    Attributes:
        kind (`str`): "text", files side by side, cut at the same lines; "json", a file of JSON Lines, cut at
            bytes; "rows" of a data set; "whole", a source that is not cut.
        files (`dict[str, str]`): {language, or "" for the only one: file}; empty where no file is cut.
        first (`dict[str, int]`): {language, or "": first byte}; of rows {"": first row}.
        last (`dict[str, int]`): The same of the end, exclusive.
    """

    kind: str
    files: dict[str, str]
    first: dict[str, int]
    last: dict[str, int]

    def __str__(self) -> str:
        if not self.files:
            return "all of it" if self.kind == "whole" else f"rows {self.first['']:,} to {self.last['']:,}"
        return ", ".join(
            f"{path} from byte {self.first[name]:,} to {self.last[name]:,}" for name, path in self.files.items()
        )


class Cut(NamedTuple):
    """Hold a source that was cut.

    Attributes:
        parts (`list[Part]`): Its parts, in order.
        state (`list[str]`): What tells its content from another.
    """

    parts: list[Part]
    state: list[str]


def cut_source(source: Source, count: int) -> Cut:
    """Cut a source into parts of about one size.

    Plain text is cut at the same lines of all its files, JSON Lines at bytes, a data set at rows. TMX, TSV and
    zipped files are one part each: their beginning decides how the rest is read.

    Args:
        source (`Source`): The source.
        count (`int`): Parts to make, at the most.

    Returns:
        `Cut`: The parts in the order of the source, and its state.

    Raises:
        InputError: The source cannot be read, or its files have different numbers of lines.
    """
    medium = medium_of(source)
    if medium in ("text", "flores"):
        files = text_files_of(source, medium)
        state = state_of_files([*files.files.values(), *files.others.values()])
        if any(_is_zipped(path) for path in files.files.values()):
            return Cut([_whole()], state)
        return Cut(_aligned_parts(files.files, count), state)
    if medium == "records" and source.data is not None and not source.cells:
        path = source.data.path
        json_files = json_lines_files(path)
        if json_files:
            return Cut(_byte_parts(json_files, count), state_of_files(json_files))
        if path.is_dir() or not path.name.lower().removesuffix(".gz").endswith((".tsv", ".csv")):
            dataset = read_dataset(source.data)
            return Cut(_row_parts(len(dataset), count), [source.name, fingerprint_of(dataset)])
    return Cut([_whole()], open_source(source).state)


def open_part(source: Source, part: Part) -> Contents:
    """Open a part of a source, as `open_source` opens all of it.

    The kind and the columns are those of the source's beginning, whichever part is read.

    Args:
        source (`Source`): The source.
        part (`Part`): One of its parts.

    Returns:
        `Contents`: The sentences or rows of the part.

    Raises:
        InputError: as `open_source`.
    """
    if part.kind == "whole":
        return open_source(source)
    if part.kind == "text":
        others = text_files_of(source, medium_of(source)).others
        return Contents("text", [], _text_units(part), other_files=others if _is_first(part) else {})
    if source.data is None:
        raise InputError(f"{source.name}: is no data set, file or folder, and its part is said to be {part}")
    if part.kind == "json":
        files = json_lines_files(source.data.path)
        head = (record for path in files for record in json_lines_of(path))
        return contents_of_records(source, [], head, _json_records(part))
    dataset = read_dataset(source.data)
    first, last = part.first[""], part.last[""]
    chosen = records_of_dataset(dataset, source.name, range(first, last))
    return contents_of_records(source, [], records_of_dataset(dataset, source.name), chosen)


def _whole() -> Part:
    return Part("whole", {}, {}, {})


def _is_zipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _is_first(part: Part) -> bool:
    return not any(part.first.values())


def _aligned_parts(files: Mapping[str, Path], count: int) -> list[Part]:
    """Cut files at the same lines, `count` times at the most."""
    starts = {code: _line_starts(path) for code, path in files.items()}
    lines = {code: len(of_file) - 1 for code, of_file in starts.items()}
    first = next(iter(files))
    for code, path in files.items():
        if lines[code] != lines[first]:
            raise InputError(
                f"{files[first]} and {path} are misaligned: they have {lines[first]:,} and {lines[code]:,} lines; "
                "line n of one must translate line n of the other"
            )
        if not lines[code]:
            raise InputError(f"{path}: the file is empty; give one with at least one line")
    cuts = [lines[first] * number // count for number in range(count + 1)]
    paths = {code: str(path) for code, path in files.items()}
    return [
        Part("text", paths, *({code: int(starts[code][line]) for code in files} for line in (begin, end)))
        for begin, end in pairwise(cuts)
        if end > begin
    ]


def _line_starts(path: Path) -> np.ndarray:
    """Return (L + 1,) int64: the byte at which each line begins, and the size of the file."""
    ends, size = [], 0
    with open_bytes(path) as file:
        while block := file.read(BLOCK):
            ends.append(np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n")) + size + 1)
            size += len(block)
    starts = np.concatenate([np.zeros(1, np.int64), *ends])
    # A last line without a line feed has no end of its own; a file that ends in one has no empty line behind it.
    return starts if starts[-1] == size else np.append(starts, size)


def _byte_parts(files: list[Path], count: int) -> list[Part]:
    """Cut files of JSON Lines into ranges of about one size, none of which reaches over two files."""
    sizes = [path.stat().st_size for path in files]
    parts = []
    for path, size in zip(files, sizes, strict=True):
        pieces = 1 if _is_zipped(path) else max(1, round(count * size / max(1, sum(sizes))))
        cuts = [size * number // pieces for number in range(pieces + 1)]
        for begin, end in pairwise(cuts):
            if end > begin:
                parts.append(Part("json", {"": str(path)}, {"": begin}, {"": end}))
    return parts


def _row_parts(rows: int, count: int) -> list[Part]:
    cuts = [rows * number // count for number in range(count + 1)]
    return [Part("rows", {}, {"": begin}, {"": end}) for begin, end in pairwise(cuts) if end > begin]


def _text_units(part: Part) -> Iterator[Unit]:
    lines = (lines_from(Path(path), part.first[code], part.last[code]) for code, path in part.files.items())
    for texts in zip(*lines, strict=True):
        yield Unit(dict(zip(part.files, texts, strict=True)))


def _json_records(part: Part) -> Iterator[tuple[str, Record]]:
    path = Path(part.files[""])
    if _is_zipped(path):
        return json_lines_of(path)
    first = part.first[""]
    # Which line of the file this is, nobody has counted; where the range begins is known.
    lines = enumerate(lines_from(path, first, part.last[""]), 1)
    return json_records((f"{path}: line {number} behind byte {first:,}", line) for number, line in lines)
