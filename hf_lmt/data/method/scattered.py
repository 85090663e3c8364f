"""Rows from anywhere in a data set, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from datasets import Dataset


class ScatteredRows:
    """Read rows by their indices, in any order, as one Arrow table.

    `dataset[indices]` cuts a table for each row; here each record batch is asked once for all of
    its rows. What is read is the memory-mapped file of the data set.

    Args:
        rows (`Dataset`): The data set, with or without a selection of indices.
    """

    def __init__(self, rows: Dataset) -> None:
        self._batches = rows.data.table.to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches])
        self._schema = rows.data.table.schema
        self._indices = None if rows._indices is None else rows._indices.column(0).to_numpy()

    def __getitem__(self, row_indices: np.ndarray) -> pa.Table:
        """Return the rows of (B,) indices, in this order."""
        # A data set that was shuffled or selected maps its rows to those of the file.
        row_indices = row_indices if self._indices is None else self._indices[row_indices].astype(np.int64)
        batch_of_row = np.searchsorted(self._ends, row_indices, "right")
        by_batch = np.argsort(batch_of_row, kind="stable")
        sorted_batches, sorted_indices = batch_of_row[by_batch], row_indices[by_batch]
        batch_numbers, starts = np.unique(sorted_batches, return_index=True)
        parts = [
            self._batches[batch_number].take(
                pa.array(indices_in_batch - self._ends[batch_number] + len(self._batches[batch_number]))
            )
            for batch_number, indices_in_batch in zip(batch_numbers, np.split(sorted_indices, starts[1:]), strict=True)
        ]
        # The rows come batch by batch; this brings them back into the order that was asked for.
        sorted_position = np.empty(len(row_indices), np.int64)
        sorted_position[by_batch] = np.arange(len(row_indices))
        table = pa.Table.from_batches(parts, self._schema).combine_chunks()
        return table.take(pa.array(sorted_position))

    def batches(self, row_indices: np.ndarray, size: int) -> Iterator[pa.Table]:
        """Yield rows by their indices, `size` at a time.

        Args:
            row_indices (`np.ndarray`): (B,) indices, in any order.
            size (`int`): Rows of a table.

        Yields:
            `pa.Table`: A table of the next rows, in the order of the indices.
        """
        for first in range(0, len(row_indices), size):
            yield self[row_indices[first : first + size]]
