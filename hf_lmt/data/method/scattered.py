"""Rows from anywhere in a data set, many at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from datasets import Dataset


class ScatteredRows:
    """Reads rows by their places, in any order, as one Arrow table.

    `dataset[places]` cuts a table for each row; here each record batch is asked once for all of
    its rows. What is read is the memory-mapped file of the data set.
    """

    def __init__(self, rows: Dataset) -> None:
        self._batches = rows.data.table.to_batches()
        self._ends = np.cumsum([len(batch) for batch in self._batches])
        self._schema = rows.data.table.schema
        self._indices = None if rows._indices is None else rows._indices.column(0).to_numpy()

    def __getitem__(self, places: np.ndarray) -> pa.Table:
        """The rows at (B,) places, in this order."""
        places = places if self._indices is None else self._indices[places].astype(np.int64)
        homes = np.searchsorted(self._ends, places, "right")
        by_home = np.argsort(homes, kind="stable")
        sorted_homes, sorted_places = homes[by_home], places[by_home]
        found, starts = np.unique(sorted_homes, return_index=True)
        parts = [
            self._batches[home].take(pa.array(own - self._ends[home] + len(self._batches[home])))
            for home, own in zip(found, np.split(sorted_places, starts[1:]), strict=True)
        ]
        back = np.empty(len(places), np.int64)
        back[by_home] = np.arange(len(places))
        table = pa.Table.from_batches(parts, self._schema).combine_chunks()
        return table.take(pa.array(back))

    def batches(self, places: np.ndarray, size: int) -> Iterator[pa.Table]:
        """The rows at (B,) places, `size` at a time."""
        for first in range(0, len(places), size):
            yield self[places[first : first + size]]
