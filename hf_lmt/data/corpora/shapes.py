"""Records, as JSON or a table has them, to units: what one sentence is in several languages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from hf_lmt.data.corpora.sources import KINDS, Source
from hf_lmt.language_codes import how_to_name, is_language_name
from hf_miwv.common.errors import InputError

Record = Mapping[str, Any]

ROW_COLUMNS = ("source_lang", "target_lang", "source", "target")
RECORD_KINDS = ("rows", "table", "translation", "smol")
SMOL_COLUMNS = ("sl", "tl")
PAIR_COLUMNS = (
    ("source", "target"),
    ("src", "tgt"),
    ("src", "trg"),
    ("source_text", "target_text"),
)
IDENTIFIER = "id"  # as a column: Indonesian, or what a row is called


class Unit(NamedTuple):
    """One sentence in several languages.

    Attributes:
        texts (`dict[str, str | None]`): {language: text}, each language named as in the file.
        row_id (`str`, *optional*): Id of the sentence in the source.
        corpus (`str`, *optional*): Name of its corpus, where the record has it.
        line (`int`, *optional*): Its position in a multi-way corpus.
        further (`tuple[tuple[str, str], ...]`, *optional*, defaults to `()`): (language, text) of texts under a
            name that `texts` has, such as synonyms.
        kept (`Mapping[str, str]`): {column: text} of cells that are no texts, such as scores.
    """

    texts: dict[str, str | None]
    row_id: str | None = None
    corpus: str | None = None
    line: int | None = None
    further: tuple[tuple[str, str], ...] = ()
    kept: Mapping[str, str] = MappingProxyType({})


class Columns(NamedTuple):
    """The columns of a table.

    Attributes:
        texts (`dict[str, str]`): {column: code} of the columns with texts.
        others (`tuple[str, ...]`): Columns named after languages that LMT does not have.
    """

    texts: dict[str, str]
    others: tuple[str, ...]


def shape_of(records: Collection[Record], source: Source) -> str:
    """Detect the kind of these first records, by their columns: rows, translation, smol or table.

    Args:
        records (`Collection[Record]`): The first records.
        source (`Source`): The source that they are of; it says which columns are languages.

    Returns:
        `str`: The kind, one of RECORD_KINDS.

    Raises:
        InputError: None fits; with the columns and the kinds that there are.
    """
    columns = {column for record in records for column in record}
    if columns.issuperset(ROW_COLUMNS):
        return "rows"
    if "translation" in columns:
        return "translation"
    if columns.issuperset(SMOL_COLUMNS):
        return "smol"
    columns_of_texts = text_columns(records, source)
    if len(columns_of_texts.texts) > 1:
        return "table"
    known = "; ".join(f"{kind}: {KINDS[kind]}" for kind in RECORD_KINDS)
    hint = ""
    if pair := pair_columns(columns):
        hint = (
            f"; if {' and '.join(pair)} hold a text and its translation, say in which languages, "
            "as in --languages en,de"
        )
    elif columns_of_texts.others:
        hint = f"; LMT does not have {', '.join(columns_of_texts.others)}{how_to_name(columns_of_texts.others)}"
    raise InputError(
        f"{source.name}: has the columns {', '.join(sorted(columns)) or '(none)'}, and these are "
        f"of no known kind; known are {known}{hint}"
    )


def check_shape(kind: str, records: Collection[Record], source: Source) -> None:
    """Check that these first records are of a kind, and have each asked language.

    Args:
        kind (`str`): The kind that the source names or `shape_of` detected.
        records (`Collection[Record]`): The first records.
        source (`Source`): The source that they are of.

    Raises:
        InputError: a column is missing; with the columns that there are.
    """
    columns = sorted({column for record in records for column in record})
    needed = {"rows": ROW_COLUMNS, "translation": ("translation",), "smol": SMOL_COLUMNS}
    missing = [column for column in needed.get(kind, ()) if column not in columns]
    if kind == "table":
        codes = set(text_columns(records, source).texts.values())
        missing = [code for code in source.languages if code not in codes]
        if not source.languages and len(codes) < 2:
            missing = ["two or more named after languages"]
    if missing:
        raise InputError(
            f"{source.name}: lacks columns for kind {kind}: {', '.join(missing)}; it has: "
            f"{', '.join(columns) or '(none)'}"
        )


def pair_columns(columns: Collection[str]) -> tuple[str, str] | None:
    """Find the two columns of a pair that do not say their languages: source and target, src and tgt.

    Args:
        columns (`Collection[str]`): Names of columns, in any case.

    Returns:
        `tuple[str, str] | None`: The two names as they are written, source first; None where no pair of
        PAIR_COLUMNS is whole.
    """
    names = {column.strip().lower(): column for column in columns}
    pairs = (pair for pair in PAIR_COLUMNS if set(pair) <= names.keys())
    return next(((names[first], names[second]) for first, second in pairs), None)


def text_columns(records: Collection[Record], source: Source) -> Columns:
    """Select the columns of a table's texts, by its first records.

    `id` may be Indonesian or what rows are called: it is text where `languages` names it or,
    without any, where one of its values has a blank. Columns of PAIR_COLUMNS are in the two
    `languages` of the source, where none is named after a language.

    Args:
        records (`Collection[Record]`): The first records.
        source (`Source`): The source that they are of; its `languages` decide, if it has some.

    Returns:
        `Columns`: {column: code} of the texts, and the columns in languages that LMT does not have.

    Raises:
        InputError: Two columns are in one language.
    """
    columns = dict.fromkeys(column for record in records for column in record)
    codes: dict[str, str] = {}
    others: list[str] = []
    for column in columns:
        name = column.removeprefix("sentence_")  # as in facebook/flores
        code = source.code_of(name)
        if code is None and is_language_name(name) and _has_text(records, column):
            others.append(column)
        if code is None or not source.reads(name):
            # A column `en` of ids, or without any text in the first records, is no language that was left out.
            continue
        if column == IDENTIFIER and not source.languages and not _is_text(records):
            continue
        if code in codes.values():
            other = next(column_of_code for column_of_code in codes if codes[column_of_code] == code)
            raise InputError(
                f"{source.name}: columns {other!r} and {column!r} are both {code}; remove one of "
                f"them, or say which to read with --languages {code}={other} "
                f"(languages: {{{code}: {other}}})"
            )
        codes[column] = code
    pair = pair_columns(columns)
    if not codes and pair and len(source.languages) == 2:
        return Columns(dict(zip(pair, source.languages, strict=True)), tuple(others))
    return Columns(codes, tuple(others))


def _has_text(records: Collection[Record], column: str) -> bool:
    return any(isinstance(record.get(column), str) and record[column] for record in records)


def _is_text(records: Collection[Record]) -> bool:
    values = [record.get(IDENTIFIER) for record in records]
    return any(isinstance(value, str) and " " in value.strip() for value in values)


def table_unit(location: str, record: Record, columns: Columns, kept: Collection[str] = ()) -> Unit:
    """Read a line of a table; texts in languages that LMT does not have are under their columns' names.

    Args:
        location (`str`): The beginning of messages.
        record (`Record`): The line.
        columns (`Columns`): Its columns of texts.
        kept (`Collection[str]`, *optional*, defaults to `()`): Columns that go along as text.

    Returns:
        `Unit`: The unit.
    """
    texts = {column: record.get(column) for column in columns.texts}
    _check_texts(location, texts)
    texts = {columns.texts[column]: text for column, text in texts.items()}
    texts |= {name: record[name] for name in columns.others if isinstance(record.get(name), str)}
    cells = {name: str(record[name]) for name in kept if record.get(name) is not None}
    line = whole_number(record.get("line"))
    return Unit(texts, _row_id(record, columns.texts), _corpus(record), line, kept=cells)


def translation_unit(location: str, record: Record) -> Unit:
    """Read a row of WMT, OPUS or LMT-60-sft-data on the Hub: `{"translation": {"en": .., "de": ..}}`.

    Args:
        location (`str`): File and row, for messages.
        record (`Record`): The row.

    Returns:
        `Unit`: The texts by language, as the row names it, with its id and corpus.

    Raises:
        InputError: there are no two texts, or one of them is no text.
    """
    texts = record.get("translation")
    if not isinstance(texts, Mapping) or len(texts) < 2:
        raise InputError(
            f'{location}: translation is {_short(texts)}; give {{"translation": {{LANGUAGE: text, LANGUAGE: text}}}}'
        )
    _check_texts(location, texts)
    return Unit(dict(texts), _row_id(record), _corpus(record))


def smol_units(location: str, record: Record) -> Iterator[Unit]:
    """Yield the sentences of a row of google/smol (arXiv 2502.12301).

    SmolSent has a sentence and its translation (`src`, `trg`), SmolDoc the sentences of a document
    (`srcs`, `trgs`), Gatitos several translations of one expression (`src`, `trgs`).

    Args:
        location (`str`): File and row, for messages.
        record (`Record`): The row.

    Yields:
        `Unit`: Each sentence in its two languages, with an id of its own where several share the row's.

    Raises:
        InputError: a side is missing, or the sides have different numbers of sentences.
    """
    source, target = str(record.get("sl")), str(record.get("tl"))
    sources = record["srcs"] if record.get("srcs") is not None else record.get("src")
    targets = record["trgs"] if record.get("trgs") is not None else record.get("trg")
    if isinstance(targets, str):
        targets = [targets]
    if isinstance(sources, str):
        sources = [sources] * len(targets or [])
    if not isinstance(sources, list) or not isinstance(targets, list):
        raise InputError(f"{location}: needs src or srcs, and trg or trgs, as in google/smol")
    if len(sources) != len(targets):
        raise InputError(
            f"{location}: has {len(sources)} sentences in srcs and {len(targets)} in trgs: the row is "
            "misaligned; remove it"
        )
    for index, pair in enumerate(zip(sources, targets, strict=True)):
        texts = dict(zip((source, target), pair, strict=True))
        _check_texts(location, texts)
        # Sentences of one document share its id, and copies by id are taken
        # for one: the position keeps them apart.
        row_id = _row_id(record)
        yield Unit(texts, f"{row_id}/{index}" if row_id and len(targets) > 1 else row_id)


def _check_texts(location: str, texts: Mapping[str, Any]) -> None:
    for name, text in texts.items():
        if text is not None and not isinstance(text, str):
            raise InputError(
                f"{location}: {name} is {_short(text)}, and must be text; name the languages to read "
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
    """Read a whole number; None for what is none.

    Args:
        value (`Any`): The value of a cell.

    Returns:
        `int | None`: The number, or None.
    """
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
