"""Rows in groups, and a choice with the same share of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.results.length_matching import length_bins
from hf_miwv.results.row_sources import SOURCE_NAMES, source_values

LENGTH, SOURCE = "length", "source"


def group_rows(
    dataset: Dataset, within: str, tokens: np.ndarray, usable: np.ndarray, taken: Collection[str]
) -> list[str]:
    """Name the group of each row.

    Args:
        dataset (`Dataset`): N scored rows.
        within (`str`): "length": quantile bins of response tokens; "source": the column that says where a row
            comes from; else a column, whose values are the groups.
        tokens (`np.ndarray`): (N,) int64 response tokens.
        usable (`np.ndarray`): (N,) bool, the rows that may be chosen.
        taken (`Collection[str]`): Columns of prompt and response.

    Returns:
        `list[str]`: N names.

    Raises:
        InputError: no column says where a row comes from, or `within` is no column of plain values.
    """
    if within == LENGTH:
        bins = length_bins(tokens, usable)
        words = {}
        for number in np.unique(bins).tolist():
            lengths = tokens[bins == number]
            words[number] = f"{lengths.min()} to {lengths.max()} tokens"
        return [words[number] for number in bins.tolist()]
    # A data set may have a column named "source" that is asked for by this very name, with any number of values.
    by_name = None if within == SOURCE and SOURCE not in dataset.column_names else within
    named = source_values(dataset, by_name, "--within", taken)
    if named is None:
        raise InputError(
            f"--within {within}: no column says where a row comes from (looked for: {', '.join(SOURCE_NAMES)}); "
            "give the name of a column"
        )
    return named[1]


def choose_within(scores: np.ndarray, groups: Sequence[str], count: int) -> np.ndarray:
    """Choose the highest of each group, as many of it as its share of the rows that have a score.

    Of n rows with a score, n_g of them in group g, the group gets count x n_g / n rows: rounded down, and what
    is left goes to the largest fractions, of equals to the group that comes first (largest remainder; ours).

    Args:
        scores (`np.ndarray`): (N,) float64, nan for none.
        groups (`Sequence[str]`): N names.
        count (`int`): Rows to choose, at most those that have a score.

    Returns:
        `np.ndarray`: (count,) int64 positions, by falling score, ties by row order.
    """
    ranked = np.argsort(-scores, kind="stable")[: int(np.isfinite(scores).sum())].tolist()
    sizes = Counter(groups[row] for row in sorted(ranked))  # in the order of the rows
    # In whole numbers, because fractions of 1/3 and 2/3 are no floats.
    quotas = {name: count * size // len(ranked) for name, size in sizes.items()}
    remainders = {name: count * size % len(ranked) for name, size in sizes.items()}
    left = count - sum(quotas.values())
    for name in sorted(sizes, key=lambda name: -remainders[name])[:left]:
        quotas[name] += 1
    chosen = []
    for row in ranked:
        if quotas[groups[row]]:
            quotas[groups[row]] -= 1
            chosen.append(row)
    return np.array(chosen, dtype=np.int64)
