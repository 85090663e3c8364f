"""DATA, as it is given on the command line, to a `datasets.IterableDataset`: rows as they come."""

from __future__ import annotations

import glob
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.csv_files import csv_options
from hf_miwv.common.reading.diagnosis import check_repository, diagnose_file, reason
from hf_miwv.common.reading.reading import (
    ARROW_FOLDER_FILES,
    check_file,
    default_split,
    quiet_library,
    read_splits,
)
from hf_miwv.common.reading.source import Source

if TYPE_CHECKING:
    from datasets import IterableDataset

logger = logging.getLogger(__name__)


def open_stream(source: Source | str | os.PathLike[str], *, limit: int | None = None) -> tuple[IterableDataset, str]:
    """Open the rows of a file, a folder or a Hub data set as a stream.

    Takes what `hf_miwv.common.reading.reading.read_dataset` takes, with the same meaning, but for folders that
    `save_to_disk` wrote and for slices of a split. Nothing but the beginning is read here. A JSON file
    that is one document, not lines, is in memory as a whole while its rows are taken.

    Args:
        source (`Source | str | PathLike`): The source, or its path or id on the Hub.
        limit (`int`, *optional*): Take the first so many rows.

    Returns:
        `tuple[IterableDataset, str]`: The stream and the name of its split; with a `limit` the name says so,
        as the slice "train[:100]" would.

    Raises:
        InputError: no such data, or data that cannot be read as a stream.
    """
    source = Source.parse(source)
    if limit is not None and limit < 1:
        raise InputError(f"--max-samples {limit}: give the number of rows to take, 1 or more")
    splits = read_splits(source, _open_file, _open_folder, _open)
    name = default_split(splits, source.id) if source.split is None else _named(splits, source.id, source.split)
    if limit is None:
        return splits[name], name
    logger.info("the first %s rows of %s are taken, and none after them", f"{limit:,}", source)
    return splits[name].take(limit), f"{name}[:{limit}]"


def _open_file(path: Path, field: str | None) -> dict[str, Any]:
    from datasets import load_dataset

    from hf_miwv.common.reading.json_builder import row_stream

    file_format = check_file(path, field)
    if file_format == "json":
        return {"train": row_stream([(str(path), str(path))], field)}
    try:
        with quiet_library():
            options = csv_options(path) if file_format == "csv" else {}
            # `data_files` are patterns: a file named rows[1].csv would be taken for rows1.csv.
            files = glob.escape(str(path))
            return dict(load_dataset(file_format, data_files=files, streaming=True, **options))
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds
        diagnose_file(path, file_format, error)


def _open_folder(path: Path, source: Source) -> dict[str, Any]:
    if any((path / name).is_file() for name in ARROW_FOLDER_FILES):
        raise InputError(
            f"{path}: was written by save_to_disk and lies on this disk in Arrow already; leave --streaming out"
        )
    try:
        with quiet_library():
            return _open(str(path.resolve()), name=source.config, field=source.field)
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds
        check_repository(str(path), source.config, error)
        raise InputError(
            f"{path}: the folder cannot be read as a stream ({reason(error)}); give one of its "
            "files, or leave --streaming out"
        ) from error


def _open(path: str, **options: Any) -> dict[str, Any]:
    from hf_miwv.common.reading.builders import open_builder
    from hf_miwv.common.reading.json_builder import ExactJson, stream_json

    builder = open_builder(path, **options)
    if isinstance(builder, ExactJson):
        return stream_json(builder)
    return {str(name): split for name, split in builder.as_streaming_dataset().items()}


def _named(splits: dict[str, Any], source: str, split: str) -> str:
    if split in splits:
        return split
    if "[" in split or "+" in split:
        raise InputError(
            f"{source}: --split {split!r}: a stream has no slices; give one of "
            f"{', '.join(splits)}, and --max-samples ROWS for its first rows"
        )
    raise InputError(f"{source}: has no split {split!r}; {did_you_mean(split, splits)}")
