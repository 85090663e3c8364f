"""The rows of a data set, read from Arrow when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from datasets import Dataset

from hf_miwv.schema import Example, Shape, read_example
from hf_miwv.tokens import RowTokens

BLOCK = 1000  # rows read from Arrow and tokenized at a time


class Rows:
    """The examples of a data set, read from Arrow when asked for."""

    def __init__(self, dataset: Dataset, shape: Shape, source: str = "") -> None:
        self._dataset = dataset.select_columns(list(shape.columns.values()))
        self._shape = shape
        self._source = source

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Example:
        return read_example(self._dataset[index], self._shape, index, self._source)

    def slice(self, start: int, size: int) -> list[Example]:
        """Up to `size` examples from row `start` on."""
        rows = self._dataset.select(range(start, min(start + size, len(self))))
        return [
            read_example(row, self._shape, start + offset, self._source)
            for offset, row in enumerate(rows)
        ]

    def blocks(self) -> Iterator[list[Example]]:
        """All examples in order, a list of up to BLOCK at a time."""
        for start in range(0, len(self), BLOCK):
            yield self.slice(start, BLOCK)


class Row:
    """One row as token ids, and as text when a template needs to render it again."""

    def __init__(self, rows: Rows, index: int, tokens: RowTokens) -> None:
        self._rows, self._index = rows, index
        self.tokens = tokens

    @property
    def example(self) -> Example:
        return self._rows[self._index]
