"""Why a data set could not be read, in words: which file, which line, and what to do about it.

The `datasets` library reads first. What it says when it fails seldom names the line, and some
faults it passes over: JSON beyond the first 10 MB whose types differ from what it saw there is
turned into other text, and text that is not UTF-8 fails only when a row is looked at.
"""

from __future__ import annotations

import ast
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from hf_miwv.errors import InputError, did_you_mean
from hf_miwv.turns import describe, kind

LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def reason(error: BaseException) -> str:
    """The first cause of an `error` of the library, on one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def diagnose_file(path: Path, file_format: str, error: Exception) -> NoReturn:
    """Raises InputError that says why the library could not read this file."""
    if file_format == "csv":
        check_utf8(path)
    if file_format == "json":
        check_json(path)
        check_characters(path)
    if type(error.__cause__).__name__ == "SchemaInferenceError":
        raise InputError(f"{path}: holds no rows; give a data set with at least one")
    advice = {
        "csv": "check the quotes around cells that hold separators or line breaks",
        "json": "look for a key given twice in a row, or a number of more than 64 bits",
    }.get(file_format, "the file is damaged, or is something else; make or fetch it again")
    raise InputError(f"{path}: cannot be read as {file_format} ({reason(error)}); {advice}")


def check_utf8(path: Path) -> None:
    """Raises InputError where a text file, gzipped or not, is damaged or not UTF-8."""
    number, offset = 1, 0
    try:
        with _open(path, "rb") as file:
            for line in file:
                line.decode("utf-8")
                number, offset = number + 1, offset + len(line)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(
            f"{path}:{number}: not UTF-8 (byte 0x{byte:02x} at offset {offset + error.start}); "
            "save it as UTF-8"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip file ({error}); make or fetch it again") from error


def check_json(path: Path) -> None:
    """Raises InputError for JSON that is broken or mixes types in a column.

    A row must be an object, and a column must hold one type (or null) in all of them.
    """
    check_utf8(path)
    first_seen: dict[str, tuple[str, int]] = {}  # column -> kind of its values, row that set it
    for index, (place, row) in enumerate(json_rows(path)):
        if not isinstance(row, dict):
            raise InputError(f"{place}: a row must be an object {{...}}, found {describe(row)}")
        for column, value in row.items():
            if value is None:
                continue
            known, at = first_seen.setdefault(column, (kind(value), index))
            if kind(value) != known:
                raise InputError(
                    f"{place}: column {column!r} is {describe(value)}, but {known} in row {at}; "
                    "give the column one type in all rows"
                )


def check_characters(path: Path) -> None:
    """Raises InputError for a row with half a character: an escaped surrogate without its pair."""
    for place, row in json_rows(path):
        try:
            json.dumps(row, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            half = f"\\u{ord(error.object[error.start]):04x}"
            raise InputError(
                f"{place}: {half} is half a character; remove or complete it"
            ) from error


def json_rows(path: Path) -> Iterator[tuple[str, Any]]:
    """(place, value) of each row: an item of a JSON list, or a line of JSON Lines.

    The place names file and row and, for JSON Lines, the line. Raises InputError at broken JSON.
    """
    with _open(path, "rt") as file:
        lines = [line for _, line in zip(range(2), filter(str.strip, file), strict=False)]
        file.seek(0)
        yield from (_document_rows if _is_document(path, lines) else _line_rows)(path, file)


def _is_document(path: Path, lines: list[str]) -> bool:
    """Whether the file is one JSON document, judging by its first two lines that are not blank."""
    try:
        json.loads(lines[0])
    except json.JSONDecodeError:
        ending = path.name.lower().removesuffix(".gz")
        return lines[0].lstrip().startswith("[") or ending.endswith(".json")
    except IndexError:
        return False
    return len(lines) == 1


def _line_rows(path: Path, file: IO[str]) -> Iterator[tuple[str, Any]]:
    row = 0
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            yield f"{path}:{number}: row {row}", json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}:{number}: not valid JSON ({error.msg} at column {error.colno}); "
                "JSON Lines holds one whole object per line"
            ) from error
        row += 1


def _document_rows(path: Path, file: IO[str]) -> Iterator[tuple[str, Any]]:
    try:
        document = json.load(file)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})"
        ) from error
    for row, value in enumerate(document if isinstance(document, list) else [document]):
        yield f"{path}: row {row}", value


def _open(path: Path, mode: str) -> IO[Any]:
    opener: Callable[..., IO[Any]] = gzip.open if path.suffix.lower() == ".gz" else open
    encoding = None if "b" in mode else "utf-8-sig"  # a byte order mark is fine
    return opener(path, mode, encoding=encoding)


def check_repository(source: str, config: str | None, error: Exception) -> None:
    """Raises InputError for the faults that folders and Hub data sets share; else returns."""
    text = str(error)
    listed = re.search(r"(?:available configs|Available): (\[.*?\])", text)
    if listed and config is None:
        raise InputError(
            f"{source}: has several configurations; choose one with --config: "
            + ", ".join(ast.literal_eval(listed[1]))
        )
    if listed:
        hint = did_you_mean(str(config), ast.literal_eval(listed[1]))
        raise InputError(f"{source}: has no configuration {config!r}; {hint}")
    if "scripts are no longer supported" in text:
        raise InputError(
            f"{source}: needs its loading script run, which is not supported (there is no "
            "trust_remote_code); on the Hub, its converted files may be there with "
            "--revision refs/convert/parquet"
        )
    if type(error).__name__ in ("EmptyDatasetError", "DataFilesNotFoundError"):
        raise InputError(f"{source}: holds no data files; give one with JSON, CSV or Parquet files")


def diagnose_hub(
    source: str, config: str | None, revision: str | None, error: Exception
) -> NoReturn:
    """Raises InputError that says why the library could not read this Hub data set."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    check_repository(source, config, error)
    status = next((e for e in _chain(error) if isinstance(e, HfHubHTTPError)), None)
    if isinstance(error, HFValidationError):
        raise InputError(
            f"{source!r} is no file or folder here, and cannot be the id of a Hub data set; "
            "write NAME or OWNER/NAME"
        )
    if isinstance(error, DatasetNotFoundError):
        raise InputError(_not_found_message(source, revision, error))
    if isinstance(error, ConnectionError):
        raise InputError(_unreachable_message(source))
    if status is not None:
        raise InputError(_status_message(source, status.response.status_code))
    raise InputError(f"{source}: the Hub data set cannot be read ({reason(error)})")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those it came from; `raise ... from None` hides them, but keeps them."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _not_found_message(source: str, revision: str | None, error: Exception) -> str:
    from datasets import config

    if str(error).startswith("Revision"):
        return f"{source}: has no revision {revision!r}; give a branch, tag or commit of it"
    if "gated" in str(error):
        page = f"{config.HF_ENDPOINT}/datasets/{source}"
        return f"{source}: is gated on the Hub; ask for access at {page}, then {LOG_IN}"
    return (
        f"{source}: no file or folder of this name here, and no such data set on the Hub, "
        f"or it is private; check the name (OWNER/NAME), or {LOG_IN}"
    )


def _unreachable_message(source: str) -> str:
    from datasets import config

    if config.HF_HUB_OFFLINE:
        return (
            f"{source}: no file or folder of this name here, and as a Hub data set it is not in "
            "the cache, while HF_HUB_OFFLINE forbids fetching it; unset it, or give a local file"
        )
    return (
        f"{source}: no file or folder of this name here, and the Hub at {config.HF_ENDPOINT} "
        "cannot be reached; check the network, or give a local file"
    )


def _status_message(source: str, status: int) -> str:
    if status in (401, 403):
        return f"{source}: the Hub refuses access (status {status}); {LOG_IN}"
    return f"{source}: the Hub answered with status {status}; try again later"
