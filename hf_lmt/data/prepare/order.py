"""The order of prepared rows: by hash, so that neither files nor lines have a say in it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from datasets import Dataset

from hf_lmt.data.hashing import (
    decision_hashes,
    direction_column,
    joined_fields,
    key_column,
    text_column,
    text_hashes,
)
from hf_lmt.data.prepare.row_batches import BATCH

DECISION = "order"
CONTENT = ("source", "target", "auxiliary_lang", "auxiliary", "corpus", "row_key")


class Ordered(NamedTuple):
    """Hold the order of rows, and what they are.

    Attributes:
        order (`np.ndarray`): (N,) positions of the rows, first to last.
        fingerprints (`list[str]`): Hash of the rows of each source.
    """

    order: np.ndarray
    fingerprints: list[str]


def order_rows(rows: Dataset, sizes: list[int], seed: int) -> Ordered:
    """Order rows by hash(seed, "order", direction, row_key), ties by a hash of all their content.

    Equal rows may change places; so the texts, one after another, depend on nothing but the rows
    and the seed. A fingerprint is a hash of the contents of a source's rows in any order. Whether
    a row is multi-way belongs to its content, its line does not.

    Args:
        rows (`Dataset`): N rows with the columns of ROW_SCHEMA, sources one after another.
        sizes (`list[int]`): Rows of each source.
        seed (`int`): Seed of the hash.

    Returns:
        `Ordered`: The order, and a fingerprint for each source.
    """
    keys, contents = np.empty(len(rows), np.uint64), np.empty(len(rows), np.uint64)
    arrow, first = rows.with_format("arrow"), 0
    for batch in arrow.iter(BATCH):
        batch_slice = slice(first, first + len(batch))
        keys[batch_slice], contents[batch_slice] = order_keys(batch, seed)
        first += len(batch)
    order = np.lexsort((contents, keys))
    ends = np.cumsum(sizes)[:-1]
    digests = [xxhash.xxh3_128_hexdigest(np.sort(part).tobytes()) for part in np.split(contents, ends)]
    return Ordered(order, digests)


def order_keys(batch: pa.Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(B,) uint64 hashes that rows are ordered by, and (B,) of their contents, which order those of one hash.

    Args:
        batch (`pa.Table`): B rows.
        seed (`int`): Seed of the hash.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: The hashes.
    """
    directions = direction_column(batch)
    keys = decision_hashes(DECISION, seed, directions, key_column(batch))
    return keys, text_hashes(_contents(batch, directions))


def _contents(batch: pa.Table, directions: pa.DictionaryArray) -> pa.LargeStringArray:
    texts = [text_column(batch, name, required=False).fill_null("") for name in CONTENT]
    multiway = pc.if_else(batch["line"].combine_chunks().is_valid(), "multiway", "")
    return joined_fields([directions.dictionary_decode(), *texts, multiway.cast(pa.large_string())])
