"""The sentences of a source to rows, block by block, and the tally of what became of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from hf_lmt.data.contents import Contents
from hf_lmt.data.language_codes import code_of
from hf_lmt.data.multiway import ROW_SCHEMA, expand_block, with_keys
from hf_lmt.data.shapes import Record, Unit, whole_number
from hf_lmt.data.sources import Source
from hf_lmt.directions import Direction
from hf_lmt.errors import InputError
from hf_lmt.languages import LANGUAGES

ROWS, SENTENCES = 60_000, 5_000  # that a block may give, and hold, at the most


@dataclass
class Tally:
    """Sentences, rows, and texts by language, as `loading.Loaded` describes them."""

    sentences: int = 0
    rows: int = 0
    without_rows: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    other_languages: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, Any]:
        return {
            "sentences": self.sentences,
            "rows": self.rows,
            "without_rows": self.without_rows,
            "languages": dict(sorted(self.languages.items())),
            "other_languages": dict(sorted(self.other_languages.items())),
        }


def row_blocks(
    source: Source,
    contents: Contents,
    directions: list[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> Iterator[pa.Table]:
    """Tables of ROW_SCHEMA; `tally` is filled on the way.

    Raises InputError for what the reading of the source finds.
    """
    items: Any = contents.records if contents.units is None else contents.units
    for batch in _batches(items):
        if contents.units is None:
            rows = _own_rows(source, batch, directions, auxiliaries, tally)
        else:
            lines = _lines(source, batch, tally)
            rows = expand_block(
                lines, directions, auxiliaries=auxiliaries, multiway=source.multiway
            )
            tally.without_rows += _without_rows(lines, directions)
        tally.sentences += len(batch)
        tally.rows += len(rows)
        yield rows


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Records, or units, as many at a time as a block may hold."""
    batch: list[Any] = []
    rows = 0
    for item in items:
        batch.append(item)
        if isinstance(item, Unit):  # from and into English and Chinese
            rows += 4 * sum(text is not None for text in item.texts.values())
        if rows >= ROWS or len(batch) == SENTENCES:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _lines(source: Source, units: list[Unit], tally: Tally) -> pa.Table:
    """The units as a table: a column of texts per language, and corpus, row_key and line."""
    texts: dict[str, list[str | None]] = {}
    for index, unit in enumerate(units):
        for name, text in unit.texts.items():
            code = code_of(name)
            if text is None:
                continue
            if code is None:
                tally.other_languages[name] += 1
                continue
            if source.languages and code not in source.languages:
                continue
            tally.languages[code] += 1
            texts.setdefault(code, [None] * len(units))[index] = text
    first = tally.sentences
    return pa.table(
        {code: pa.array(column, pa.string()) for code, column in texts.items()}
        | {
            "corpus": pa.array([unit.corpus or source.corpus_name for unit in units], pa.string()),
            "row_key": pa.array([unit.row_id for unit in units], pa.string()),
            "line": pa.array(
                [first + i if unit.line is None else unit.line for i, unit in enumerate(units)],
                pa.int64(),
            ),
        }
    )


def _without_rows(lines: pa.Table, directions: list[Direction]) -> int:
    """How many lines have no two texts of a direction."""
    there = {name: lines[name].is_valid().to_numpy() for name in lines.column_names
             if name in LANGUAGES}  # fmt: skip
    gives_row = sum(
        there[one.source] & there[one.target]
        for one in directions
        if one.source in there and one.target in there
    )
    return int((gives_row == 0).sum()) if not isinstance(gives_row, int) else len(lines)


def _own_rows(
    source: Source,
    batch: list[tuple[str, Record]],
    directions: list[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> pa.Table:
    """Rows of this program's own form, in the asked directions."""
    asked, rows = set(directions), []
    for place, record in batch:
        row = _own_row(place, record, source.corpus_name, tally)
        _check_auxiliary(place, row)
        if not auxiliaries:
            row |= {"auxiliary_lang": None, "auxiliary": None}
        whole = row["source"] is not None and row["target"] is not None
        if whole and (row["source_lang"], row["target_lang"]) in asked:
            rows.append(row)
    tally.without_rows += len(batch) - len(rows)
    return with_keys(pa.Table.from_pylist(rows, ROW_SCHEMA))


def _own_row(place: str, record: Record, corpus: str, tally: Tally) -> dict[str, Any]:
    """One row; what CSV has no cell for is empty there, and null here."""
    return {
        "source_lang": _code(record, "source_lang", tally),
        "target_lang": _code(record, "target_lang", tally),
        "source": _text(place, record, "source"),
        "target": _text(place, record, "target"),
        "auxiliary_lang": _text(place, record, "auxiliary_lang") or None,
        "auxiliary": _text(place, record, "auxiliary") or None,
        "corpus": _text(place, record, "corpus") or corpus,
        "row_key": None if record.get("row_key") in (None, "") else str(record["row_key"]),
        "line": whole_number(record.get("line")),
    }


def _check_auxiliary(place: str, row: dict[str, Any]) -> None:
    code, direction = row["auxiliary_lang"], (row["source_lang"], row["target_lang"])
    if code in direction:
        raise InputError(
            f"{place}: auxiliary_lang is {code}, a language of {'-'.join(direction)} itself; give "
            "a third one, or leave auxiliary_lang and auxiliary empty"
        )


def _code(record: Record, name: str, tally: Tally) -> str:
    code = str(record.get(name))
    (tally.languages if code in LANGUAGES else tally.other_languages)[code] += 1
    return code


def _text(place: str, record: Record, name: str) -> str | None:
    text = record.get(name)
    if text is not None and not isinstance(text, str):
        raise InputError(f"{place}: {name} is {text!r}, and must be text")
    return None if text is None else unicodedata.normalize("NFC", text)
