"""Lines or JSONL rows of a file to requests, and back to lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hf_lmt.directions import Direction
from hf_lmt.translation.requests import Request, Translation, check_request
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import check_characters
from hf_miwv.common.runs.json_text import json_text

ADDED = ("hypothesis", "hypothesis_status", "hypothesis_tokens")
ADDED_HINT = ("hypothesis_hint", "hypothesis_hint_lang", "hypothesis_hint_dropped")
KEYS = ("source", "source_lang", "target_lang")
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Attributes:
        jsonl (`bool`): Rows with `source`, `source_lang` and `target_lang` instead of lines of text.
        source_lang (`str | None`): Code of the source language of all lines, and of rows that do not say.
        target_lang (`str | None`): Code of the target language of all lines, and of rows that do not say.
        hints (`str`, *optional*, defaults to `"none"`): "none", "self" or "given", as in `Translator`.
        documents (`bool`, *optional*, defaults to `False`): Whether every text is a document.
    """

    jsonl: bool
    source_lang: str | None
    target_lang: str | None
    hints: str = "none"
    documents: bool = False

    def __post_init__(self) -> None:
        if self.jsonl:
            return
        if self.source_lang is None or self.target_lang is None:
            raise InputError("lines of text do not say their languages: give --from and --to, as in --from en --to kk")
        Direction(self.source_lang, self.target_lang)  # raises for what is none
        if self.hints == "given":
            raise InputError(
                "hints given: lines of text have none; give JSONL rows with auxiliary "
                "and auxiliary_lang (--jsonl, or a file named so)"
            )


def is_jsonl(path: Path | None) -> bool:
    """Check by its ending whether a path is JSON Lines.

    Args:
        path (`Path | None`): The path; None for a stream.

    Returns:
        `bool`: True for .jsonl and .ndjson.
    """
    return path is not None and path.suffix.lower() in (".jsonl", ".ndjson")


def read_rows(file: BinaryIO, name: str, reading: Reading) -> Iterator[tuple[dict, Request]]:
    """Yield the columns of each row (none for a line of text) and what it asks for.

    Lines end with a line feed, or carriage return and line feed; a byte order mark is passed over.

    Args:
        file (`BinaryIO`): The open file.
        name (`str`): Its name, for messages.
        reading (`Reading`): How its rows are read: as JSON or lines, with which languages.

    Yields:
        `tuple[dict, Request]`: The columns, and the request.

    Raises:
        InputError: with file and line: not UTF-8, not JSON, a key missing or no text, a language
            that cannot be, a column that would be written over.
    """
    for number, raw in enumerate(file, 1):
        line = raw.removeprefix(BOM) if number == 1 else raw
        location = f"{name}, line {number}"
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{location}: byte {error.start} is not UTF-8; convert the file first (iconv -t UTF-8)"
            ) from error
        try:
            columns = _columns(text, location) if reading.jsonl else {"source": text}
            request = _request(columns, reading)
            check_request(request, reading.hints)
        except InputError as error:
            where = "" if str(error).startswith(location) else f"{location}: "
            raise InputError(f"{where}{error}") from error
        yield (columns if reading.jsonl else {}), request


def write_line(columns: Mapping[str, Any], translation: Translation, reading: Reading) -> str:
    """Write the line of output for a row: a JSON object, or the text with line breaks as blanks.

    Args:
        columns (`Mapping[str, Any]`): Columns of the row that was read.
        translation (`Translation`): Its translation.
        reading (`Reading`): How the file is read and written.

    Returns:
        `str`: The line with its line feed.
    """
    if not reading.jsonl:
        return (translation.text if reading.documents else " ".join(translation.text.splitlines())) + "\n"
    added = dict(zip(ADDED, (translation.text, translation.status, translation.tokens), strict=True))
    hint = (translation.hint, translation.hint_lang, translation.hint_dropped)
    hints = {} if reading.hints == "none" else dict(zip(ADDED_HINT, hint, strict=True))
    return json_text({**columns, **added, **hints}) + "\n"


def count_rows(rows: Iterable[Any]) -> int:
    """Count rows; reading them checks them all.

    Args:
        rows (`Iterable[Any]`): The rows.

    Returns:
        `int`: How many there are.
    """
    return sum(1 for _ in rows)


def _columns(text: str, location: str) -> dict[str, Any]:
    try:
        columns = json.loads(text)
    except ValueError as error:
        raise InputError(f"{location}: not JSON ({error}); give an object in each line") from error
    if not isinstance(columns, dict):
        raise InputError(
            f"{location}: {text[:60]!r} is not an object; give rows with source, source_lang and target_lang"
        )
    check_characters(text, location)
    reserved_columns = [name for name in (*ADDED, *ADDED_HINT) if name in columns]
    if reserved_columns:
        raise InputError(f"{location}: the row has {', '.join(reserved_columns)} already; rename or remove it")
    return columns


def _request(columns: Mapping[str, Any], reading: Reading) -> Request:
    defaults = {"source_lang": reading.source_lang, "target_lang": reading.target_lang}
    values: dict[str, Any] = {name: columns.get(name, defaults.get(name)) for name in KEYS}
    missing = [name for name, value in values.items() if value is None]
    if missing:
        raise InputError(
            f"the row has no {', '.join(missing)} (it has {', '.join(columns) or 'nothing'}); add "
            "it; languages can also be given with --from and --to"
        )
    auxiliary: dict[str, Any] = {name: columns.get(name) for name in ("auxiliary", "auxiliary_lang")}
    for name, value in {**values, **auxiliary}.items():
        if value is not None and not isinstance(value, str):
            raise InputError(f"{name} is {value!r}: give a text")
    document = reading.documents or columns.get("document") is True
    return Request(**values, **auxiliary, document=document)
