"""Which rows are taken, how often, and in which order they come out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from hf_lmt.data.hashing import decision_hashes

PLACE = "mixture place"  # the decision's name
BLOCK = 100_000  # rows whose keys are in memory at a time


class Taken(NamedTuple):
    """The rows of a language that are taken: places (K,) int64, each row's pass (K,), tokens."""

    places: np.ndarray
    passes: np.ndarray
    tokens: int


def rows_by_group(entries: np.ndarray) -> tuple[dict[int, np.ndarray], int]:
    """Group -> places of its rows in the order of their hashes, and the number of copies.

    Of copies (rows of the same hash) one has a place. Which one, does not hang on their order.

    Args:
        entries: (N,) `counting.ENTRY`; those without a group are left out.
    """
    places = np.flatnonzero(entries["group"] >= 0)
    fields = entries[places]
    ranks = np.lexsort((fields["tie"], fields["order"], fields["group"]))
    places, fields = places[ranks], fields[ranks]
    first = np.ones(len(places), bool)
    first[1:] = (fields["order"][1:] != fields["order"][:-1]) | (fields["group"][1:] != fields["group"][:-1])
    groups = fields["group"][first]
    found, starts = np.unique(groups, return_index=True)
    parts = np.split(places[first], starts[1:]) if len(found) else []
    return dict(zip(found.tolist(), parts, strict=True)), int((~first).sum())


def take(places: np.ndarray, tokens: np.ndarray, budget: float) -> Taken:
    """The first rows that have the budget together: at least it, and by less than a row more.

    The rows of a smaller budget are among those of a larger one. Where the budget is above what
    there is, the rows are gone through again from the first on.

    Args:
        places: (K,) rows in their order.
        tokens: (K,) of each, above 0.
        budget: in tokens, 0 or more.
    """
    sums = np.cumsum(tokens, dtype=np.int64)
    whole, rest = divmod(budget, int(sums[-1]))
    count = int(np.searchsorted(sums, rest)) + 1 if rest > 0 else 0
    order = np.concatenate([np.tile(np.arange(len(places)), int(whole)), np.arange(count)])
    passes = np.repeat(np.arange(int(whole) + 1), [len(places)] * int(whole) + [count])
    given = int(whole) * int(sums[-1]) + (int(sums[count - 1]) if count else 0)
    return Taken(places[order], passes, given)


def final_order(orders: np.ndarray, passes: np.ndarray, seed: int) -> np.ndarray:
    """(K,) a permutation by hash, independent of what the rows were chosen by.

    Args:
        orders: (K,) uint64, the hashes that rows were chosen by.
        passes: (K,) which time the row is taken.
    """
    hashes = np.empty(len(orders), np.uint64)
    for start in range(0, len(orders), BLOCK):
        part = slice(start, start + BLOCK)
        keys = [f"{o:x} {p}" for o, p in zip(orders[part], passes[part], strict=True)]
        same = pa.array([""] * len(keys)).dictionary_encode()
        hashes[part] = decision_hashes(PLACE, seed, same, keys)
    return np.lexsort((passes, orders, hashes))
