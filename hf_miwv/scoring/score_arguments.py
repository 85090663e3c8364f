"""Checks of the arguments of `score`, before anything is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from datasets import Dataset

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.neighbors.embed import POOLINGS
from hf_miwv.prompts.tokenization import UNREADABLE_ROWS
from hf_miwv.rows.schema import ALSO

EMBED_TEXTS = ("rendered", "bare")


def check_settings(
    pooling: str,
    embed_text: str,
    batch_tokens: int | None,
    also: Sequence[str],
    unreadable_rows: str,
) -> None:
    """Check the words among the arguments of `score`.

    Args:
        pooling (`str`): As in `score`.
        embed_text (`str`): As in `score`.
        batch_tokens (`int | None`): As in `score`.
        also (`Sequence[str]`): As in `score`.
        unreadable_rows (`str`): As in `score`.

    Raises:
        InputError: A word is none of ours.
    """
    if isinstance(also, str):
        raise InputError(f"also {also!r}: give a list of names, such as [{also!r}]")
    for name, value, known in (
        ("pooling", pooling, POOLINGS),
        ("embed text", embed_text, EMBED_TEXTS),
        ("unreadable rows", unreadable_rows, UNREADABLE_ROWS),
        *(("also", value, ALSO) for value in also),
    ):
        if value not in known:
            raise InputError(f"{name} {value!r} is not one of ours: {did_you_mean(value, known)}")
    if batch_tokens is not None and batch_tokens < 1:
        raise InputError(f"batch tokens {batch_tokens}: give 1 or more")


def check_rows(dataset: Dataset, neighbors: int) -> None:
    """Check that there are enough rows for each to have this many neighbors.

    Args:
        dataset (`Dataset`): The rows.
        neighbors (`int`): Neighbors that each row is to have, K.

    Raises:
        InputError: There are too few.
    """
    if len(dataset) < 2:
        raise InputError(
            f"the data set has {len(dataset)} row{'s' * (len(dataset) != 1)}; a row is scored "
            "behind its nearest neighbor, so give at least two"
        )
    if neighbors >= len(dataset):
        raise InputError(
            f"neighbors {neighbors}: each of the {len(dataset)} rows has {len(dataset) - 1} others; give "
            f"{len(dataset) - 1} or fewer"
        )
