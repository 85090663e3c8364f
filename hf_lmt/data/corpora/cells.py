"""Lines of cells, TSV and CSV: which cell holds a text in which language, and which a score."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from hf_lmt.data.corpora.shapes import SMOL_COLUMNS, Unit, pair_columns
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import open_bytes, separated_lines
from hf_lmt.language_codes import code_of
from hf_miwv.common.errors import InputError

UNREAD = "-"  # a cell that is passed over
SCORE = "score"
ROW_KEY, CORPUS = "row_key", "corpus"  # cells that are kept under their own name in each row
TAKEN = (  # columns that rows have of their own
    *("source_lang", "target_lang", "source", "target", "auxiliary_lang", "auxiliary", "line"),
    *("source_variant", "target_variant"),
)
_NUMBER = re.compile(r"\s*[-+]?[0-9]*[.,]?[0-9]+([eE][-+]?[0-9]+)?\s*")
_ADDRESS = re.compile(r"\s*(https?://|www\.)\S*\s*")


class Lines(NamedTuple):
    """Hold the lines of a file of cells.

    Attributes:
        units (`Iterator[Unit]`): The units, read when they are iterated over.
        kept (`tuple[str, ...]`): Names of cells that are columns of each row.
    """

    units: Iterator[Unit]
    kept: tuple[str, ...]


def has_header(path: Path, source: Source) -> bool:
    """Check whether the first line of a TSV file names columns.

    Args:
        path (`Path`): The file.
        source (`Source`): The source that the file is of; it says which names are languages.

    Returns:
        `bool`: True where the line is no pair.

    Raises:
        InputError: the file cannot be read, or is empty.
    """
    return is_header(next(iter(separated_lines(path))), source)


def is_header(cells: Sequence[str], source: Source) -> bool:
    """Check whether cells are names of columns: two languages, or source and target.

    >>> is_header(["src", "tgt"], Source("a.tsv")), is_header(["Hello.", "Hallo."], Source("a.tsv"))
    (True, False)

    Args:
        cells (`Sequence[str]`): The cells of a line.
        source (`Source`): The source that the line is of; it says which names are languages.

    Returns:
        `bool`: True where they are.
    """
    languages = sum(source.code_of(cell) is not None for cell in cells)
    named = {cell.strip().lower() for cell in cells}
    return languages > 1 or bool({"source_lang", SMOL_COLUMNS[0]} & named) or pair_columns(named) is not None


def read_cells(path: Path, source: Source) -> Lines:
    """Read the lines of a TSV or CSV file by `source.cells`, else by its languages or the file's name.

    A first line that names columns is no pair.

    Args:
        path (`Path`): The file.
        source (`Source`): The source that the file is of.

    Returns:
        `Lines`: The units of the lines, and the columns beside the texts that are kept.

    Raises:
        InputError: Cells that cannot be, or another number of them than the lines have.
    """
    names = tuple(source.cells) or tuple(source.languages) or _languages_of_name(path)
    _check_names(path, names, source)
    kept = tuple(name for name in names if name not in (UNREAD, ROW_KEY, CORPUS) and source.code_of(name) is None)
    return Lines(_units(path, names, kept, source), kept if source.cells else ())


def _check_names(path: Path, names: Sequence[str], source: Source) -> None:
    named = [name for name in names if name != UNREAD]
    for name in named:
        if named.count(name) > 1 or name in TAKEN or not name.strip():
            why = "is there twice" if named.count(name) > 1 else "cannot be the name of a cell"
            raise InputError(
                f"{path}: cells: {name!r} {why}; give languages, names such as score, or - for a cell that is not read"
            )
    codes = [code for name in named if (code := source.code_of(name)) is not None]
    if source.cells and len(set(codes)) < 2:
        raise InputError(
            f"{path}: cells {', '.join(names)}: two languages or more must be among them; "
            f"there are: {', '.join(codes) or 'none'}"
        )
    if len(set(codes)) < len(codes):
        raise InputError(f"{path}: cells {', '.join(names)}: two of them are one language; put - for one of them")


def _units(path: Path, names: Sequence[str], kept: Sequence[str], source: Source) -> Iterator[Unit]:
    for number, cells in enumerate(_lines(path), 1):
        # A line with a cell too many would put a text under the wrong
        # language: better to refuse the file than to guess.
        if len(cells) != len(names):
            raise InputError(_misfit(path, number, cells, names, source))
        # Headers were looked for by `has_header` already; this is the file whose
        # cells the user named although it has them.
        if number == 1 and is_header(cells, source):
            continue
        line = dict(zip(names, cells, strict=True))
        texts: dict[str, str | None] = {name: text for name, text in line.items() if source.code_of(name) is not None}
        values = {name: line[name] for name in kept}
        yield Unit(texts, line.get(ROW_KEY) or None, line.get(CORPUS) or None, kept=values)


def _lines(path: Path) -> Iterator[list[str]]:
    if not path.name.lower().removesuffix(".gz").endswith(".csv"):
        yield from separated_lines(path)
        return
    csv.field_size_limit(sys.maxsize)  # a long document is no fault
    number = 0
    with open_bytes(path) as file:
        text = TextIOWrapper(file, "utf-8-sig", newline="")
        reader = csv.reader(text)
        try:
            for cells in reader:
                number = reader.line_num
                if cells:
                    yield cells
        except (csv.Error, UnicodeError) as error:
            raise InputError(f"{path}:{number + 1}: cannot be read as CSV in UTF-8 ({error}); save it so") from error
    if not number:
        raise InputError(f"{path}: the file is empty; give one with at least one line")


def _languages_of_name(path: Path) -> tuple[str, ...]:
    """Return ("en", "de") for a file called news.en-de.tsv."""
    for part in path.name.split("."):
        codes = [code_of(side) for side in part.split("-")]
        if len(codes) > 1 and all(codes):
            return tuple(code for code in codes if code)
    return ()


def _misfit(path: Path, number: int, cells: Sequence[str], names: Sequence[str], source: Source) -> str:
    """Write the message for a line with more or fewer cells than names, with what to give."""
    kinds = [_kind_of(cell) for cell in cells]
    # Every score needs a name of its own: score, score2, score3.
    for index, kind in enumerate(kinds):
        if kind == SCORE and (before := kinds[:index].count(SCORE)):
            kinds[index] = f"{SCORE}{before + 1}"
    languages = [name for name in names if source.code_of(name) is not None]
    # As many texts as languages: then the advice can be a line to paste, and not a pattern.
    if kinds.count(None) == len(languages) > 1:
        remaining = iter(languages)
        guess = ",".join(kind or next(remaining) for kind in kinds)
    else:
        guess = ",".join(kind or "LANGUAGE" for kind in kinds)
    known = ", ".join(names) or "not known"
    return (
        f"{path}:{number}: has {len(cells)} cells in its lines, and the languages of these are "
        f"{known}; give languages, one for each cell, or say what each cell holds, such as "
        f"--cells {guess} (cells: [{guess.replace(',', ', ')}]); - stands for one not to read"
    )


def _kind_of(cell: str) -> str | None:
    """Name a cell that is no text: score, or -; None for text."""
    if _NUMBER.fullmatch(cell):
        return SCORE
    return UNREAD if _ADDRESS.fullmatch(cell) else None
