"""The rows that a caller of `score` holds, names and objects alike, as one data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import (
    Dataset,
    DatasetDict,
    IterableDataset,
    IterableDatasetDict,
    concatenate_datasets,
)
from pyarrow import ArrowException, Table, concat_tables

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.license import license_of
from hf_miwv.common.reading.json_types import RowTypes, rows_table
from hf_miwv.common.reading.reading import read_dataset, take_slice
from hf_miwv.common.reading.source import Source

BLOCK = 1000  # rows brought into Arrow at a time
TAKES = (
    "a Hub id, a path, a list of dicts, a pandas or polars DataFrame, a datasets.Dataset, a "
    "DatasetDict or an IterableDataset"
)


def take_rows(
    data: Any,
    *,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    field: str | None = None,
) -> tuple[Dataset | IterableDataset, dict[str, Any]]:
    """Bring an object that holds rows into a data set.

    Args:
        data (`Any`): A Hub id or path, as `hf_miwv.common.reading.reading.read_dataset` takes it; a list of
            dicts, which gives the same as a JSON file of the same rows; a pandas or polars DataFrame; a data
            set of `datasets`, or several as its splits.
        split (`str`, *optional*): One of several splits, or a slice such as "train[:100]".
        config (`str`, *optional*): For a Hub id or path, as in `read_dataset`.
        revision (`str`, *optional*): For a Hub id, as in `read_dataset`.
        field (`str`, *optional*): For a Hub id or path, as in `read_dataset`.

    Returns:
        `tuple[Dataset | IterableDataset, dict[str, Any]]`: The rows, and where they come from: "source",
        "split", "config", "revision", "field" and "license" of data that was given by name, else nothing.

    Raises:
        InputError: data of another type, data that cannot be read, options that are not for this
            data, a split that does not exist, or none named where there are several.
    """
    if isinstance(data, (str, Path)):
        source = Source.parse(data, revision, split=split, config=config, field=field)
        return read_dataset(source), {**source.facts(), "license": license_of(source)}
    for option, value in (("config", config), ("data_revision", revision), ("field", field)):
        if value is not None:
            raise InputError(
                f"{option}={value!r} is for data given as a Hub id or path, and these rows came "
                f"as {_type_name(data)}; leave it out"
            )
    if isinstance(data, (DatasetDict, IterableDatasetDict)):
        return _of_splits(data, split), {}
    if split is not None:
        raise InputError(
            f"split={split!r} is for a Hub id, a path or a DatasetDict, and these rows came as "
            f"{_type_name(data)}; leave it out"
        )
    if isinstance(data, (Dataset, IterableDataset)):
        return data, {}
    if isinstance(data, (list, tuple)):
        return rows_dataset(data), {}
    if _comes_from(data, "pandas", "DataFrame"):
        return _from_pandas(data), {}
    if _comes_from(data, "polars", "DataFrame"):
        return Dataset.from_polars(data), {}
    raise InputError(f"the rows came as {_type_name(data)}; {_advice(data)}")


def rows_dataset(rows: Sequence[Any], name: str = "the list") -> Dataset:
    """Make the data set of a list of dicts: the same as of a JSON file of these rows.

    Args:
        rows (`Sequence[Any]`): The dicts.
        name (`str`, *optional*, defaults to `"the list"`): Their name in messages.

    Returns:
        `Dataset`: The rows.

    Raises:
        InputError: an object that is no row, or no rows at all.
    """
    # Two passes, because a late row may be the first with a key or with a fraction: types first, then tables.
    types = RowTypes()
    for index, row in enumerate(rows):
        types.add(row, index, f"{name}: row {index}")
    if not types.columns:
        raise InputError(f"{name} holds no rows; give at least two dicts with the same keys")
    located = ((f"{name}: row {index}", row) for index, row in enumerate(rows))
    tables: list[Table] = []
    while block := list(islice(located, BLOCK)):
        tables.append(rows_table(block, types))
    return Dataset(concat_tables(tables, promote_options="permissive"))


def _of_splits(splits: DatasetDict | IterableDatasetDict, split: str | None) -> Dataset | IterableDataset:
    names = list(splits)
    if split is None:
        if len(names) != 1:
            raise InputError(
                f"the rows came as a {type(splits).__name__} with "
                f"{'the splits ' + ', '.join(names) if names else 'no splits'}; choose one: "
                f"score(..., split={names[0] if names else 'train'!r})"
            )
        return splits[names[0]]
    if isinstance(splits, DatasetDict):
        return take_slice(splits, "the DatasetDict", split)
    if split not in splits:
        raise InputError(f"the IterableDatasetDict has no split {split!r}; {did_you_mean(split, names)}")
    return splits[split]


def _from_pandas(frame: Any) -> Dataset:
    """Read the rows of a DataFrame without its index; objects and lists in cells stay as they are."""
    if not all(isinstance(name, str) for name in frame.columns):
        names = ", ".join(map(repr, frame.columns))
        raise InputError(f"the DataFrame has columns that are not named by text ({names}); rename them")
    if not frame.columns.is_unique:
        repeated = sorted(set(frame.columns[frame.columns.duplicated()]))
        raise InputError(f"the DataFrame has two columns named {', '.join(repeated)}; rename one")
    # `from_pandas` would give all dicts of a column the same keys, and fill the missing ones with null.
    nested = [name for name in frame.columns if _holds_objects(frame[name])]
    parts = []
    if flat := [name for name in frame.columns if name not in nested]:
        try:
            parts.append(Dataset.from_pandas(frame[flat], preserve_index=False))
        except ArrowException as error:
            raise InputError(f"the DataFrame cannot be read ({error}); give each column one type") from error
    if nested:
        rows = [
            {name: value if isinstance(value, (list, dict)) else None for name, value in row}
            for row in (zip(nested, cells, strict=True) for cells in frame[nested].values)
        ]
        parts.append(rows_dataset(rows, "the DataFrame"))
    if not parts:
        raise InputError("the DataFrame has no columns; give one with at least two rows")
    return concatenate_datasets(parts, axis=1).select_columns(list(frame.columns))


def _holds_objects(column: Any) -> bool:
    """Check whether the cells are lists or dicts, beside missing ones."""
    if column.dtype != object:
        return False
    cells = [value for value in column if isinstance(value, (list, dict))]
    return bool(cells) and len(cells) == len(column) - int(column.isna().sum())


def _comes_from(value: Any, package: str, name: str) -> bool:
    """Check whether a class of this name in the package is the value's, without importing it."""
    return any(kind.__name__ == name and kind.__module__.partition(".")[0] == package for kind in type(value).__mro__)


def _type_name(value: Any) -> str:
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package}.{kind.__name__}"


def _advice(data: Any) -> str:
    if isinstance(data, Mapping) and any(isinstance(value, Dataset) for value in data.values()):
        return f'choose the split: score(rows["{next(iter(data))}"], ...)'
    if isinstance(data, Mapping):
        return "for a list for each column, give datasets.Dataset.from_dict(rows)"
    if _comes_from(data, "polars", "LazyFrame"):
        return "give rows.collect()"
    if hasattr(data, "__iter__"):
        return f"give list(rows), if it holds dicts, or {TAKES}"
    return f"give {TAKES}"
