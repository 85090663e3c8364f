"""The column that says where a row comes from, and its value in each row."""

from __future__ import annotations

import logging
from collections.abc import Collection

from datasets import Dataset

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.rows.schema import REQUESTED_COLUMNS, SCORE_COLUMNS

SOURCE_NAMES = (  # in the order of preference
    "source",
    "dataset",
    "origin",
    "data_source",
    "source_dataset",
    "dataset_name",
)
MAX_SOURCES = 30  # a column with more values is not taken for sources unless it is asked for
NO_VALUE = "(no value)"

logger = logging.getLogger(__name__)


def data_columns(dataset: Dataset) -> list[str]:
    """List the names of the columns that scoring did not add, sorted.

    Args:
        dataset (`Dataset`): The scored rows.

    Returns:
        `list[str]`: The names.
    """
    added = {*SCORE_COLUMNS, *REQUESTED_COLUMNS}
    return sorted(name for name in dataset.column_names if name not in added)


def source_values(
    dataset: Dataset, wanted: str | None, option: str, taken: Collection[str] = ()
) -> tuple[str, list[str]] | None:
    """Return the column that says where a row comes from, and its value as text in each of the N rows.

    Without `wanted`: the first of `SOURCE_NAMES` that is not a column of the prompt or response
    and has at most `MAX_SOURCES` values, each for two rows or more on average (the bound is
    ours).

    Args:
        dataset (`Dataset`): The scored rows.
        wanted (`str`, *optional*): The column that was asked for.
        option (`str`): The option that asked for it, for messages.
        taken (`Collection[str]`, *optional*, defaults to `()`): Columns of prompt and response.

    Returns:
        `tuple[str, list[str]] | None`: The column and its values; None where there is none.

    Raises:
        InputError: `wanted` is no column of text, numbers or truth values.
    """
    if wanted is not None:
        if wanted not in dataset.column_names:
            raise InputError(
                f"{option} {wanted}: there is no such column; {did_you_mean(wanted, data_columns(dataset))}"
            )
        if not _is_plain(dataset, wanted):
            raise InputError(
                f"{option} {wanted}: it holds {dataset.features[wanted]}; "
                "give a column of text, numbers or truth values"
            )
        return wanted, _texts(dataset, wanted)
    # Reversed, so that of two spellings the first column of the data set wins.
    spelled = {name.lower(): name for name in reversed(dataset.column_names)}
    for name in (spelled[known] for known in SOURCE_NAMES if known in spelled):
        if name in taken or not _is_plain(dataset, name):
            continue
        values = _texts(dataset, name)
        if len(set(values)) <= min(MAX_SOURCES, len(values) // 2):
            return name, values
        logger.info("column %r has too many values to show rows by it, unless asked for", name)
    return None


def _texts(dataset: Dataset, column: str) -> list[str]:
    return [NO_VALUE if value is None else " ".join(str(value).split()) for value in dataset[column]]


def _is_plain(dataset: Dataset, column: str) -> bool:
    kind = getattr(dataset.features[column], "dtype", "")
    return any(kind.startswith(start) for start in ("string", "large_string", "int", "uint", "float", "bool"))
