"""Private names of datasets."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, IterableDataset


def fingerprint_of(dataset: Dataset) -> str:
    """Return the hash of how a data set was made, which names its cache.

    Args:
        dataset (`Dataset`): The data set.

    Returns:
        `str`: The hash.
    """
    return dataset._fingerprint


def parts_of(stream: IterableDataset) -> Any:
    """Return the chain of steps that a stream is made of.

    Args:
        stream (`IterableDataset`): The stream.

    Returns:
        `Any`: The steps; None where this version has them under another name.
    """
    return getattr(stream, "_ex_iterable", None)
