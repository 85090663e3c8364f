"""How much of each source is used: its weight beside the others, and its caps per direction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.hashing import (
    below,
    decision_hashes,
    direction_codes,
    direction_column,
    key_column,
)
from hf_lmt.data.prepare.row_batches import BATCH

ORIGIN = "origin"  # a column of the rows: the position of their source in the recipe
NEEDED = ("source_lang", "target_lang", "row_key", ORIGIN)


def weigh_rows(rows: Dataset, sources: Sequence[Source], seed: int) -> np.ndarray:
    """Choose which rows of each source are used, by its weight.

        hash(seed, "weight", direction, key) / 2^64 < weight / largest weight

    No row is repeated: the source with the largest weight is used whole. The rule is ours.

    Args:
        rows (`Dataset`): N rows with NEEDED columns.
        sources (`Sequence[Source]`): The sources that `origin` counts.
        seed (`int`): Seed of the hash.

    Returns:
        `np.ndarray`: (N,) bool, True for rows that are used.
    """
    if len({source.weight for source in sources}) == 1:
        return np.ones(len(rows), bool)
    return np.concatenate([weigh_batch(batch, sources, seed) for batch in _batches(rows)])


def weigh_batch(batch: pa.Table, sources: Sequence[Source], seed: int) -> np.ndarray:
    """(B,) bool: which rows of a batch are used, as `weigh_rows` says.

    Args:
        batch (`pa.Table`): B rows.
        sources (`Sequence[Source]`): The sources, in the order of the recipe.
        seed (`int`): Seed of the hash.

    Returns:
        `np.ndarray`: (B,) bool.
    """
    weights = np.array([source.weight for source in sources], float)
    shares = weights / weights.max()
    hashes = decision_hashes("weight", seed, direction_column(batch), key_column(batch))
    return below(hashes, shares[batch[ORIGIN].to_numpy()])


def cap_rows(rows: Dataset, sources: Sequence[Source], seed: int) -> np.ndarray:
    """Choose, of each source and direction with a cap, the rows with the lowest hashes.

    The hashes have the name "cap"; ties go by the order of the rows. 16 bytes are held for each row
    of a capped direction.

    Args:
        rows (`Dataset`): N rows with NEEDED columns.
        sources (`Sequence[Source]`): The sources that `origin` counts.
        seed (`int`): Seed of the hash.

    Returns:
        `np.ndarray`: (N,) bool, True for rows that stay; all of a direction without a cap.
    """
    staying = np.ones(len(rows), bool)
    if not any(source.caps for source in sources):
        return staying
    candidates: dict[tuple[int, str], list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)
    first = 0
    for batch in _batches(rows):
        for capped_direction, positions, hashes in capped_rows(batch, sources, seed):
            candidates[capped_direction].append((positions + first, hashes))
        first += len(batch)
    for (origin, name), parts in sorted(candidates.items()):
        positions, hashes = (np.concatenate(part) for part in zip(*parts, strict=True))
        beyond = np.argsort(hashes, kind="stable")[sources[origin].cap_of(name) :]
        staying[positions[beyond]] = False
    return staying


def _batches(rows: Dataset) -> Iterator[pa.Table]:
    yield from rows.select_columns(list(NEEDED)).with_format("arrow").iter(BATCH)


def capped_rows(
    batch: pa.Table, sources: Sequence[Source], seed: int
) -> Iterator[tuple[tuple[int, str], np.ndarray, np.ndarray]]:
    """Find the rows of a batch that a cap is counted over.

    Args:
        batch (`pa.Table`): B rows with NEEDED columns.
        sources (`Sequence[Source]`): The sources that `origin` counts.
        seed (`int`): Seed of the hash.

    Yields:
        `tuple[tuple[int, str], np.ndarray, np.ndarray]`: Source and direction with a cap, and (K,) positions and
        hashes of their rows in the batch; those of the lowest hashes stay.
    """
    directions, origins = direction_column(batch), batch[ORIGIN].to_numpy()
    hashes = decision_hashes("cap", seed, directions, key_column(batch))
    codes = direction_codes(directions)
    for origin in np.unique(origins).tolist():
        for code, name in enumerate(directions.dictionary.to_pylist()):
            if sources[origin].cap_of(name) is not None:
                row_indices = np.flatnonzero((origins == origin) & (codes == code))
                yield (origin, name), row_indices, hashes[row_indices]
