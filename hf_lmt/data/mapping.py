"""A step that turns batches of columns into columns, over whatever holds the rows."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict

from hf_lmt.pool import told_of_deaths


def is_data(rows: Any) -> bool:
    """Whether these are a data set, a stream, or splits of either; and not a batch of columns."""
    return isinstance(rows, (Dataset, DatasetDict, IterableDataset, IterableDatasetDict))


def mapped(step: Any, rows: Any, num_proc: int | None) -> Any:
    """`map` over a data set, a stream or each split."""
    if isinstance(rows, (DatasetDict, IterableDatasetDict)):
        return type(rows)({name: mapped(step, part, num_proc) for name, part in rows.items()})
    processes = {} if isinstance(rows, IterableDataset) else {"num_proc": num_proc}
    with told_of_deaths(num_proc):
        return rows.with_format(None).map(step, batched=True, **processes)
