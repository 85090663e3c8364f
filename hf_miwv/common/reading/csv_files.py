"""CSV files: the sign between their cells, and how `datasets` is to read them."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import open_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
LOOKED_AT = 20  # rows that tell the separator, behind the header
SAMPLE = 1 << 20  # characters that these rows may have

logger = logging.getLogger(__name__)


def csv_options(path: Path) -> dict[str, Any]:
    """Choose options that read every column as text, with empty cells as "".

    Args:
        path (`Path`): A CSV or TSV file, gzipped or not.

    Returns:
        `dict[str, Any]`: Options of the library's builder "csv".

    Raises:
        InputError: the first row has more cells than the header: pandas would take its first cells
            for row names, and move all others to the wrong column.
    """
    import pandas
    from datasets import Features, Value

    separator = separator_of(path)
    if separator != _usual(path):
        logger.info("%s: its cells lie between %s", path, SEPARATORS[separator])
    options: dict[str, Any] = {"sep": separator, "keep_default_na": False}
    start = pandas.read_csv(path, nrows=1, dtype=str, **options)
    if not isinstance(start.index, pandas.RangeIndex):
        raise InputError(
            f"{path}: row 0 has more cells than the header has columns "
            f"({', '.join(start.columns)}); quote cells that hold a {separator!r}"
        )
    return {**options, "features": Features({name: Value("string") for name in start.columns})}


def folder_options(files: Iterable[Path], known: str) -> dict[str, Any]:
    """Choose the option for the separator of a folder's CSV files, where it is not the `known` one.

    Args:
        files (`Iterable[Path]`): The files.
        known (`str`): The separator that the library would use.

    Returns:
        `dict[str, Any]`: {"sep": separator}; empty where `known` is right, or the folder's card names it.

    Raises:
        InputError: the files have different separators.
    """
    separators: dict[str, Path] = {}
    for path in files:
        if known != _usual(path):  # the folder's card names it
            return {}
        separators.setdefault(separator_of(path), path)
    if len(separators) > 1:
        listed = ", ".join(f"{SEPARATORS[sign]} in {path}" for sign, path in separators.items())
        raise InputError(
            f"the cells of the files do not lie between the same signs ({listed}); give one of "
            "the files, or save them alike"
        )
    separator = next(iter(separators), known)
    if separator == known:
        return {}
    logger.info("%s: its cells lie between %s", separators[separator], SEPARATORS[separator])
    return {"sep": separator}


def separator_of(path: Path) -> str:
    """Find the sign that cuts the header and the first rows into the same number of cells, 2 or more.

    That of the file's ending is tried first, then those of SEPARATORS in their order.

    Args:
        path (`Path`): A CSV or TSV file, gzipped or not.

    Returns:
        `str`: The separator; that of the file's ending where none fits, or the file cannot be read.
    """
    usual = _usual(path)
    try:
        with open_text(path) as file:
            sample = file.read(SAMPLE)
            complete = len(sample) < SAMPLE
    except (OSError, EOFError, UnicodeDecodeError):  # the reader itself will say what is wrong
        return usual
    # A sample may end inside a line; a cut line would have fewer cells.
    if not complete:
        sample = sample[: sample.rfind("\n") + 1]
    for separator in dict.fromkeys((usual, *SEPARATORS)):
        if _fits(sample, separator, complete):
            return separator
    return usual


def _fits(sample: str, separator: str, complete: bool) -> bool:
    """Check whether the sign cuts all rows of the sample into the same number of cells, 2 or more."""
    widths = []
    try:
        lines = csv.reader(StringIO(sample, newline=""), delimiter=separator, strict=True)
        for row in islice(filter(None, lines), LOOKED_AT + 1):
            widths.append(len(row))
    except csv.Error as error:
        # A cell may be longer than the module reads; else a quote is not where it may be.
        if "field limit" not in str(error):
            return False
    if not complete and 1 < len(widths) <= LOOKED_AT:
        widths.pop()  # cut in the middle, perhaps
    return bool(widths) and widths[0] > 1 and len(set(widths)) == 1


def _usual(path: Path) -> str:
    """Return the separator of the file's ending."""
    return "\t" if ".tsv" in path.name.lower() else ","
