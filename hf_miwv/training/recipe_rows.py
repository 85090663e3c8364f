"""The data sets of a recipe, read one behind the other as TRL's own script does."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_names import path_name
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source

BUILDERS = ("json", "csv", "parquet", "text")  # `path: json, data_files: rows.jsonl`, as in load_dataset

logger = logging.getLogger(__name__)


def read_rows(entries: Sequence[Mapping[str, Any]]) -> Dataset:
    """Read the data sets and join them in their order.

    Of `fraction` f_i, given for all or none, the first round(f_i / sum(f) x T) rows of data set i are taken,
    with T the largest number of which no data set is asked for more rows than it has (trl.get_dataset).

    Args:
        entries (`Sequence[Mapping]`): As in `train_recipe.Recipe.datasets`.

    Returns:
        `Dataset`: The rows.

    Raises:
        InputError: One cannot be read, lacks a column that is asked for, or has other columns than the first.
    """
    parts = [part for entry in entries for part in _parts(entry)]
    shares = [entry.get("fraction") for entry in entries]
    if any(share is not None for share in shares):
        parts = _shares(parts, shares, [str(entry["path"]) for entry in entries])
    for part, entry in zip(parts, entries, strict=False):
        if part.column_names != parts[0].column_names:
            raise InputError(
                f"{entry['path']}: its columns are {', '.join(part.column_names)}, and those of the first data set "
                f"{', '.join(parts[0].column_names)}; give both the same, with columns: [...] in datasets"
            )
    return concatenate_datasets(parts) if len(parts) > 1 else parts[0]


def origin_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Describe for run.json where the rows are from; of several data sets their names joined by " + ".

    Args:
        entries (`Sequence[Mapping[str, Any]]`): The data sets of the recipe, as mappings with `path`.

    Returns:
        `dict[str, Any]`: "source", and of a single data set "split", "config", "revision" and "field" where given.
    """
    names = [str(entry["path"]) for entry in entries]
    source = " + ".join(path_name(name) if Source.parse(name).is_local else name for name in names)
    first = entries[0] if len(entries) == 1 else {}
    keys = {"split": "split", "config": "name", "revision": "revision", "field": "field"}
    return {"source": source, **{key: first[name] for key, name in keys.items() if first.get(name) is not None}}


def _parts(entry: Mapping[str, Any]) -> list[Dataset]:
    path, files = str(entry["path"]), entry.get("data_files")
    if isinstance(files, Mapping):
        raise InputError(f"{path}: data_files: give a file or a list of files, not {dict(files)!r}")
    paths = [path] if files is None else [files] if isinstance(files, str) else list(files)
    if files is not None and path not in BUILDERS:
        paths = [f"{path}/{name}" for name in paths]
    if entry.get("data_dir"):
        paths = [f"{name}/{entry['data_dir']}" for name in paths]
    inside = files is not None or entry.get("data_dir")
    if inside and not (path in BUILDERS or Source.parse(path).is_local):
        raise InputError(
            f"{path}: data_dir and data_files can be given for files and folders here; of a data set on the Hub give "
            "the configuration (name), or download the files"
        )
    options = {"split": entry.get("split"), "config": entry.get("name"), "field": entry.get("field")}
    parts = []
    for name in paths:
        logger.info("reading %s", name)
        part = read_dataset(Source.parse(name, entry.get("revision"), **options))
        if missing := [column for column in entry.get("columns") or () if column not in part.column_names]:
            raise InputError(f"{name}: has no column {missing[0]!r}; it has {', '.join(part.column_names)}")
        parts.append(part.select_columns(list(entry["columns"])) if entry.get("columns") else part)
    return parts if len(parts) == 1 or not entry.get("fraction") else [concatenate_datasets(parts)]


def _shares(parts: list[Dataset], shares: list[float | None], names: list[str]) -> list[Dataset]:
    present_shares = [share for share in shares if share is not None]
    if len(present_shares) != len(parts) or min(present_shares) <= 0:
        raise InputError(f"{', '.join(names)}: give each data set a fraction above 0, or none of them")
    weights = [share / sum(present_shares) for share in present_shares]
    total = min(len(part) / weight for part, weight in zip(parts, weights, strict=True))
    return [part.select(range(round(weight * total))) for part, weight in zip(parts, weights, strict=True)]


def local_inputs(entries: Sequence[Mapping[str, Any]], *names: str | None) -> list[Path]:
    """List the paths on this machine among data sets and names, which an output must not replace.

    Args:
        entries (`Sequence[Mapping[str, Any]]`): The data sets of the recipe, as mappings with `path`.
        *names (`str | None`): Further names, such as the model's; None is passed over.

    Returns:
        `list[Path]`: The paths.
    """
    every = [*(str(entry["path"]) for entry in entries), *(name for name in names if name is not None)]
    return [path for name in every if (path := Source.parse(name).local_path)]
