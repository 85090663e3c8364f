"""The kind of a source and its content: sentences in several languages, or rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from hf_lmt.data.corpora.cells import has_header, read_cells
from hf_lmt.data.corpora.shapes import (
    RECORD_KINDS,
    Columns,
    Record,
    Unit,
    check_shape,
    shape_of,
    smol_units,
    table_unit,
    text_columns,
    translation_unit,
)
from hf_lmt.data.corpora.sources import KINDS, Source
from hf_lmt.data.corpora.text_files import (
    LanguageFiles,
    aligned_lines,
    files_of_flores,
    files_with_prefix,
    read_lines,
    separated_lines,
)
from hf_lmt.data.corpora.tmx import read_tmx
from hf_lmt.language_codes import code_of, how_to_name
from hf_miwv.common.errors import InputError
from hf_miwv.common.internals.of_datasets import fingerprint_of
from hf_miwv.common.reading.json_files import check_characters
from hf_miwv.common.reading.reading import read_dataset

JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
HEAD = 100  # records that a kind is told by
BATCH = 1000  # records in memory at a time


class Contents(NamedTuple):
    """The content of a source; but for its beginning, it is read when it is iterated over.

    Attributes:
        kind (`str`): One of KINDS.
        state (`list[str]`): What tells this content from another: files with sizes and times, or the fingerprint
            of a data set.
        units (`Iterator[Unit] | None`): The sentences; None for kind "rows".
        records (`Iterator[tuple[str, Record]]`, *optional*): The records of kind "rows", each with its location
            for messages.
        kept (`tuple[str, ...]`, *optional*, defaults to `()`): Columns that each row has beside its own, such as
            scores.
        other_files (`Mapping[str, Path]`): {name: file} of languages that LMT does not have.
        notes (`Mapping[str, int]`): Counts that grow as it is read: units left out, segments with line breaks.
    """

    kind: str
    state: list[str]
    units: Iterator[Unit] | None
    records: Iterator[tuple[str, Record]] | None = None
    kept: tuple[str, ...] = ()
    other_files: Mapping[str, Path] = MappingProxyType({})
    notes: Mapping[str, int] = MappingProxyType({})


def open_source(source: Source) -> Contents:
    """Detect the kind of a source, and open it.

    Args:
        source (`Source`): The source.

    Returns:
        `Contents`: Its sentences or rows, read as they are asked for.

    Raises:
        InputError: The kind cannot be found out, or the source is not what its `kind` says.
    """
    medium = medium_of(source)
    notes: Counter[str] = Counter()
    if medium == "tmx":
        path = _only_file(source)
        units = _tmx_units(path, source, notes)
        return Contents("tmx", state_of_files([path]), units, notes=notes)
    if medium in ("text", "flores"):
        language_files = text_files_of(source, medium)
        state = state_of_files([*language_files.files.values(), *language_files.others.values()])
        return Contents(medium, state, _text_units(language_files.files), other_files=language_files.others)
    if source.cells or medium == "tsv":
        path = _only_file(source)
        lines = read_cells(path, source)
        return Contents("tsv", state_of_files([path]), lines.units, kept=lines.kept)
    state, records = open_records(source)
    # The first records go back before the others: a stream cannot be read twice.
    head = list(islice(records, HEAD))
    return contents_of_records(source, state, iter(head), chain(head, records))


def contents_of_records(
    source: Source,
    state: list[str],
    head: Iterator[tuple[str, Record]],
    records: Iterator[tuple[str, Record]],
) -> Contents:
    """Detect the kind of records by the first ones of their source, and open them.

    Args:
        source (`Source`): The source.
        state (`list[str]`): What tells its content from another.
        head (`Iterator[tuple[str, Record]]`): The records at its beginning.
        records (`Iterator[tuple[str, Record]]`): Those to read, all of it or a part.

    Returns:
        `Contents`: The records as sentences or rows.

    Raises:
        InputError: The kind cannot be found out, or the source is not what its `kind` says.
    """
    first = [record for _, record in islice(head, HEAD)]
    kind = source.kind or shape_of(first, source)
    check_shape(kind, first, source)
    if kind == "rows":
        return Contents(kind, state, None, records)
    return Contents(kind, state, _units(kind, records, text_columns(first, source)))


def medium_of(source: Source) -> str:
    """Return how to open a source: tmx, text, flores, tsv, or records.

    Args:
        source (`Source`): The source.

    Returns:
        `str`: The word.

    Raises:
        InputError: It is plain text in one language.
    """
    if source.kind is not None:
        return "records" if source.kind in RECORD_KINDS else source.kind
    if not isinstance(source.path, str):
        return "text"
    path = Path(source.path).expanduser()
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".tmx"):
        return "tmx"
    if name.endswith(".tsv") and path.is_file():
        return "records" if has_header(path, source) else "tsv"
    if path.is_dir() and any(code_of(file.stem) for file in [*path.glob("*.dev*"), *path.glob("*/*.dev*")]):
        return "flores"
    if not path.exists():
        # Files that only begin alike are not enough: a second language, of
        # LMT or not, says that they belong together.
        beside = files_with_prefix(path, source)
        if len(beside.files) > 1 or (beside.files and beside.others):
            return "text"
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    if path.is_file() and code_of(ending) and "." in name:
        prefix = path.with_name(path.name.removesuffix(".gz").rpartition(".")[0])
        raise InputError(
            f"{path}: plain text in one language; give what the names of the files have in common "
            f"({prefix}), or {{language: file, language: file}}"
        )
    return "records"


def _only_file(source: Source) -> Path:
    if not isinstance(source.path, str):
        raise InputError(f"{source.name}: kind {source.kind} is one file; give its path")
    return Path(source.path).expanduser()


def state_of_files(files: Iterable[Path]) -> list[str]:
    """Describe the state of files, which tells them from later ones of their names.

    Args:
        files (`Iterable[Path]`): Paths of the files.

    Returns:
        `list[str]`: Path, bytes and time of change (ns) of each.

    Raises:
        InputError: one cannot be read.
    """
    state = []
    for path in files:
        try:
            stat = path.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
        # Size and time, as make does: hashing gigabytes of text on every start would cost more than reading them.
        state.append(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}")
    return state


def text_files_of(source: Source, medium: str) -> LanguageFiles:
    """List the files of plain text, of the asked languages only; InputError where one of them has no file.

    Args:
        source (`Source`): The source.
        medium (`str`): "text" or "flores".

    Returns:
        `LanguageFiles`: The files by language.

    Raises:
        InputError: A language that is asked for has no file, or there are fewer than two.
    """
    if isinstance(source.path, Mapping):
        files = {code: Path(file).expanduser() for code, file in source.path.items()}
        language_files = LanguageFiles(files, {})
    elif medium == "flores":
        language_files = files_of_flores(Path(source.path).expanduser(), source.split, source)
    else:
        language_files = files_with_prefix(Path(source.path).expanduser(), source)
    others = f"; not LMT's: {', '.join(language_files.others)}" if language_files.others else ""
    others += how_to_name(language_files.others)
    for code in source.languages:
        if code not in language_files.files:
            raise InputError(
                f"{source.name}: has no file in {code}, which the source asks for; "
                f"there are: {', '.join(language_files.files) or 'none'}{others}"
            )
    files = {code: language_files.files[code] for code in source.languages or language_files.files}
    if len(files) < 2:
        raise InputError(
            f"{source.name}: needs plain text files in two languages or more, and found "
            f"{', '.join(map(str, files.values())) or 'none'}{others}; give what their names have "
            "in common"
        )
    return LanguageFiles(files, language_files.others)


def _text_units(files: Mapping[str, Path]) -> Iterator[Unit]:
    for texts in aligned_lines(files):
        yield Unit(dict(texts))


def _tmx_units(path: Path, source: Source, notes: Counter[str]) -> Iterator[Unit]:
    for row_id, texts in read_tmx(path, notes, skip_broken=source.skip_broken_units):
        first: dict[str, str | None] = {}
        further: dict[tuple[str, str], None] = {}  # a text twice under one name says nothing new
        for name, text in texts:
            if first.setdefault(name, text) != text:
                further[name, text] = None
        yield Unit(first, row_id, further=tuple(further))


def open_records(source: Source) -> tuple[list[str], Iterator[tuple[str, Record]]]:
    """Open a source of records: files of JSON Lines or TSV, or whatever `read_dataset` reads.

    Args:
        source (`Source`): The source.

    Returns:
        `tuple[list[str], Iterator[tuple[str, Record]]]`: A state that tells the content from another, and the
        records, each with its location.

    Raises:
        InputError: it cannot be read.
    """
    if source.data is None:
        raise InputError(f"{source.name}: kind {source.kind} is one file, folder or Hub data set")
    path = source.data.path
    if files := json_lines_files(path):
        return state_of_files(files), chain.from_iterable(map(json_lines_of, files))
    if path.is_file() and path.name.lower().removesuffix(".gz").endswith(".tsv"):
        return state_of_files([path]), _tsv_records(path)
    try:
        dataset = read_dataset(source.data)
    except InputError as error:
        raise InputError(f"{error} (kinds of sources: {', '.join(KINDS)})") from error
    return [source.name, fingerprint_of(dataset)], records_of_dataset(dataset, source.name)


def json_lines_files(path: Path) -> list[Path]:
    """List the file if it is one of JSON Lines, or those of a folder of nothing else; else none.

    Their columns may differ from one another, as `{"translation": ...}` does from pair to pair.

    Args:
        path (`Path`): A file or a folder.

    Returns:
        `list[Path]`: The files.
    """
    if not path.is_dir():
        return [path] if path.is_file() and path.name.lower().endswith(JSON_LINES) else []
    folder = path
    files = sorted(path for path in folder.iterdir() if path.is_file())
    # A README beside the data is usual on the Hub; any other file means
    # that `load_dataset` knows the folder better.
    data = [path for path in files if path.name.lower().endswith(JSON_LINES)]
    others = [path for path in files if path not in data and path.suffix.lower() != ".md"]
    return [] if others else data


def json_lines_of(path: Path) -> Iterator[tuple[str, Record]]:
    """Yield the objects of a JSON Lines file, each with its location.

    Args:
        path (`Path`): The file.

    Yields:
        `tuple[str, Record]`: Location and object.
    """
    yield from json_records((f"{path}:{number}", line) for number, line in enumerate(read_lines(path), 1))


def json_records(lines: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Record]]:
    """Yield the objects of lines of JSON, each with its location; blank lines are none.

    Args:
        lines (`Iterable[tuple[str, str]]`): Location and text of each line.

    Yields:
        `tuple[str, Record]`: Location and object.

    Raises:
        InputError: A line is not a JSON object.
    """
    for location, line in lines:
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{location}: not valid JSON ({error.msg} at column {error.colno}); "
                "JSON Lines holds one whole object per line"
            ) from error
        except (RecursionError, ValueError) as error:
            raise InputError(f"{location}: cannot be read ({error}); remove it") from error
        if not isinstance(record, dict):
            raise InputError(f"{location}: a row must be an object {{...}}")
        check_characters(line, location)
        yield location, record


def _tsv_records(path: Path) -> Iterator[tuple[str, Record]]:
    lines = separated_lines(path)
    header = next(lines)
    for number, cells in enumerate(lines, 2):
        yield f"{path}:{number}", dict(zip(header, cells, strict=True))


def records_of_dataset(dataset: Any, name: str, rows: range | None = None) -> Iterator[tuple[str, Record]]:
    """Yield the rows of a data set as records, each with its location; `rows` of them if they are given.

    Args:
        dataset (`Any`): The data set.
        name (`str`): Its name, for locations.
        rows (`range`, *optional*): The rows that are read; all by default.

    Yields:
        `tuple[str, Record]`: Location and row.
    """
    from hf_miwv.common.reading.json_types import plain_rows

    table = dataset.with_format("arrow")
    # A block at a time becomes Python objects, so memory stays flat for a data set of any size.
    rows = range(len(table)) if rows is None else rows
    for start in range(rows.start, rows.stop, BATCH):
        block = plain_rows(table[start : min(start + BATCH, rows.stop)])
        for row, record in enumerate(block, start):
            yield f"{name}: row {row}", record


def _units(kind: str, records: Iterator[tuple[str, Record]], columns: Columns) -> Iterator[Unit]:
    for location, record in records:
        if kind == "table":
            yield table_unit(location, record, columns)
        elif kind == "translation":
            yield translation_unit(location, record)
        else:
            yield from smol_units(location, record)
