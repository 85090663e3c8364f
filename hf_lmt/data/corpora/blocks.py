"""The sentences of a source to rows, block by block, and the tally of what became of them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from hf_lmt.data.corpora.contents import Contents
from hf_lmt.data.corpora.multiway import ROW_SCHEMA, expand_block, with_columns, with_keys
from hf_lmt.data.corpora.shapes import Record, Unit, whole_number
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import count_lines
from hf_lmt.data.corpora.variants import VARIANTS, Version, further_pairs, is_special, names_by_code, unit_rows
from hf_lmt.directions import Direction
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

ROWS, SENTENCES = 60_000, 5_000  # that a block may give, and hold, at the most


@dataclass
class Tally:
    """Counts of the sentences and texts of a source, as `load.Loaded` describes them.

    Attributes:
        sentences (`int`, *optional*, defaults to `0`): Sentences that were read.
        rows (`int`, *optional*, defaults to `0`): Rows that were made of them.
        without_rows (`int`, *optional*, defaults to `0`): Sentences that gave no row.
        further_pairs_left_out (`int`, *optional*, defaults to `0`): Pairs of units with very many texts of a
            language.
        languages (`Counter[str]`, *optional*): {code: texts}.
        other_languages (`Counter[str]`, *optional*): {name: texts} of languages that LMT does not have.
        variants (`Counter[str]`, *optional*): {name: units} of languages that a unit has under several names.
        names (`set[str]`, *optional*): Names of languages that were seen.
    """

    sentences: int = 0
    rows: int = 0
    without_rows: int = 0
    further_pairs_left_out: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    other_languages: Counter[str] = field(default_factory=Counter)
    variants: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)

    def counts(self, notes: Mapping[str, int]) -> dict[str, Any]:
        """Return the counts as JSON; counts that are nearly always 0 are left out where they are.

        Args:
            notes (`Mapping[str, int]`): Counts of the reader, such as units left out.

        Returns:
            `dict[str, Any]`: The counts by name.
        """
        seldom = {
            **notes,
            "further_pairs_left_out": self.further_pairs_left_out,
            "variants": dict(sorted(self.variants.items())),
        }
        return {
            "sentences": self.sentences,
            "rows": self.rows,
            "without_rows": self.without_rows,
            "languages": dict(sorted(self.languages.items())),
            "other_languages": dict(sorted(self.other_languages.items())),
            **{name: count for name, count in seldom.items() if count},
        }


def merged_tallies(tallies: Iterable[Tally]) -> Tally:
    """Sum the tallies of the parts of a source.

    Args:
        tallies (`Iterable[Tally]`): The tallies of the parts.

    Returns:
        `Tally`: The sums.
    """
    merged = Tally()
    for tally in tallies:
        for name, count in vars(tally).items():
            total = getattr(merged, name)
            if isinstance(count, int):
                setattr(merged, name, total + count)
            else:
                total.update(count)
    return merged


def row_schema(contents: Contents) -> pa.Schema:
    """Return the columns of the rows: ROW_SCHEMA, those that are kept, and variants of languages.

    Args:
        contents (`Contents`): The contents of the source.

    Returns:
        `pa.Schema`: The columns, in order.
    """
    return with_columns(ROW_SCHEMA, (*contents.kept, *VARIANTS))


def row_blocks(
    source: Source,
    contents: Contents,
    directions: list[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> Iterator[pa.Table]:
    """Yield tables of `row_schema`; `tally` is filled on the way.

    Args:
        source (`Source`): The source.
        contents (`Contents`): Its contents.
        directions (`list[Direction]`): The directions to make rows of.
        auxiliaries (`bool`): Whether rows get the text of their auxiliary language as a hint.
        tally (`Tally`): Counts of what became of the sentences, filled on the way.

    Yields:
        `pa.Table`: The rows of the next sentences, with the columns of `row_schema`.

    Raises:
        InputError: The source cannot be read as what it says it is.
    """
    schema = row_schema(contents)
    for name, path in contents.other_files.items():
        tally.other_languages[name] += count_lines(path)
    items: Any = contents.records if contents.units is None else contents.units
    for batch in _batches(items):
        if contents.units is None:
            parts = [_program_rows(source, batch, directions, auxiliaries, tally)]
        else:
            parts = _unit_rows(source, contents, batch, directions, auxiliaries, tally)
        tally.sentences += len(batch)
        rows = pa.concat_tables(_completed(part, schema) for part in parts)
        tally.rows += len(rows)
        yield rows


def _completed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Add the columns that rows lack, with nulls."""
    for name in schema.names:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(len(rows), pa.string()))
    return rows.select(schema.names).cast(schema)


def _unit_rows(
    source: Source,
    contents: Contents,
    units: list[Unit],
    directions: list[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> list[pa.Table]:
    """Make the rows of units with one text of each language in one table, and those of the others one by one."""
    read = [_versions(source, unit, tally) for unit in units]
    special = [index for index, versions in enumerate(read) if is_special(versions)]
    lines = _lines(source, contents, units, read, tally.sentences)
    # Units with one text of each language, nearly all, become columns: Arrow
    # then makes the rows of a direction at once.
    rows = expand_block(
        lines,
        directions,
        auxiliaries=auxiliaries,
        multiway=source.multiway,
        kept=contents.kept,
    )
    tally.without_rows += _without_rows(lines, directions) - len(special)
    if not special:
        return [rows]
    requested_directions = frozenset(directions)
    special_rows: list[dict[str, Any]] = []
    for index in special:
        rows_of_unit = list(_special_rows(source, units[index], read[index], requested_directions, auxiliaries, tally))
        tally.without_rows += not rows_of_unit
        line = tally.sentences + index if units[index].line is None else units[index].line
        # A line number marks a sentence that many languages share, and
        # downsampling by `line` thins such rows alone.
        multiway = len({version.code for version in read[index]}) > 2
        multiway = multiway if source.multiway is None else source.multiway
        special_rows += [row | {"line": line if multiway else None} for row in rows_of_unit]
    return [rows, with_keys(pa.Table.from_pylist(special_rows, row_schema(contents)))]


def _versions(source: Source, unit: Unit, tally: Tally) -> list[Version]:
    """List the texts of a unit that are read; all are counted by language."""
    versions = []
    for name, text in (*unit.texts.items(), *unit.further):
        if text is None:
            continue
        code = source.code_of(name)
        if code is None:
            tally.other_languages[name] += 1
            continue
        tally.names.add(name)
        if source.reads(name):
            tally.languages[code] += 1
            versions.append(Version(code, name, text))
    return versions


def _special_rows(
    source: Source,
    unit: Unit,
    versions: list[Version],
    requested_directions: frozenset[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a unit with two texts of a language."""
    for names in names_by_code(versions).values():
        tally.variants.update(names if len(names) > 1 else ())
    pairs, left_out = further_pairs(versions, requested_directions)
    tally.further_pairs_left_out += left_out
    corpus = unit.corpus or source.corpus_name
    for row in unit_rows(versions, pairs, requested_directions, auxiliaries):
        for name in ("source", "target", "auxiliary"):
            row[name] = None if row[name] is None else unicodedata.normalize("NFC", row[name])
        row["corpus"] = unicodedata.normalize("NFC", corpus)
        yield {**row, "row_key": unit.row_id, **unit.kept}


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield records, or units, as many at a time as a block may hold."""
    batch: list[Any] = []
    rows = 0
    for item in items:
        batch.append(item)
        # A sentence in n languages gives up to 4 rows for each of them;
        # blocks are bounded by rows, not by sentences.
        if isinstance(item, Unit):  # from and into English and Chinese
            rows += 4 * (len(item.further) + sum(text is not None for text in item.texts.values()))
        if rows >= ROWS or len(batch) == SENTENCES:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _lines(
    source: Source,
    contents: Contents,
    units: list[Unit],
    read: list[list[Version]],
    first: int,
) -> pa.Table:
    """Put units into a table: a column of texts per language; corpus, row_key, line, and those kept.

    A unit with two texts of a language has a line without texts.

    Args:
        source (`Source`): Names the corpus of units that name none.
        contents (`Contents`): Says which further columns are kept.
        units (`list[Unit]`): The units.
        read (`list[list[Version]]`): The texts of each unit.
        first (`int`): The position of the first unit in the source.
    """
    texts: dict[str, list[str | None]] = {}
    # A special unit keeps its line, empty, so that the numbers of lines are those of the source.
    for index, versions in enumerate(read):
        for version in versions if not is_special(versions) else ():
            texts.setdefault(version.code, [None] * len(units))[index] = version.text
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
        | {name: pa.array([unit.kept.get(name) for unit in units], pa.string()) for name in contents.kept}
    )


def _without_rows(lines: pa.Table, directions: list[Direction]) -> int:
    """Count the lines that have no two texts of a direction."""
    has_text = {name: lines[name].is_valid().to_numpy() for name in lines.column_names if name in LANGUAGES}
    gives_row = sum(
        has_text[direction.source] & has_text[direction.target]
        for direction in directions
        if direction.source in has_text and direction.target in has_text
    )
    return int((gives_row == 0).sum()) if not isinstance(gives_row, int) else len(lines)


def _program_rows(
    source: Source,
    batch: list[tuple[str, Record]],
    directions: list[Direction],
    auxiliaries: bool,
    tally: Tally,
) -> pa.Table:
    """Select the rows of this program's form in the asked directions."""
    requested_directions, rows = set(directions), []
    for location, record in batch:
        row = _program_row(location, record, source, tally)
        _check_auxiliary(location, row)
        if not auxiliaries:
            row |= {"auxiliary_lang": None, "auxiliary": None}
        whole = row["source"] is not None and row["target"] is not None
        if whole and (row["source_lang"], row["target_lang"]) in requested_directions:
            rows.append(row)
    tally.without_rows += len(batch) - len(rows)
    return with_keys(pa.Table.from_pylist(rows, ROW_SCHEMA))


def _program_row(location: str, record: Record, source: Source, tally: Tally) -> dict[str, Any]:
    """Read one row; what CSV has no cell for is empty there, and null here."""
    return {
        "source_lang": _code(record, "source_lang", source, tally),
        "target_lang": _code(record, "target_lang", source, tally),
        "source": _text(location, record, "source"),
        "target": _text(location, record, "target"),
        "auxiliary_lang": _text(location, record, "auxiliary_lang") or None,
        "auxiliary": _text(location, record, "auxiliary") or None,
        "corpus": _text(location, record, "corpus") or source.corpus_name,
        "row_key": None if record.get("row_key") in (None, "") else str(record["row_key"]),
        "line": whole_number(record.get("line")),
    }


def _check_auxiliary(location: str, row: dict[str, Any]) -> None:
    code, direction = row["auxiliary_lang"], (row["source_lang"], row["target_lang"])
    if code in direction:
        raise InputError(
            f"{location}: auxiliary_lang is {code}, a language of {'-'.join(direction)} itself; give "
            "a third one, or leave auxiliary_lang and auxiliary empty"
        )


def _code(record: Record, column: str, source: Source, tally: Tally) -> str:
    name = str(record.get(column))
    code = source.code_of(name)
    tally.names.add(name)
    if code is None or not source.is_chosen(name):
        tally.other_languages[name] += code is None
        return name
    tally.languages[code] += 1
    return code


def _text(location: str, record: Record, name: str) -> str | None:
    text = record.get(name)
    if text is not None and not isinstance(text, str):
        raise InputError(f"{location}: {name} is {text!r}, and must be text")
    return None if text is None else unicodedata.normalize("NFC", text)
