"""Which rows are taken, how often, and in which order they come out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from hf_lmt.data.hashing import decision_hashes

POSITION_DECISION = "mixture place"  # the decision's name
BLOCK = 100_000  # rows whose keys are in memory at a time


class Taken(NamedTuple):
    """Hold the K rows of a language that are taken.

    Attributes:
        places (`np.ndarray`): (K,) int64 positions of the rows.
        passes (`np.ndarray`): (K,) pass of each row: 0 for its first use.
        tokens (`int`): Tokens of all of them.
    """

    places: np.ndarray
    passes: np.ndarray
    tokens: int


def rows_by_group(entries: np.ndarray) -> tuple[dict[int, np.ndarray], int]:
    """Order the rows of each group by their hashes, and count the copies.

    Of copies (rows of the same hash) one is kept. Which of them, does not depend on their order.

    Args:
        entries (`np.ndarray`): (N,) `token_counts.ENTRY`; those without a group are left out.

    Returns:
        `tuple[dict[int, np.ndarray], int]`: Group -> positions of its rows, and the number of copies.
    """
    positions = np.flatnonzero(entries["group"] >= 0)
    fields = entries[positions]
    # Within a group copies have one hash; `tie` decides which of them
    # comes first, whatever the order of the rows.
    ranks = np.lexsort((fields["tie"], fields["order"], fields["group"]))
    positions, fields = positions[ranks], fields[ranks]
    first = np.ones(len(positions), bool)
    first[1:] = (fields["order"][1:] != fields["order"][:-1]) | (fields["group"][1:] != fields["group"][:-1])
    groups = fields["group"][first]
    group_numbers, starts = np.unique(groups, return_index=True)
    parts = np.split(positions[first], starts[1:]) if len(group_numbers) else []
    return dict(zip(group_numbers.tolist(), parts, strict=True)), int((~first).sum())


def take(places: np.ndarray, tokens: np.ndarray, budget: float) -> Taken:
    """Take the first rows that have the budget together: at least it, and by less than a row more.

    The rows of a smaller budget are among those of a larger one. Where the budget is above what
    the rows have, they are gone through again from the first on.

    Args:
        places (`np.ndarray`): (K,) rows in their order.
        tokens (`np.ndarray`): (K,) tokens of each, above 0.
        budget (`float`): Tokens, 0 or more.

    Returns:
        `Taken`: The rows that are taken, with the pass of each.
    """
    sums = np.cumsum(tokens, dtype=np.int64)
    # Whole passes over all rows and then a part of one, so that no row is taken more than once more than another.
    whole, rest = divmod(budget, int(sums[-1]))
    count = int(np.searchsorted(sums, rest)) + 1 if rest > 0 else 0
    order = np.concatenate([np.tile(np.arange(len(places)), int(whole)), np.arange(count)])
    passes = np.repeat(np.arange(int(whole) + 1), [len(places)] * int(whole) + [count])
    tokens_taken = int(whole) * int(sums[-1]) + (int(sums[count - 1]) if count else 0)
    return Taken(places[order], passes, tokens_taken)


def final_order(orders: np.ndarray, passes: np.ndarray, seed: int) -> np.ndarray:
    """Permute rows by hash, independent of the hash that they were chosen by.

    Args:
        orders (`np.ndarray`): (K,) uint64, the hashes that rows were chosen by.
        passes (`np.ndarray`): (K,) which time the row is taken.
        seed (`int`): Seed of the hash.

    Returns:
        `np.ndarray`: (K,) a permutation.
    """
    hashes = np.empty(len(orders), np.uint64)
    for start in range(0, len(orders), BLOCK):
        part = slice(start, start + BLOCK)
        # In the order that they were chosen by, all rows of a smaller budget would
        # stand at the beginning; a second hash mixes them.
        keys = [
            f"{order_hash:x} {pass_number}" for order_hash, pass_number in zip(orders[part], passes[part], strict=True)
        ]
        same = pa.array([""] * len(keys)).dictionary_encode()
        hashes[part] = decision_hashes(POSITION_DECISION, seed, same, keys)
    return np.lexsort((passes, orders, hashes))
