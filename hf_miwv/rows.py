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

    def blocks(self, start: int = 0, size: int = BLOCK) -> Iterator[list[Example]]:
        """Lists of up to `size` examples in order, from row `start` on."""
        for first in range(start, len(self), size):
            rows = self._dataset.select(range(first, min(first + size, len(self))))
            yield [
                read_example(row, self._shape, first + offset, self._source)
                for offset, row in enumerate(rows)
            ]


class Row:
    """One row as token ids, and as text when a template needs to render it again."""

    def __init__(self, rows: Rows, index: int, tokens: RowTokens) -> None:
        self._rows, self._index = rows, index
        self.tokens = tokens

    @property
    def example(self) -> Example:
        return self._rows[self._index]
