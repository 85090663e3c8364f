"""What kind of source is it, and what is in it: sentences in several languages, or rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.data.language_codes import code_of
from hf_lmt.data.shapes import (
    RECORD_KINDS,
    Record,
    Unit,
    check_shape,
    shape_of,
    smol_units,
    table_unit,
    text_columns,
    translation_unit,
)
from hf_lmt.data.sources import KINDS, Source
from hf_lmt.data.text_files import (
    aligned_lines,
    files_of_flores,
    files_with_prefix,
    read_lines,
    separated_lines,
)
from hf_lmt.data.tmx import read_tmx
from hf_lmt.errors import InputError
from hf_miwv.json_files import check_characters
from hf_miwv.reading import read_dataset

JSON_LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
HEAD = 100  # records that a kind is told by
BATCH = 1000  # records in memory at a time


class Contents(NamedTuple):
    """What a source holds; but for its beginning, it is read when it is iterated over.

    kind: one of KINDS. state: what tells this content from another: files with sizes and times, or
    the fingerprint of a data set. units: its sentences; None for kind "rows", whose records are in
    `records`, each with its place.
    """

    kind: str
    state: list[str]
    units: Iterator[Unit] | None
    records: Iterator[tuple[str, Record]] | None = None


def open_source(source: Source) -> Contents:
    """Find out what the source is, and open it.

    Raises InputError where that cannot be found out, or it is not what its `kind` says.
    """
    medium = _medium(source)
    if medium == "tmx":
        path = _only_file(source)
        return Contents("tmx", state_of_files([path]), _tmx_units(path))
    if medium in ("text", "flores"):
        files = _text_files(source, medium)
        return Contents(medium, state_of_files(files.values()), _text_units(files))
    if medium == "tsv":
        path = _only_file(source)
        return Contents("tsv", state_of_files([path]), _tsv_units(path, source))
    state, records = open_records(source)
    head = list(islice(records, HEAD))
    first = [record for _, record in head]
    kind = source.kind or shape_of(first, source.name, source.languages)
    check_shape(kind, first, source.name, source.languages)
    records = chain(head, records)
    if kind == "rows":
        return Contents(kind, state, None, records)
    return Contents(
        kind, state, _units(kind, records, text_columns(first, source.name, source.languages))
    )


def _medium(source: Source) -> str:
    """How to open it: tmx, text, flores, tsv, or records."""
    if source.kind is not None:
        return "records" if source.kind in RECORD_KINDS else source.kind
    if not isinstance(source.path, str):
        return "text"
    path = Path(source.path).expanduser()
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".tmx"):
        return "tmx"
    if name.endswith(".tsv") and path.is_file():
        return "records" if _header(path) else "tsv"
    if path.is_dir() and any(
        code_of(one.stem) for one in [*path.glob("*.dev*"), *path.glob("*/*.dev*")]
    ):
        return "flores"
    if not path.exists() and len(files_with_prefix(path)) > 1:
        return "text"
    if path.is_file() and code_of(name.rpartition(".")[2]) and "." in name:
        raise InputError(
            f"{path}: plain text in one language; give what the names of the files have in common "
            f"({path.with_name(name.rpartition('.')[0])}), or {{language: file, language: file}}"
        )
    return "records"


def _only_file(source: Source) -> Path:
    if not isinstance(source.path, str):
        raise InputError(f"{source.name}: kind {source.kind} is one file; give its path")
    return Path(source.path).expanduser()


def state_of_files(files: Iterable[Path]) -> list[str]:
    """What tells the files from later ones of their names; InputError where one cannot be read."""
    state = []
    for path in files:
        try:
            stat = path.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
        state.append(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}")
    return state


def _text_files(source: Source, medium: str) -> dict[str, Path]:
    """{code: file}, of the asked languages only; InputError where one of them has none."""
    if isinstance(source.path, Mapping):
        files = {code: Path(file).expanduser() for code, file in source.path.items()}
    elif medium == "flores":
        files = files_of_flores(Path(source.path).expanduser(), source.split)
    else:
        files = files_with_prefix(Path(source.path).expanduser())
    for code in source.languages:
        if code not in files:
            raise InputError(
                f"{source.name}: has no file in {code}, which the source asks for; "
                f"there are: {', '.join(files) or 'none'}"
            )
    files = {code: files[code] for code in source.languages or files}
    if len(files) < 2:
        raise InputError(
            f"{source.name}: needs plain text files in two languages or more, and found "
            f"{', '.join(map(str, files.values())) or 'none'}; give what their names have in common"
        )
    return files


def _text_units(files: Mapping[str, Path]) -> Iterator[Unit]:
    for texts in aligned_lines(files):
        yield Unit(dict(texts))


def _tmx_units(path: Path) -> Iterator[Unit]:
    for row_id, texts in read_tmx(path):
        yield Unit(dict(texts), row_id)


def _header(path: Path) -> list[str] | None:
    """The first cells of a TSV file, where they are names of columns."""
    cells = next(iter(separated_lines(path)))
    languages = sum(code_of(cell) is not None for cell in cells)
    return cells if languages > 1 or {"source_lang", "sl"} & set(cells) else None


def _tsv_units(path: Path, source: Source) -> Iterator[Unit]:
    languages = source.languages or _languages_of_name(path)
    for cells in separated_lines(path):
        if len(cells) != len(languages):
            raise InputError(
                f"{path}: has {len(cells)} cells in its lines, and the languages of these "
                f"are {', '.join(languages) or 'not known'}; give languages, one for each cell"
            )
        yield Unit(dict(zip(languages, cells, strict=True)))


def _languages_of_name(path: Path) -> tuple[str, ...]:
    """("en", "de") of a file called news.en-de.tsv."""
    for part in path.name.split("."):
        codes = [code_of(side) for side in part.split("-")]
        if len(codes) > 1 and all(codes):
            return tuple(code for code in codes if code)
    return ()


def open_records(source: Source) -> tuple[list[str], Iterator[tuple[str, Record]]]:
    """What tells the content from another, and its records, each with its place."""
    if not isinstance(source.path, str):
        raise InputError(f"{source.name}: kind {source.kind} is one file, folder or Hub data set")
    path = Path(source.path).expanduser()
    if path.is_dir() and (files := _plain_json_files(path)):
        return state_of_files(files), chain.from_iterable(map(_json_lines, files))
    if path.is_file() and path.name.lower().endswith(JSON_LINES):
        return state_of_files([path]), _json_lines(path)
    if path.is_file() and path.name.lower().removesuffix(".gz").endswith(".tsv"):
        return state_of_files([path]), _tsv_records(path)
    try:
        dataset = read_dataset(
            source.path, split=source.split, config=source.config, revision=source.revision
        )
    except InputError as error:
        raise InputError(f"{error} (kinds of sources: {', '.join(KINDS)})") from error
    return [source.path, dataset._fingerprint], _dataset_records(dataset, source.name)


def _plain_json_files(folder: Path) -> list[Path]:
    """The JSON Lines files of a folder of nothing else: their columns may differ from one another,
    as `{"translation": ...}` does from pair to pair."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    data = [path for path in files if path.name.lower().endswith(JSON_LINES)]
    others = [path for path in files if path not in data and path.suffix.lower() != ".md"]
    return [] if others else data


def _json_lines(path: Path) -> Iterator[tuple[str, Record]]:
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}:{number}: not valid JSON ({error.msg} at column {error.colno}); "
                "JSON Lines holds one whole object per line"
            ) from error
        if not isinstance(record, dict):
            raise InputError(f"{path}:{number}: a row must be an object {{...}}")
        check_characters(line, f"{path}:{number}")
        yield f"{path}:{number}", record


def _tsv_records(path: Path) -> Iterator[tuple[str, Record]]:
    lines = separated_lines(path)
    header = next(lines)
    for number, cells in enumerate(lines, 2):
        yield f"{path}:{number}", dict(zip(header, cells, strict=True))


def _dataset_records(dataset: Any, name: str) -> Iterator[tuple[str, Record]]:
    from hf_miwv.json_types import plain_rows

    table = dataset.with_format("arrow")
    for start in range(0, len(table), BATCH):
        block = plain_rows(table[start : start + BATCH])
        for row, record in enumerate(block, start):
            yield f"{name}: row {row}", record


def _units(
    kind: str, records: Iterator[tuple[str, Record]], columns: Mapping[str, str]
) -> Iterator[Unit]:
    for place, record in records:
        if kind == "table":
            yield table_unit(place, record, columns)
        elif kind == "translation":
            yield translation_unit(place, record)
        else:
            yield from smol_units(place, record)
