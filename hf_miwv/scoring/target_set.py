"""A set of rows that other rows are to help with: read, and found among the rows that are scored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, IterableDataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows, tokenize_rows
from hf_miwv.rows.input_rows import take_rows
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import Shape, recognize


@dataclass(frozen=True)
class TargetRows:
    """Hold the rows of a target set as they were read, before a model is loaded.

    Attributes:
        dataset (`Dataset`): The M rows.
        shape (`Shape`): Their shape.
        origin (`Mapping[str, Any]`): Where they come from, as in `take_rows`.
    """

    dataset: Dataset
    shape: Shape
    origin: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the name of the set in messages."""
        return self.origin.get("source") or "the target set"


@dataclass(frozen=True)
class TargetSet:
    """Hold a target set as token ids, and how its prompts and those of the N scored rows are alike.

    Attributes:
        rows (`TargetRows`): The M rows.
        table (`TokenizedRows`): The same as token ids.
        examples (`np.ndarray`): (E,) int64, the rows that can be a worked example.
        groups (`np.ndarray`): (N,) int64, equal to a number of `target_groups` where the prompts are the same.
        target_groups (`np.ndarray`): (M,) int64.
        in_target (`np.ndarray`): (N,) bool, whether a row's prompt is one of the target set.
    """

    rows: TargetRows
    table: TokenizedRows
    examples: np.ndarray
    groups: np.ndarray
    target_groups: np.ndarray
    in_target: np.ndarray


def target_identity(scoring: Mapping[str, Any], columns: Mapping[str, str] | None, dataset: Dataset) -> dict[str, str]:
    """Return what the content of a target set adds to the identity of a run that scores: its name is not enough.

    Args:
        scoring (`Mapping[str, Any]`): Arguments of `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of the rows to be scored.
        dataset (`Dataset`): The rows to be scored.

    Returns:
        `dict[str, str]`: "target set" and the fingerprint of its rows; empty without one.
    """
    if scoring.get("demonstrations_from") is None:
        return {}
    target = read_target(scoring["demonstrations_from"], scoring.get("demonstrations_split"), columns, dataset)
    return {"target set": content_fingerprint(target.dataset)}


def read_target(data: Any, split: str | None, columns: Mapping[str, str] | None, dataset: Dataset) -> TargetRows:
    """Read a target set and refuse what cannot be one, before anything is loaded.

    Its shape may be another than that of the rows. `columns` holds for it where it has all of them.

    Args:
        data (`Any`): The target set, as `take_rows` takes it.
        split (`str`, *optional*): Its split, or a slice of it.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of the rows to be scored.
        dataset (`Dataset`): The rows to be scored.

    Returns:
        `TargetRows`: The target set.

    Raises:
        InputError: a stream, fewer than two rows, the very rows to be scored, or rows of no known shape.
    """
    rows, origin = take_rows(data, split=split)
    name = f"demonstrations from {origin.get('source') or 'the target set'}"
    if isinstance(rows, IterableDataset):
        raise InputError(f"{name}: it came as a stream, and is searched as a whole; give rows that are at hand")
    if len(rows) < 2:
        raise InputError(
            f"{name}: {len(rows)} row{'s' * (len(rows) != 1)}; one example would be that of every row, near or "
            "not, so give at least two"
        )
    # Of equal length first: hashing all rows is not free.
    if len(rows) == len(dataset) and content_fingerprint(rows) == content_fingerprint(dataset):
        raise InputError(
            f"{name}: these are the very rows that are scored; their own neighbors are the examples without it. "
            "Give rows of the task that the model is to learn"
        )
    mapped = columns if columns and set(columns.values()) <= set(rows.column_names) else None
    try:
        shape = recognize(rows.column_names, mapped, rows[0])
    except InputError as fault:
        raise InputError(
            f"{name}: {fault} (--columns is for DATA, and for the target where it has them all)"
        ) from fault
    return TargetRows(rows, shape, origin)


def open_target(
    target: TargetRows,
    table: TokenizedRows,
    prompts: Prompts,
    neighbors: int,
    unreadable_rows: str = "refuse",
    progress: bool = True,
) -> TargetSet:
    """Tokenize a target set with the template of the scored rows, and find the rows that are in it, too.

    Rows without a response, or that say it is a bad one, are no examples (ours).

    Args:
        target (`TargetRows`): The target set.
        table (`TokenizedRows`): The N rows to be scored.
        prompts (`Prompts`): The template of these rows, with its tokenizer.
        neighbors (`int`): Examples that each row is to have, K.
        unreadable_rows (`str`, *optional*, defaults to `"refuse"`): As in `tokenize_rows`.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.

    Returns:
        `TargetSet`: The target set.

    Raises:
        InputError: rows that the template cannot render; fewer than two examples, or fewer than K; or all rows
            to be scored are in the target set.
    """
    name = f"demonstrations from {target.name}"
    rows = Rows(target.dataset, target.shape, target.name)
    if prompts.name == "alpaca" and rows.conversational():
        raise InputError(
            f"{name}: it holds conversations, and DATA is rendered by the alpaca template, which takes rows with an "
            "instruction; give --template chat, or a target set of such rows"
        )
    target_table = tokenize_rows(rows, prompts, progress, unreadable_rows)
    usable = [
        row
        for row in range(len(target_table))
        if row not in target_table.faults and not target_table.empty[row] and not target_table.undesired[row]
    ]
    if len(usable) < max(2, neighbors):
        raise InputError(
            f"{name}: {len(usable)} of its {len(target_table)} rows have a response that can be an example; give "
            f"{max(2, neighbors)} or more, or a lower --neighbors"
        )
    numbers: dict[bytes, int] = {}
    groups = np.array([numbers.setdefault(digest, len(numbers)) for digest in table.digests])
    target_groups = np.array([numbers.setdefault(digest, len(numbers)) for digest in target_table.digests])
    readable = np.setdiff1d(np.arange(len(target_table)), list(target_table.faults))
    in_target = np.isin(groups, target_groups[readable])
    in_target[list(table.faults)] = False
    if in_target.sum() + len(table.faults) == len(table):
        raise InputError(
            f"{name}: every row of DATA has a prompt of the target set, so none is left to choose; give a target "
            "set whose rows are not those of DATA"
        )
    return TargetSet(target, target_table, np.array(usable), groups, target_groups, in_target)
