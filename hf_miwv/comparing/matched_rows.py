"""Scored folders -> the same rows in the same order, and what a comparison shows of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.folder import read_record
from hf_miwv.results.methods import row_keys
from hf_miwv.results.row_sources import NO_VALUE, data_columns
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import Shape

MAX_CHARACTERS = 1000  # of a text that is shown


class Scored(NamedTuple):
    """Hold a scored folder.

    Row i is the same row in all folders of a comparison: the rows are in the first one's order.

    Attributes:
        name (`str`): The name that it is shown under.
        dataset (`Dataset`): Its N rows.
        columns (`ScoreColumns`): Their scores.
        run (`ScoredRecord`): Its run.json.
    """

    name: str
    dataset: Dataset
    columns: ScoreColumns
    run: ScoredRecord


def read_scored(folders: Sequence[str | Path]) -> list[Scored]:
    """Read the folders, each with its rows in the order of the first.

    Args:
        folders (`Sequence[str | Path]`): Folders, here or on the Hub (OWNER/NAME or OWNER/NAME@REVISION).

    Returns:
        `list[Scored]`: The folders.

    Raises:
        InputError: a folder that `hf-miwv score` did not write or that is given twice, or folders that do
            not hold the same rows.
    """
    names = folder_names([Path(folder).expanduser() for folder in folders])
    scored: list[Scored] = []
    for name, folder in zip(names, folders, strict=True):
        path = fetch_folder(folder)
        run = _read_run(path)
        dataset = read_dataset(path)
        if scored:
            # Folders are compared row by row, and another order of the rows must not look like another score.
            dataset = dataset.select(match_rows(scored[0].dataset, dataset, (scored[0].name, name)))
        scored.append(Scored(name, dataset, ScoreColumns.from_dataset(dataset), run))
    return scored


def _read_run(path: Path) -> ScoredRecord:
    run: ScoredRecord | None = read_record(path)
    if run is None:
        raise InputError(f"{path} has no run.json; give a folder that `hf-miwv score` wrote")
    if run["command"] != "score":
        raise InputError(
            f"{path} was written by `hf-miwv {run['command']}`; give the folder with all the "
            "rows, which `hf-miwv score` wrote"
        )
    return run


def folder_names(folders: Sequence[Path]) -> list[str]:
    """Return the last part of each path, or as many of its last parts as tell all of them apart.

    A folder in the Hub's cache is called by repository and commit.

    Args:
        folders (`Sequence[Path]`): The folders.

    Returns:
        `list[str]`: A name for each.

    Raises:
        InputError: one folder is given twice.

    >>> folder_names([Path("/a/scored"), Path("/b/scored")])
    ['a/scored', 'b/scored']
    """
    for folder, times in Counter(folder.resolve() for folder in folders).items():
        if times > 1:
            raise InputError(f"{folder} is given {times} times; give each scored folder once")
    shown = [path_name(str(folder.absolute())) for folder in folders]
    if len(set(shown)) == len(shown):
        return shown
    parts = [folder.absolute().parts[1:] for folder in folders]
    lengths = range(1, max(len(part) for part in parts) + 1)
    tails = (["/".join(part[-length:]) for part in parts] for length in lengths)
    return next(names for names in tails if len(set(names)) == len(names))


def match_rows(first: Dataset, other: Dataset, names: tuple[str, str]) -> np.ndarray:
    """Find for each row of `first` the position of the same row in `other`.

    The same row: of the same `row_keys`, which means equal in every column but those that scoring
    adds; copies are matched in their order.

    Args:
        first (`Dataset`): N rows.
        other (`Dataset`): The same rows in any order.
        names (`tuple[str, str]`): Names of the two, for the message.

    Returns:
        `np.ndarray`: (N,) int64 positions.

    Raises:
        InputError: not all rows match; with the number of those that do.
    """
    keys, other_keys = row_keys(first), row_keys(other)
    position_of = {key: position for position, key in enumerate(other_keys)}
    matched = sum(key in position_of for key in keys)
    if matched == len(keys) == len(other_keys):
        return np.array([position_of[key] for key in keys], dtype=np.int64)
    name, other_name = names
    # The likeliest cause: one folder has a column more, and with it no row is equal.
    differing = sorted({*data_columns(first)} ^ {*data_columns(other)})
    columns = f" (columns that only one of them has: {', '.join(differing)})" if differing else ""
    raise InputError(
        f"{name} and {other_name} do not hold the same rows: {matched} of the {len(keys)} rows of {name} "
        f"are among the {len(other_keys)} of {other_name}, by the content of their own columns{columns}; "
        "give folders that were scored from the same data"
    )


def check_text_columns(dataset: Dataset, columns: Sequence[str]) -> None:
    """Check that the data set has these columns.

    Args:
        dataset (`Dataset`): The rows.
        columns (`Sequence[str]`): The columns that were asked for.

    Raises:
        InputError: it lacks one of them.
    """
    for column in columns:
        if column not in dataset.column_names:
            hint = did_you_mean(column, data_columns(dataset))
            raise InputError(f"--text-column {column}: there is no such column; {hint}")


def example_texts(scored: Scored, position: int, columns: Sequence[str]) -> dict[str, str]:
    """Return the texts to show of the row at `position`: these columns, or prompt and response if none is named.

    A text of more than `MAX_CHARACTERS` is cut there, and says how much is missing.

    Args:
        scored (`Scored`): The scored rows.
        position (`int`): Position of the row.
        columns (`Sequence[str]`): Columns to show.

    Returns:
        `dict[str, str]`: Column -> text.
    """
    row: Mapping[str, Any] = scored.dataset[position]
    if columns:
        return {name: shorten(_as_text(row[name])) for name in columns}
    shape = Shape(scored.run["data"]["shape"], scored.run["data"]["columns"])
    example = read_example(row, shape, position)
    return {"prompt": shorten(example.bare_prompt), "response": shorten(example.shown_response)}


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return NO_VALUE if value is None else json.dumps(value, ensure_ascii=False, default=str)


def shorten(text: str) -> str:
    """Return the text, or its first `MAX_CHARACTERS` with the number of those that are left out.

    Args:
        text (`str`): Any text.

    Returns:
        `str`: The text to show.
    """
    missing = len(text) - MAX_CHARACTERS
    return text if missing <= 0 else f"{text[:MAX_CHARACTERS]} … ({missing:,} characters more)"
