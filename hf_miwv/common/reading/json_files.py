"""JSON files to rows: JSON Lines, a list of objects, rows under a key, or a list for each column.

Reading is Python's own: the `datasets` reader (5.2, on pyarrow 26) ends the process at a row that
is null, and takes one of two values where a key is given twice.
"""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.column_names import REQUIRED_COLUMNS
from hf_miwv.common.reading.kinds import describe

# Endings of files with one row in each line: what stands in a single line there is a row.
LINE_ENDINGS = (".jsonl", ".ndjson")
TURN_KEYS = ({"role", "content"}, {"from", "value"}, {"role", "tool_calls"})
# A lone object with these keys is one row, whatever lists of objects it has beside them.
ROW_KEYS = (*REQUIRED_COLUMNS.values(), ("prompt",), ("chosen",), ("text",), ("instruction",))

logger = logging.getLogger(__name__)


class Document(NamedTuple):
    """Hold the rows of a JSON document, and how they lie in it.

    Args:
        rows (`list[Any]`): The rows.
        key (`str`, *optional*): Key under which they lie.
        notice (`str`, *optional*): Line for the log, where the layout is not plain.
    """

    rows: list[Any]
    key: str | None = None
    notice: str | None = None


def json_rows(
    path: str | Path, field: str | None = None, *, name: str | None = None, tell: bool = False
) -> Iterator[tuple[str, Any]]:
    """Yield (location, value) of each row of a JSON file; the location names file and row.

    Args:
        path (`str | Path`): A file in UTF-8, gzipped where it ends in .gz; or its URL.
        field (`str`, *optional*): Key of a JSON document under which the rows lie.
        name (`str`, *optional*): Name of the file in messages, whose ending counts; by default the path.
        tell (`bool`, *optional*, defaults to `False`): Log a line where the rows lie under a key or column by
            column.

    Yields:
        `tuple[str, Any]`: Location and value of a row.

    Raises:
        InputError: the file is damaged, not UTF-8 or not JSON (line named), a key is given twice
            in an object, `field` is not there, or which key holds the rows cannot be told.
    """
    name = name or str(path)
    try:
        with open_text(path) as file:
            lines = [line for _, line in zip(range(2), filter(str.strip, file), strict=False)]
            file.seek(0)
            # A file of lines is read row by row; only a document must be in memory as a whole.
            if not _is_document(name, lines, field):
                if field is not None:
                    raise InputError(
                        f"--field {field}: {name} holds one row in each line, and no key over all of them; omit it"
                    )
                yield from _line_rows(name, file)
                return
            document = arrange(_parse(name, file), name, field)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error):
        check_utf8(path, name)  # says in which line
        raise
    if tell and document.notice:
        logger.info("%s", document.notice)
    under = "" if document.key is None else f" of {document.key!r}"
    for row, value in enumerate(document.rows):
        yield f"{name}: row {row}{under}", value


def arrange(document: Any, name: str, field: str | None) -> Document:
    """Find the rows in a parsed document.

    >>> arrange({"a": [1, 2], "b": [3, 4]}, "x.json", None).rows
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]

    Args:
        document (`Any`): A list of rows, one row, {key: rows}, or {column: values}.
        name (`str`): Name of the file in messages.
        field (`str`, *optional*): Key under which the rows lie; by default the only one with a list of objects.

    Returns:
        `Document`: The rows.

    Raises:
        InputError: `field` is not there or holds no rows, several keys hold rows, or columns differ in length.
    """
    if not isinstance(document, dict):
        if field is not None:
            raise InputError(f"--field {field}: {name} holds {describe(document)}, and no key over all rows; omit it")
        return Document(document if isinstance(document, list) else [document])
    if field is not None:
        return _under_key(document, name, field)
    if rows := _columnar(document, name):
        return rows
    keys = [key for key, value in document.items() if _is_rows(value)]
    if not keys or any(document.keys() >= set(names) for names in ROW_KEYS):
        return Document([document])
    if len(keys) > 1:
        raise InputError(
            f"{name}: holds several lists of rows ({', '.join(map(repr, keys))}); choose one with --field {keys[0]}"
        )
    return _under_key(document, name, keys[0])


def _under_key(document: Mapping[str, Any], name: str, key: str) -> Document:
    if key not in document:
        hint = did_you_mean(key, document)
        raise InputError(f"--field {key}: {name} has no such key; {hint}")
    value = document[key]
    rows = value if isinstance(value, list) else None
    if isinstance(value, dict) and (columns := _columnar(value, f"{name}: {key!r}")):
        rows = columns.rows
    if rows is None:
        raise InputError(
            f"--field {key}: in {name} this key holds {describe(value)}, and not a list of rows; give the key of one"
        )
    return Document(rows, key, f"{name}: {_count(len(rows), 'row')}, found under the key {key!r}")


def _columnar(document: Mapping[str, Any], name: str) -> Document | None:
    """Read the rows of {column: [value, ...]}, or of pandas' {column: {"0": value, ...}}; None for any other."""
    columns = {key: _column(value) for key, value in document.items()}
    if not columns or any(values is None for values in columns.values()):
        return None
    lengths = {key: len(values or ()) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        keys_seen = ", ".join(f"{key!r} {length:,}" for key, length in lengths.items())
        raise InputError(
            f"{name}: holds a list for each column, of different lengths ({keys_seen}); give each "
            "column one value for every row"
        )
    if next(iter(lengths.values())) < 2:  # a row whose values are lists of one
        return None
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*filter(None, columns.values()), strict=True)]
    return Document(
        rows,
        None,
        f"{name}: a list for each of {_count(len(columns), 'column')}, read as {len(rows):,} rows",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _column(value: Any) -> list[Any] | None:
    """Return the values of a column; None where `value` is a value itself: turns, parts, an object."""
    if isinstance(value, dict):
        return [*value.values()] if value and all(map(str.isdecimal, value)) else None
    if isinstance(value, list) and not any(isinstance(item, dict) for item in value):
        return value
    return None


def _is_rows(value: Any) -> bool:
    """Check whether a value is a list of objects, and these are not the turns of a conversation."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) for item in value)
        and not any(value[0].keys() >= keys for keys in TURN_KEYS)
    )


def _is_document(name: str, lines: list[str], field: str | None) -> bool:
    """Check whether the file is one JSON document, judging by its first two lines that are not blank."""
    if not lines:
        return False
    is_list = lines[0].lstrip().startswith("[")
    try:
        json.loads(lines[0])
    except (json.JSONDecodeError, RecursionError):
        return is_list or _plain_name(name).endswith(".json")
    # A file of lines may have one alone.
    by_line = _plain_name(name).endswith(LINE_ENDINGS) and not is_list and field is None
    return len(lines) == 1 and not by_line


def _plain_name(name: str) -> str:
    return name.lower().removesuffix(".gz")


def _line_rows(name: str, file: IO[str]) -> Iterator[tuple[str, Any]]:
    row = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}: row {row}", _loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{name}:{number}: not valid JSON ({error.msg} at column {error.colno}); "
                "JSON Lines holds one whole object per line"
            ) from error
        except (_TwiceError, RecursionError) as error:
            raise InputError(f"{name}:{number}: row {row}: {_advice(error)}") from error
        row += 1


def _parse(name: str, file: IO[str]) -> Any:
    try:
        return _loads(file.read())
    except json.JSONDecodeError as error:
        raise InputError(f"{name}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})") from error
    except (_TwiceError, RecursionError) as error:
        raise InputError(f"{name}: {_advice(error)}") from error


class _TwiceError(ValueError):
    """A key that an object has twice."""


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its pairs; raise where a key is there twice, of which Python's reader keeps the last."""
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        raise _TwiceError(next(name for name in names if names.count(name) > 1))
    return value


def _advice(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "objects or lists nested too deep to read; is this data for training?"
    return f"the key {str(error)!r} is given twice in an object; keep one of them"


def check_characters(line: str, location: str) -> None:
    """Check that a line of JSON escapes no half of a character: a surrogate without its pair.

    Python's reader takes it, and nothing can write it.

    Args:
        line (`str`): The JSON text.
        location (`str`): File and line, for the message.

    Raises:
        InputError: half a character.
    """
    if "\\ud" in line.lower() and (half := half_character(json.loads(line))):
        raise InputError(f"{location}: {half} is half a character; remove or complete it")


def half_character(value: Any) -> str | None:
    """Find the first half of a character in the texts and keys of a JSON value.

    Args:
        value (`Any`): The value.

    Returns:
        `str | None`: The surrogate as JSON escapes it; None where there is none.
    """
    text = json.dumps(value, ensure_ascii=False, default=str)
    half = next((sign for sign in text if "\ud800" <= sign <= "\udfff"), None)
    return None if half is None else f"\\u{ord(half):04x}"


def check_utf8(path: str | Path, name: str | None = None) -> None:
    """Check that a text file, gzipped or not, is whole and in UTF-8.

    Args:
        path (`str | Path`): The file, or its URL.
        name (`str`, *optional*): Name of the file in messages; by default the path.

    Raises:
        InputError: bytes that are not UTF-8, by line and offset, or a damaged gzip file.
    """
    name = name or str(path)
    number, offset = 1, 0
    try:
        with _open(path, "rb") as file:
            for line in file:
                line.decode("utf-8")
                number, offset = number + 1, offset + len(line)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(
            f"{name}:{number}: not UTF-8 (byte 0x{byte:02x} at offset {offset + error.start}); save it as UTF-8"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name}: damaged gzip file ({error}); make or fetch it again") from error


def open_text(path: str | Path) -> IO[str]:
    """Open a text file in UTF-8, here or behind a URL; a byte order mark is fine.

    Compressed files are told by their endings.

    Args:
        path (`str | Path`): The file, or its URL.

    Returns:
        `IO[str]`: The open file.
    """
    return _open(path, "rt")


def _open(path: str | Path, mode: str) -> IO[Any]:
    encoding = None if "b" in mode else "utf-8-sig"
    if "://" in str(path) or Path(path).suffix.lower() in (".bz2", ".xz", ".zst"):
        import fsspec

        return fsspec.open(str(path), mode, compression="infer", encoding=encoding).open()
    opener: Callable[..., IO[Any]] = gzip.open if Path(path).suffix.lower() == ".gz" else open
    return opener(path, mode, encoding=encoding)


def tell_layout(path: Path, field: str | None = None) -> None:
    """Log a line where the rows lie under a key, or column by column.

    A document that is a list, or a file of lines, is not read for it.

    Args:
        path (`Path`): The JSON file.
        field (`str`, *optional*): Key under which the rows lie.

    Raises:
        InputError: as in `json_rows`.
    """
    if field is None and _plain_name(str(path)).endswith(LINE_ENDINGS):
        return
    with open_text(path) as file:
        start = next(filter(str.strip, iter(lambda: file.read(64), "")), "")
    if field is not None or start.lstrip().startswith("{"):
        next(json_rows(path, field, tell=True), None)
