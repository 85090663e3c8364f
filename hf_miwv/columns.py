"""The columns that scoring adds to a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset, Features, List, Value, concatenate_datasets

from hf_miwv.errors import InputError
from hf_miwv.schema import SCORE_COLUMNS

FEATURES = Features(
    {
        "row": Value("int64"),
        "miwv": Value("float64"),
        "loss_zero_shot": Value("float64"),
        "loss_one_shot": Value("float64"),
        "neighbor": Value("int64"),
        "neighbor_similarity": Value("float32"),
        "response_tokens": Value("int64"),
        "miwv_status": Value("string"),
        "miwv_flags": List(Value("string")),
    }
)


def check_columns(dataset: Dataset, overwrite: bool) -> Dataset:
    """The data set without columns of our names; InputError where they may not be overwritten."""
    taken = [name for name in SCORE_COLUMNS if name in dataset.column_names]
    if taken and not overwrite:
        raise InputError(
            f"the data set already has the column{'s' * (len(taken) > 1)} {', '.join(taken)}; "
            "rename them, or give --overwrite-columns to replace them with the new scores"
        )
    return dataset.remove_columns(taken)


def add_score_columns(dataset: Dataset, scores: Mapping[str, Any]) -> Dataset:
    """The data set with the columns of FEATURES behind its own; nan becomes null."""
    columns = {name: _nullable(scores[name]) for name in FEATURES}
    return concatenate_datasets([dataset, Dataset.from_dict(columns, features=FEATURES)], axis=1)


def _nullable(values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return [None if np.isnan(value) else value for value in values.tolist()]
    return values
