"""A step that turns batches of columns into columns, over whatever holds the rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow
from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from hf_lmt.pool import explained_deaths
from hf_miwv.common.errors import InputError


def is_data(rows: Any) -> bool:
    """Check whether these are a data set, a stream, or splits of either, rather than a batch of columns.

    Args:
        rows (`Any`): Rows of any type.

    Returns:
        `bool`: True for the four types of `datasets`.
    """
    return isinstance(rows, (Dataset, DatasetDict, IterableDataset, IterableDatasetDict))


def rows_as_dataset(rows: Any) -> str:
    """Write the expression that makes a Dataset of rows of another type, for a message.

    >>> rows_as_dataset([{"source": "Hello."}])
    'Dataset.from_list(rows)'

    Args:
        rows (`Any`): Rows of any type.

    Returns:
        `str`: The expression, in which the rows are called `rows`.
    """
    if isinstance(rows, Dataset):
        return "rows"
    if isinstance(rows, (DatasetDict, IterableDatasetDict)):
        return f'rows["{next(iter(rows), "train")}"]'
    if isinstance(rows, pyarrow.Table):
        return "Dataset(rows)"
    if isinstance(rows, Mapping):
        return "Dataset.from_dict(rows)"
    if isinstance(rows, list):
        return "Dataset.from_list(rows)"
    if hasattr(rows, "columns"):
        return "Dataset.from_pandas(rows)"
    return "Dataset.from_list(list(rows))"


def dataset_advice(rows: Any) -> str:
    """Write what to give instead of rows of another type, with the import that it needs.

    >>> dataset_advice([{"source": "Hello."}])
    'Dataset.from_list(rows), after: from datasets import Dataset'

    Args:
        rows (`Any`): Rows of any type.

    Returns:
        `str`: The end of a sentence that begins with "give".
    """
    expression = rows_as_dataset(rows)
    needs_import = expression.startswith("Dataset")
    return f"{expression}, after: from datasets import Dataset" if needs_import else f"{expression}, to name the split"


def check_batch(step: Any, rows: Any) -> None:
    """Check that rows are a batch: columns by name, each a list of values.

    Taken are dicts and other mappings, Arrow tables and DataFrames, as `map` and `filter` hand them over. A list of
    rows is none, and the message has the line that makes a Dataset of it.

    Args:
        step (`Any`): The step that was called, for its name in the message.
        rows (`Any`): The rows that it was called with.

    Raises:
        InputError: they are no batch.
    """
    if isinstance(rows, (Mapping, pyarrow.Table)) or hasattr(rows, "columns"):
        return
    name = type(step).__name__
    raise InputError(
        f"{name} takes a datasets.Dataset, not a {type(rows).__name__}; call "
        f"{name}(...)({rows_as_dataset(rows)}), after: from datasets import Dataset"
    )


def mapped(step: Any, rows: Any, num_proc: int | None) -> Any:
    """Call `map` over a data set, a stream or each split.

    Args:
        step (`Any`): Called with batches of columns; returns columns.
        rows (`Dataset | DatasetDict | IterableDataset | IterableDatasetDict`): The rows.
        num_proc (`int | None`): Processes; a stream takes none. None to stay in this one.

    Returns:
        `Any`: The same type of rows, with the columns that the step returned.

    Raises:
        InputError: a process was killed from outside.
    """
    if isinstance(rows, (DatasetDict, IterableDatasetDict)):
        return type(rows)({name: mapped(step, part, num_proc) for name, part in rows.items()})
    # A stream is read by whoever iterates over it, and takes no processes.
    processes = {} if isinstance(rows, IterableDataset) else {"num_proc": num_proc}
    with explained_deaths(num_proc):
        return rows.with_format(None).map(step, batched=True, **processes)
