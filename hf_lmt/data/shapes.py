"""Records, as JSON or a table has them, to units: what one sentence is in several languages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from hf_lmt.data.language_codes import code_of
from hf_lmt.data.sources import KINDS
from hf_lmt.errors import InputError

Record = Mapping[str, Any]

ROW_COLUMNS = ("source_lang", "target_lang", "source", "target")
RECORD_KINDS = ("rows", "table", "translation", "smol")
SMOL_COLUMNS = ("sl", "tl")
IDENTIFIER = "id"  # as a column: Indonesian, or what a row is called


class Unit(NamedTuple):
    """One sentence: its text by language, each named as in the file, and what it is called."""

    texts: dict[str, str | None]
    row_id: str | None = None
    corpus: str | None = None
    line: int | None = None


def shape_of(records: Collection[Record], name: str, languages: Collection[str]) -> str:
    """The kind of these first records, by their columns: rows, translation, smol or table.

    Raises InputError, with the columns and the kinds that there are, where none fits.
    """
    columns = {column for record in records for column in record}
    if columns.issuperset(ROW_COLUMNS):
        return "rows"
    if "translation" in columns:
        return "translation"
    if columns.issuperset(SMOL_COLUMNS):
        return "smol"
    if len(text_columns(records, name, languages)) > 1:
        return "table"
    known = "; ".join(f"{kind}: {KINDS[kind]}" for kind in RECORD_KINDS)
    raise InputError(
        f"{name}: has the columns {', '.join(sorted(columns)) or '(none)'}, and these are of no "
        f"known kind; known are {known}"
    )


def check_shape(
    kind: str, records: Collection[Record], name: str, languages: Collection[str]
) -> None:
    """Raises InputError where these first records are not of a kind, or lack an asked language."""
    columns = sorted({column for record in records for column in record})
    needed = {"rows": ROW_COLUMNS, "translation": ("translation",), "smol": SMOL_COLUMNS}
    missing = [column for column in needed.get(kind, ()) if column not in columns]
    if kind == "table":
        codes = set(text_columns(records, name, languages).values())
        missing = [code for code in languages if code not in codes]
        if not languages and len(codes) < 2:
            missing = ["two or more named after languages"]
    if missing:
        raise InputError(
            f"{name}: lacks columns for kind {kind}: {', '.join(missing)}; it has: "
            f"{', '.join(columns) or '(none)'}"
        )


def text_columns(
    records: Collection[Record], name: str, languages: Collection[str]
) -> dict[str, str]:
    """{column: code} of a table's columns of text, by its first records.

    `id` may be Indonesian or what rows are called: it is text where `languages` names it or,
    without any, where one of its values has a blank. Raises InputError for two columns of a
    language.
    """
    columns = dict.fromkeys(column for record in records for column in record)
    codes: dict[str, str] = {}
    for column in columns:
        code = code_of(column.removeprefix("sentence_"))  # as in facebook/flores
        if code is None or (languages and code not in languages):
            continue
        if column == IDENTIFIER and not languages and not _is_text(records):
            continue
        if code in codes.values():
            other = next(one for one in codes if codes[one] == code)
            raise InputError(
                f"{name}: columns {other!r} and {column!r} are both {code}; remove one of them"
            )
        codes[column] = code
    return codes


def _is_text(records: Collection[Record]) -> bool:
    values = [record.get(IDENTIFIER) for record in records]
    return any(isinstance(value, str) and " " in value.strip() for value in values)


def table_unit(place: str, record: Record, columns: Mapping[str, str]) -> Unit:
    texts = {column: record.get(column) for column in columns}
    _check_texts(place, texts)
    texts = {columns[column]: text for column, text in texts.items()}
    return Unit(texts, _row_id(record, columns), _corpus(record), whole_number(record.get("line")))


def translation_unit(place: str, record: Record) -> Unit:
    """A row of WMT, OPUS or LMT-60-sft-data on the Hub: `{"translation": {"en": .., "de": ..}}`."""
    texts = record.get("translation")
    if not isinstance(texts, Mapping) or len(texts) < 2:
        raise InputError(
            f"{place}: translation is {_short(texts)}; give "
            '{"translation": {LANGUAGE: text, LANGUAGE: text}}'
        )
    _check_texts(place, texts)
    return Unit(dict(texts), _row_id(record), _corpus(record))


def smol_units(place: str, record: Record) -> Iterator[Unit]:
    """The sentences of a row of google/smol (arXiv 2502.12301).

    SmolSent has a sentence and its translation (`src`, `trg`), SmolDoc the sentences of a document
    (`srcs`, `trgs`), Gatitos several translations of one expression (`src`, `trgs`).
    """
    source, target = str(record.get("sl")), str(record.get("tl"))
    sources = record["srcs"] if record.get("srcs") is not None else record.get("src")
    targets = record["trgs"] if record.get("trgs") is not None else record.get("trg")
    if isinstance(targets, str):
        targets = [targets]
    if isinstance(sources, str):
        sources = [sources] * len(targets or [])
    if not isinstance(sources, list) or not isinstance(targets, list):
        raise InputError(f"{place}: needs src or srcs, and trg or trgs, as in google/smol")
    if len(sources) != len(targets):
        raise InputError(
            f"{place}: has {len(sources)} sentences in srcs and {len(targets)} in trgs: the row is "
            "misaligned; remove it"
        )
    for index, pair in enumerate(zip(sources, targets, strict=True)):
        texts = dict(zip((source, target), pair, strict=True))
        _check_texts(place, texts)
        row_id = _row_id(record)
        yield Unit(texts, f"{row_id}/{index}" if row_id and len(targets) > 1 else row_id)


def _check_texts(place: str, texts: Mapping[str, Any]) -> None:
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise InputError(
                f"{place}: {name} is {_short(text)}, and must be text; name the languages to read "
                "in the source (languages) if this is none"
            )


def _row_id(record: Record, columns: Collection[str] = ()) -> str | None:
    for name in ("row_id", IDENTIFIER):
        if name not in columns and record.get(name) is not None:
            return str(record[name])
    return None


def _corpus(record: Record) -> str | None:
    corpus = record.get("corpus")
    return corpus if isinstance(corpus, str) else None


def whole_number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
