"""The chosen rows of a training set, as a data set whose rows may change but not their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


class ChosenRows(torch.utils.data.Dataset):
    """Show the rows `rows` of `dataset`, in this order, to a Trainer's data loader.

    The number of rows never changes, because steps and schedule are computed from it once. Workers
    of a data loader hold a copy each, made when an epoch begins.

    Args:
        dataset (`Any`): The training set.
        rows (`Sequence[int]`): Positions of the rows to show.
    """

    def __init__(self, dataset: Any, rows: Sequence[int]) -> None:
        self.dataset = dataset
        self.rows = list(rows)
        self._first_batch: list[int] | None = None

    def change(self, rows: Sequence[int], first_batch: Sequence[int] | None = None) -> None:
        """Show other rows from now on; with `first_batch`, the next batch is still read from those.

        Args:
            rows (`Sequence[int]`): Positions of the rows to show.
            first_batch (`Sequence[int]`, *optional*): Positions of the rows that the next batch is read from.

        Raises:
            ValueError: another number of rows.
        """
        for wanted in (rows, first_batch or rows):
            if len(wanted) != len(self.rows):
                raise ValueError(f"{len(wanted)} rows in place of {len(self.rows)}")
        self.rows = list(rows)
        self._first_batch = None if first_batch is None else list(first_batch)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.rows[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Read the rows of a batch: data loaders ask for them together."""
        rows = self.rows if self._first_batch is None else self._first_batch
        self._first_batch = None
        return fetch(self.dataset, [rows[index] for index in indices])


def fetch(dataset: Any, rows: Sequence[int]) -> list[Any]:
    """Read these rows of any sized data set, in one read where it allows that.

    Args:
        dataset (`Any`): The data set.
        rows (`Sequence[int]`): Positions of the rows.

    Returns:
        `list[Any]`: The rows.
    """
    if hasattr(dataset, "__getitems__"):
        return dataset.__getitems__(list(rows))
    return [dataset[row] for row in rows]
