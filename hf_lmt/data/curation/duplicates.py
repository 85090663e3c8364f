"""Filters on rows that say what others say: exact duplicates, and caps on one text's rows.

Which of them stay is decided by hash, never by who comes first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pyarrow
import xxhash
from datasets import Dataset

from hf_lmt.data.curation.step import Step
from hf_lmt.data.hashing import (
    decision_hashes,
    direction_column,
    joined_fields,
    optional_texts,
    row_keys,
    text_column,
    text_hashes,
)
from hf_lmt.data.normal_form import normal_form
from hf_lmt.errors import InputError

BATCH = 10_000  # rows
Reasons = Sequence[str | None]


@dataclass
class _Survey(Step):
    """A step that finds its reasons in the survey, and then hands them out in the rows' order."""

    _reasons: np.ndarray = field(init=False, repr=False, compare=False)  # (N,) places in `words`
    _given: int = field(init=False, repr=False, compare=False, default=0)

    words: ClassVar[Reasons] = ()

    def __post_init__(self) -> None:
        self._reasons = np.zeros(0, np.int8)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        first, self._given = self._given, self._given + len(rows)
        if self._given > len(self._reasons):
            raise InputError(
                f"{self.name}: was given rows that it has not surveyed; give it to "
                "curate(rows, [...]), which lets it see all rows first"
            )
        return [self.words[code] for code in self._reasons[first : self._given]]

    def _found(self, codes: np.ndarray) -> None:
        self._reasons, self._given = codes.astype(np.int8), 0


@dataclass
class Duplicates(_Survey):
    """Takes all but one of the rows with the same direction, source and target, in any corpus.

    Texts count in Unicode's NFC and are otherwise compared to the letter. A row with an auxiliary
    sentence stays before one without, else the one of the lowest hash (ours). Texts are compared by
    64 bits of xxh3: among ten million rows two different ones are taken for the same with
    probability 3e-6. Holds about 25 bytes a row.
    """

    name: ClassVar[str] = "duplicates"
    words: ClassVar[Reasons] = (None, "same source and target")

    def survey(self, rows: Dataset) -> None:
        groups = _group_hashes(rows, ("source", "target"))
        self._found(_beyond(rows, groups, 1, self.name))


@dataclass
class Caps(_Survey):
    """Takes rows beyond a number of them per source text or per target text, in each direction.

    One target behind many sources teaches to ignore the source. Of the rows with one text, those of
    the lowest hashes stay (ours). First sources are capped, then targets among the rows left.

    Args:
        per_source: rows with the same source text at most, in a direction; None for any number.
        per_target: the same with the target text.

    Raises:
        InputError: neither is given, or one is not a whole number of at least 1.
    """

    name: ClassVar[str] = "caps"
    words: ClassVar[Reasons] = (None, "source too often", "target too often")

    per_source: int | None = None
    per_target: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_source is None and self.per_target is None:
            raise InputError("caps: give per_source or per_target, or both, such as per_target: 10")
        for option in ("per_source", "per_target"):
            cap = getattr(self, option)
            if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
                raise InputError(f"caps: {option} {cap!r}: give a whole number of at least 1")

    def survey(self, rows: Dataset) -> None:
        codes = np.zeros(len(rows), np.int8)
        caps = (("source", self.per_source), ("target", self.per_target))
        for code, (side, cap) in enumerate(caps, start=1):
            if cap is not None:
                left = np.flatnonzero(codes == 0)
                remaining = rows.select(left)
                groups = _group_hashes(remaining, (side,))
                codes[left[_beyond(remaining, groups, cap, f"{self.name} {side}")]] = code
        self._found(codes)


def _group_hashes(rows: Dataset, sides: Sequence[str]) -> np.ndarray:
    """(N,) uint64: equal for rows of the same direction and the same texts."""
    parts = []
    for batch in rows.with_format("arrow").iter(BATCH):
        texts = [normal_form(text_column(batch, side)) for side in sides]
        directions = direction_column(batch).dictionary_decode()
        parts.append(text_hashes(joined_fields([directions, *texts])))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def _beyond(rows: Dataset, groups: np.ndarray, cap: int, decision: str) -> np.ndarray:
    """(N,) bool: rows that are not among the first `cap` of their group, (N,) uint64.

    First come rows with an auxiliary, then low hashes. Rows of equal hash are put in order by all
    that is in them; only wholly equal rows keep theirs.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(sizes[group] > cap)
    gone = np.zeros(len(groups), bool)
    if len(crowded):
        keys = [_preferences(batch, decision) for batch in _batches(rows.select(crowded))]
        bare, hashes, contents = (np.concatenate(part) for part in zip(*keys, strict=True))
        order = np.lexsort((contents, hashes, bare, group[crowded]))
        gone[crowded[order[_ranks(group[crowded][order]) >= cap]]] = True
    return gone


def _batches(rows: Dataset) -> Any:
    return rows.with_format("arrow").iter(BATCH)


def _preferences(batch: pyarrow.Table, decision: str) -> tuple[np.ndarray, ...]:
    """(B,) whether there is no auxiliary, (B,) hash of the decision, (B,) hash of the content."""
    bare = np.array([not text for text in optional_texts(batch, "auxiliary")], bool)
    hashes = decision_hashes(f"curation {decision}", 0, direction_column(batch), row_keys(batch))
    contents = _digests([json.dumps(row, sort_keys=True, default=str) for row in batch.to_pylist()])
    return bare, hashes, contents


def _ranks(groups: np.ndarray) -> np.ndarray:
    """(K,) how many of the same group come before each, where groups lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff([*starts, len(groups)]))


def _digests(texts: list[str]) -> np.ndarray:
    digests = map(xxhash.xxh3_64_intdigest, map(str.encode, texts))
    return np.fromiter(digests, np.uint64, len(texts))
