"""Rows from anywhere in a data set: as `dataset[places]` gives them."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
from datasets import Dataset, concatenate_datasets

from hf_lmt.data.method.scattered import ScatteredRows

NUMBERS = Dataset.from_dict({"number": list(range(20))})


@pytest.mark.parametrize(
    "rows",
    [
        NUMBERS,
        NUMBERS.shuffle(seed=3),
        NUMBERS.select([5, 3, 9, 3]),
        concatenate_datasets([NUMBERS, NUMBERS.select(range(4))]),
    ],
    ids=["plain", "shuffled", "selected", "in_parts"],
)
def test_rows_come_as_the_data_set_gives_them(rows: Dataset) -> None:
    places = np.array([len(rows) - 1, 0, 2, 2, len(rows) - 2])
    found = ScatteredRows(rows)[places]
    assert found["number"].to_pylist() == rows[places.tolist()]["number"]
    parts = [part["number"].to_pylist() for part in ScatteredRows(rows).batches(places, 2)]
    assert [len(part) for part in parts] == [2, 2, 1]
    assert [*chain(*parts)] == rows[places.tolist()]["number"]
