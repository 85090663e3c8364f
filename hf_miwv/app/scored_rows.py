"""Scored rows to be browsed: the numbers in memory, the texts on the disk until they are asked for.

50,000 rows are a few megabytes of numbers; the texts stay in the memory-mapped Arrow file, where a
search goes through them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
from datasets import Dataset

from hf_miwv.common.reading.kinds import RowError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.folder import read_record
from hf_miwv.results.statistics import ScoreColumns
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


class Place(NamedTuple):
    """Where a score stands: `rank` 1 is the highest of `scored` rows with a score."""

    rank: int
    scored: int


@dataclass(frozen=True)
class ScoredRows:
    """N scored rows, by their places 0..N-1 in the folder.

    Attributes:
        name: what they are called.
        dataset: all columns. columns: the numbers.
        shape: which columns hold prompt and response.
        run: run.json of the folder; empty where there is none.
    """

    name: str
    dataset: Dataset
    columns: ScoreColumns
    shape: Shape
    run: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, name: str) -> ScoredRows:
        """Raises InputError where the folder holds no scored rows, or they cannot be read."""
        dataset = read_dataset(folder)
        columns = ScoreColumns.from_dataset(dataset)
        run = read_record(folder) or {}
        data = run.get("data")
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
        """Places of the rows that fit, (K,) int64, in this order.

        Rows without the number that orders them come last; equals keep the order of the data.

        Args:
            order: in ORDERS.
            statuses: any of these; empty for all. flags: with any of these; empty for all.
            text: somewhere in prompt or response, in any case; empty for all.
        """
        fits = np.ones(len(self), dtype=bool)
        if statuses:
            fits &= np.isin(np.array(self.columns.status), list(statuses))
        if flags:
            wanted = set(flags)
            fits &= np.fromiter((not wanted.isdisjoint(own) for own in self.columns.flags), bool)
        if text:
            fits &= self._containing(text)
        name, highest_first = ORDERS[order]
        values = getattr(self.columns, name).astype(np.float64)
        ranked = np.argsort(-values if highest_first else values, kind="stable")  # nan sorts last
        return ranked[fits[ranked]]

    def read(self, place: int) -> Example:
        """Prompt and response of the row at a place; both "" where the row cannot be read."""
        try:
            return read_row(self.dataset[int(place)], self.shape)
        except RowError as fault:
            return unreadable(fault)

    def place_of(self, row: int) -> int | None:
        """The place of the row with this number in the data that was scored; None if not here."""
        found = np.flatnonzero(self.columns.row == row)
        return int(found[0]) if len(found) else None

    def rank(self, place: int) -> Place | None:
        """Where the MIWV of a row stands among all; None where it has none."""
        scores = self.columns.miwv
        if not np.isfinite(scores[place]):
            return None
        return Place(int((scores > scores[place]).sum()) + 1, int(self.columns.scored.sum()))

    def _containing(self, text: str) -> np.ndarray:
        """(N,) bool: the rows with `text` in a column of their prompt or response."""
        texts = self.dataset.select_columns([*self.shape.columns.values()]).with_format("arrow")
        return np.concatenate([_any_contains(table, text) for table in texts.iter(SEARCHED)])


def _any_contains(table: pyarrow.Table, text: str) -> np.ndarray:
    return np.logical_or.reduce([_contains(one.combine_chunks(), text) for one in table.columns])


def _contains(array: pyarrow.Array, text: str) -> np.ndarray:
    """(n,) bool: whether `text` stands in any text of each value, in whatever lists and fields."""
    kind = array.type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        found = pyarrow.compute.match_substring(array, text, ignore_case=True)
        return found.fill_null(False).to_numpy(zero_copy_only=False)
    inside = np.zeros(len(array), dtype=bool)
    if pyarrow.types.is_struct(kind):
        for field, values in zip(kind, array.flatten(), strict=True):
            if field.name not in ROLE_FIELDS:
                inside |= _contains(values, text)
    elif pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        parents = pyarrow.compute.list_parent_indices(array).to_numpy()
        inside[parents[_contains(array.flatten(), text)]] = True
    return inside
