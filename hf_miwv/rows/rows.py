"""The rows of a data set, read from Arrow when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.rows.examples import Example, read_row, unreadable
from hf_miwv.rows.schema import Shape

BLOCK = 1000  # rows read from Arrow and tokenized at a time


class Rows:
    """Read the examples of a data set from Arrow when they are asked for.

    A row that cannot be read raises an InputError that names it; in `slice` and `blocks` it
    stands there with its fault.

    Args:
        dataset (`Dataset`): The rows.
        shape (`Shape`): Their shape.
        source (`str`, *optional*, defaults to `""`): Name of the data, for messages.
    """

    def __init__(self, dataset: Dataset, shape: Shape, source: str = "") -> None:
        # Other columns may hold pictures or long texts that `datasets` would decode with every row.
        self._dataset = dataset.select_columns(list(shape.columns.values()))
        self._shape = shape
        self._source = source

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Example:
        example = self._read(self._dataset[index])
        if example.fault is not None:
            raise InputError(f"{self.location(index)}: {example.fault}") from example.fault
        return example

    def location(self, index: int) -> str:
        """Name a row as messages do: by file and number.

        Args:
            index (`int`): Number of the row, from 0.

        Returns:
            `str`: The name.
        """
        return f"{self._source}: row {index}" if self._source else f"row {index}"

    def slice(self, start: int, size: int) -> list[Example]:
        """Read up to `size` examples from row `start` on, those with a fault among them.

        Args:
            start (`int`): Number of the first row, from 0.
            size (`int`): Rows to read; fewer at the end of the data set.

        Returns:
            `list[Example]`: The examples.
        """
        rows = self._dataset.select(range(start, min(start + size, len(self))))
        return [self._read(row) for row in rows]

    def blocks(self) -> Iterator[list[Example]]:
        """Yield all examples in order, a list of up to BLOCK at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.slice(start, BLOCK)

    def conversational(self) -> bool:
        """Return whether the rows are conversations, by their shape or the first that can be read."""
        if self._shape.name in ("messages", "conversations"):
            return True
        readable = (example for block in self.blocks() for example in block if example.fault is None)
        first = next(readable, None)
        return first is not None and first.turns is not None

    def _read(self, row: dict[str, Any]) -> Example:
        try:
            return read_row(row, self._shape)
        except RowError as fault:
            return unreadable(fault)


class Row:
    """Hold one row as token ids, and as text when a template needs to render it again.

    Args:
        rows (`Rows`): The data set's rows.
        index (`int`): Number of the row, from 0.
        tokens (`RowTokens`): Its token ids.
    """

    def __init__(self, rows: Rows, index: int, tokens: RowTokens) -> None:
        self._rows, self._index = rows, index
        self.tokens = tokens

    @property
    def example(self) -> Example:
        """Return the row, read anew: only its ids are kept in memory."""
        return self._rows[self._index]
