"""The rows of a recipe: made by `prepare` beside the output, or taken from where it put them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from datasets import Dataset

from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.recipes.training_recipe import MAKING_ROWS, MODEL, TrainingRecipe, ready_words
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import read_record_of
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.processes import Processes

logger = logging.getLogger(__name__)


class PreparedRows(NamedTuple):
    """Hold the rows of a training.

    Attributes:
        dataset (`Dataset`): Rows with prompt and completion, or with text.
        run (`PreparedRecord`): run.json of `prepare`.
    """

    dataset: Dataset
    run: PreparedRecord

    @property
    def prompts(self) -> dict[str, Any] | None:
        """Return how the prompts were made: wording, form, thinking; None for a mixture."""
        return self.run["settings"]["pmp"]


def prepare_rows(recipe: TrainingRecipe, source: str, work: Path, processes: Processes) -> PreparedRows:
    """Open the rows of the recipe on every process; the first makes them, where they are not there yet.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        source (`str`): The model's name or folder, whose tokenizer the prompts are checked with.
        work (`Path`): Folder of this run's own, on a file system that all machines see.
        processes (`Processes`): The processes of the run.

    Returns:
        `PreparedRows`: The rows.

    Raises:
        InputError: as `prepare`; another machine cannot see the rows.
    """
    folder = recipe.rows or work / "rows"
    if processes.first and recipe.rows is None and read_record(folder) is None:
        _check_sources(recipe)
        data = replace(recipe.data, training={**recipe.data.training, MODEL: source})
        prepare(data, folder, progress=True)
    processes.agree(None)  # the others wait for the rows
    run = read_record(folder)
    if run is None:
        raise InputError(
            f"{folder} is not to be seen by process {processes.rank}; put output_dir on a file "
            "system that all machines share"
        )
    rows = None
    if processes.first:  # the others find what it has put into the cache
        rows = _open(folder, work)
    processes.agree(None)
    return PreparedRows(rows if rows is not None else _open(folder, work), run)


def _check_sources(recipe: TrainingRecipe) -> None:
    """Check that no source on the Hub holds rows of `prepare`, which would be thinned a second time."""
    acting = [name for name in MAKING_ROWS if recipe.content.get(name) not in (None, False)]
    for source in recipe.data.sources:
        if source.data is None or source.data.is_local:
            continue
        record = read_record_of(source.data) or {}
        if record.get("command") == "prepare":
            raise InputError(ready_words(source.name, acting))


def _open(folder: Path, work: Path) -> Dataset:
    files = sorted(str(path) for path in (folder / "data").glob("*.parquet"))
    rows = Dataset.from_parquet(files, cache_dir=str(work / "cache"))
    assert isinstance(rows, Dataset)  # noqa: S101  not a stream
    return rows


def describe(row: Mapping[str, Any]) -> str:
    """Name a row for messages: direction, key and the first words.

    Args:
        row (`Mapping[str, Any]`): A row of a translation, or with text.

    Returns:
        `str`: The name.
    """
    if row.get("source") is None:
        return f"{row.get('source_lang')} row {row.get('row_key')!r} ({row['text'][:60]!r})"
    return f"{row['source_lang']}-{row['target_lang']} row {row['row_key']!r} ({row['source'][:60]!r})"
