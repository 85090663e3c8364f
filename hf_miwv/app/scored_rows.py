"""Scored rows to be browsed: the numbers in memory, the texts on the disk until they are asked for.

50,000 rows are a few megabytes of numbers; the texts stay in the memory-mapped Arrow file, where a
search goes through them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
from datasets import Dataset

from hf_miwv.common.reading.kinds import RowError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.folder import read_record
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.rows.examples import Example, read_row, unreadable
from hf_miwv.rows.schema import Shape, recognize

ORDERS = {  # title -> column, and whether its highest value comes first
    "MIWV, highest first": ("miwv", True),
    "MIWV, lowest first": ("miwv", False),
    "zero-shot loss, highest first": ("loss_zero_shot", True),
    "zero-shot loss, lowest first": ("loss_zero_shot", False),
    "one-shot loss, highest first": ("loss_one_shot", True),
    "one-shot loss, lowest first": ("loss_one_shot", False),
    "similarity of the neighbor, highest first": ("neighbor_similarity", True),
    "similarity of the neighbor, lowest first": ("neighbor_similarity", False),
    "response length, longest first": ("response_tokens", True),
    "response length, shortest first": ("response_tokens", False),
    "order of the data": ("row", False),
}
ROLE_FIELDS = ("role", "from")  # of a turn; not searched
SEARCHED = 10_000  # rows read at a time in a search


class Standing(NamedTuple):
    """Say where a score stands among all.

    Attributes:
        rank (`int`): 1 is the highest.
        scored (`int`): Number of the rows with a score.
    """

    rank: int
    scored: int


@dataclass(frozen=True)
class ScoredRows:
    """Hold N scored rows, by their positions 0..N-1 in the folder.

    Attributes:
        name (`str`): Name of the rows.
        dataset (`Dataset`): All columns.
        columns (`ScoreColumns`): The numbers.
        shape (`Shape`): The columns that hold prompt and response.
        run (`ScoredRecord`): run.json of the folder; empty where there is none.
    """

    name: str
    dataset: Dataset
    columns: ScoreColumns
    shape: Shape
    run: ScoredRecord

    @classmethod
    def open(cls, folder: Path, name: str) -> ScoredRows:
        """Open a folder of scored rows.

        Args:
            folder (`Path`): The folder.
            name (`str`): Its name on the page.

        Returns:
            `ScoredRows`: The rows.

        Raises:
            InputError: the folder holds no scored rows, or they cannot be read.
        """
        dataset = read_dataset(folder)
        columns = ScoreColumns.from_dataset(dataset)
        run: ScoredRecord = read_record(folder) or ScoredRecord()
        data = run.get("data")
        # run.json knows the columns also where their names say nothing (--columns).
        known = Shape(data["shape"], data["columns"]) if data else None
        return cls(name, dataset, columns, known or recognize(dataset.column_names), run)

    def __len__(self) -> int:
        return len(self.columns.row)

    def find(
        self,
        order: str,
        statuses: Collection[str] = (),
        flags: Collection[str] = (),
        text: str = "",
    ) -> np.ndarray:
        """Find the rows that fit.

        Rows without the number that orders them come last; equals keep the order of the data.

        Args:
            order (`str`): One of ORDERS.
            statuses (`Collection[str]`, *optional*, defaults to `()`): Any of these; empty for all.
            flags (`Collection[str]`, *optional*, defaults to `()`): With any of these; empty for all.
            text (`str`, *optional*, defaults to `""`): In prompt or response, in any case; empty for all.

        Returns:
            `np.ndarray`: (K,) int64 positions, in this order.
        """
        fits = np.ones(len(self), dtype=bool)
        if statuses:
            fits &= np.isin(np.array(self.columns.status), list(statuses))
        if flags:
            wanted = set(flags)
            fits &= np.fromiter((not wanted.isdisjoint(row_flags) for row_flags in self.columns.flags), bool)
        if text:
            fits &= self._containing(text)
        name, highest_first = ORDERS[order]
        values = getattr(self.columns, name).astype(np.float64)
        ranked = np.argsort(-values if highest_first else values, kind="stable")  # nan sorts last
        return ranked[fits[ranked]]

    def read(self, position: int) -> Example:
        """Read prompt and response of a row.

        Args:
            position (`int`): Its position.

        Returns:
            `Example`: The row; both texts "" where it cannot be read.
        """
        try:
            return read_row(self.dataset[int(position)], self.shape)
        except RowError as fault:
            return unreadable(fault)

    def position_of(self, row: int) -> int | None:
        """Find a row by its number in the data that was scored.

        Args:
            row (`int`): The number.

        Returns:
            `int | None`: Its position; None if it is not here.
        """
        positions = np.flatnonzero(self.columns.row == row)
        return int(positions[0]) if len(positions) else None

    def rank(self, position: int) -> Standing | None:
        """Rank a row among all by its MIWV.

        Args:
            position (`int`): Its position.

        Returns:
            `Standing | None`: Its rank; None where it has no score.
        """
        scores = self.columns.miwv
        if not np.isfinite(scores[position]):
            return None
        return Standing(int((scores > scores[position]).sum()) + 1, int(self.columns.scored.sum()))

    def _containing(self, text: str) -> np.ndarray:
        """Return (N,) bool: the rows with `text` in a column of their prompt or response."""
        # Arrow compares the texts where they lie, in the memory map; as Python objects all would be copied first.
        texts = self.dataset.select_columns([*self.shape.columns.values()]).with_format("arrow")
        return np.concatenate([_any_contains(table, text) for table in texts.iter(SEARCHED)])


def _any_contains(table: pyarrow.Table, text: str) -> np.ndarray:
    return np.logical_or.reduce([_contains(column.combine_chunks(), text) for column in table.columns])


def _contains(array: pyarrow.Array, text: str) -> np.ndarray:
    """Return (n,) bool: whether `text` stands in any text of each value, in whatever lists and fields."""
    kind = array.type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        matches = pyarrow.compute.match_substring(array, text, ignore_case=True)
        return matches.fill_null(False).to_numpy(zero_copy_only=False)
    inside = np.zeros(len(array), dtype=bool)
    if pyarrow.types.is_struct(kind):
        for field, values in zip(kind, array.flatten(), strict=True):
            if field.name not in ROLE_FIELDS:
                inside |= _contains(values, text)
    elif pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        # A hit within a list counts for the row that holds the list, however deep it is nested.
        parents = pyarrow.compute.list_parent_indices(array).to_numpy()
        inside[parents[_contains(array.flatten(), text)]] = True
    return inside
