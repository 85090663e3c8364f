"""The columns that scoring adds to a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow
from datasets import Dataset, Features, List, Value, concatenate_datasets

from hf_miwv.common.errors import InputError
from hf_miwv.rows.schema import (
    ALPAGASUS,
    ALSO_COLUMNS,
    DEITA,
    EMBEDDING_COLUMN,
    FURTHER_COLUMNS,
    INFLUENCE_COLUMNS,
    REQUESTED_COLUMNS,
    SCORE_COLUMNS,
)

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
REQUESTED_FEATURES = Features(
    {
        "miwv_spread": Value("float64"),
        "neighbors": List(Value("int64")),
        "losses_one_shot": List(Value("float64")),
        "target_gain": Value("float64"),
        "target_neighbors": List(Value("int64")),
        **{name: Value("float64") for name in (*INFLUENCE_COLUMNS, *ALSO_COLUMNS.values())},
        "kcenter_rank": Value("int64"),
        **{name: Value("float64") for name in ("selectit", "selectit_sentence", "nuggets", "nuggets_gain")},
        **{name: Value("float64") for name in (*FURTHER_COLUMNS[DEITA], ALPAGASUS)},
    }
)


def check_columns(dataset: Dataset, overwrite: bool) -> Dataset:
    """Remove columns of our names from a data set.

    Args:
        dataset (`Dataset`): The rows.
        overwrite (`bool`): Whether the columns may be removed.

    Returns:
        `Dataset`: The rows without these columns.

    Raises:
        InputError: the data set has some, and they may not be overwritten.
    """
    ours = (*SCORE_COLUMNS, *REQUESTED_COLUMNS)
    existing_columns = [name for name in ours if name in dataset.column_names]
    if existing_columns and not overwrite:
        raise InputError(
            f"the data set already has the column{'s' * (len(existing_columns) > 1)} {', '.join(existing_columns)}; "
            "rename them, or give --overwrite-columns to replace them with the new scores"
        )
    return dataset.remove_columns(existing_columns)


def add_score_columns(dataset: Dataset, scores: Mapping[str, Any]) -> Dataset:
    """Add the columns of FEATURES behind those of the data set; nan becomes null.

    Args:
        dataset (`Dataset`): N rows.
        scores (`Mapping[str, Any]`): Column -> N values. Those of REQUESTED_FEATURES, and the vectors of
            EMBEDDING_COLUMN, (N, D) float32, follow where they are among them.

    Returns:
        `Dataset`: The rows with their scores.
    """
    requested = {name: feature for name, feature in REQUESTED_FEATURES.items() if name in scores}
    features = Features({**FEATURES, **requested})
    columns = {name: _nullable(scores[name]) for name in features}
    parts = [dataset, Dataset.from_dict(columns, features=features)]
    if EMBEDDING_COLUMN in scores:
        parts.append(_vector_column(scores[EMBEDDING_COLUMN]))
    return concatenate_datasets(parts, axis=1)


def read_embeddings(dataset: Dataset) -> np.ndarray:
    """Read EMBEDDING_COLUMN of N rows.

    Args:
        dataset (`Dataset`): The scored rows.

    Returns:
        `np.ndarray`: (N, D) float32.

    Raises:
        InputError: the rows have no such column.
    """
    if EMBEDDING_COLUMN not in dataset.column_names:
        raise InputError(
            f"the scored rows have no column {EMBEDDING_COLUMN}, by which --diversity (of the methods deita and "
            "recost, too, if nothing else is given) tells how close two prompts are; score them with --keep-embeddings"
        )
    # By way of Arrow: as Python lists a million vectors of 1,024 would take 30 GB.
    table = dataset.select_columns([EMBEDDING_COLUMN]).with_format("arrow")[:]
    vectors = table[EMBEDDING_COLUMN].combine_chunks()
    return vectors.flatten().to_numpy().astype(np.float32, copy=False).reshape(len(dataset), -1)


def _vector_column(vectors: np.ndarray) -> Dataset:
    width = vectors.shape[1]
    # Over the same memory, where a list for each vector would be copied number by number.
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(vectors.reshape(-1)), width)
    features = Features({EMBEDDING_COLUMN: List(Value("float32"), length=width)})
    table = pyarrow.table({EMBEDDING_COLUMN: column}).cast(features.arrow_schema)
    return Dataset(table)


def _nullable(values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return [None if np.isnan(value) else value for value in values.tolist()]
    return values
