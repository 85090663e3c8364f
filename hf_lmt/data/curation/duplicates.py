"""Filters on rows that say what others say: exact duplicates, and caps on one text's rows.

Which of them stay is decided by hash, never by who comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow
from datasets import Dataset

from hf_lmt.data.curation.surveys import BATCH, Reasons, SurveyStep, preferences
from hf_lmt.data.hashing import direction_column, joined_fields, text_column, text_hashes
from hf_lmt.data.method.scattered import ScatteredRows
from hf_lmt.data.normal_form import normal_form
from hf_miwv.common.errors import InputError

SAME = ("source", "target")  # texts that are equal in copies of a row


@dataclass
class Duplicates(SurveyStep):
    """Takes all but one of the rows with the same direction, source and target, in any corpus.

    Texts count in Unicode's NFC and are otherwise compared to the letter. A row with an auxiliary
    sentence stays before one without, else the one of the lowest hash (ours). Texts are compared by
    64 bits of xxh3: among ten million rows two different ones are taken for the same with
    probability 3e-6. Holds about 25 bytes a row.
    """

    name: ClassVar[str] = "duplicates"
    words: ClassVar[Reasons] = (None, "same source and target")

    def survey(self, rows: Dataset) -> None:
        """Find the rows beyond the first of each group of equal ones.

        Args:
            rows (`Dataset`): All rows, before any of them is judged.
        """
        groups = _all_groups(rows, SAME)
        self._set_reasons(rows_beyond(ScatteredRows(rows), np.arange(len(rows)), groups, 1, self.name))


@dataclass
class Caps(SurveyStep):
    """Takes rows beyond a number of them per source text or per target text, in each direction.

    One target behind many sources teaches to ignore the source. Of the rows with one text, those of
    the lowest hashes stay (ours). First sources are capped, then targets among the rows left.

    Args:
        per_source (`int`, *optional*): Rows with the same source text at most, in a direction; None for any
            number.
        per_target (`int`, *optional*): Rows with the same target text at most, in a direction; None for any
            number.

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
        """Find the rows beyond the caps: first of sources, then of targets.

        Args:
            rows (`Dataset`): All rows, before any of them is judged.
        """
        codes, scattered = np.zeros(len(rows), np.int8), ScatteredRows(rows)
        caps = (("source", self.per_source), ("target", self.per_target))
        for code, (side, cap) in enumerate(caps, start=1):
            if cap is not None:
                # Only rows that the first cap left count for the second; else a row
                # could be taken for one that is gone already.
                left = np.flatnonzero(codes == 0)
                groups = _all_groups(rows, (side,))[left]
                gone = rows_beyond(scattered, left, groups, cap, f"{self.name} {side}")
                codes[left[gone]] = code
        self._set_reasons(codes)


def _all_groups(rows: Dataset, sides: Sequence[str]) -> np.ndarray:
    parts = [group_hashes(batch, sides) for batch in rows.with_format("arrow").iter(BATCH)]
    return np.concatenate(parts) if parts else np.zeros(0, np.uint64)


def group_hashes(batch: pyarrow.Table, sides: Sequence[str] = SAME) -> np.ndarray:
    """Hash direction and texts of each row.

    Args:
        batch (`pyarrow.Table`): B rows.
        sides (`Sequence[str]`, *optional*, defaults to `("source", "target")`): The texts that count.

    Returns:
        `np.ndarray`: (B,) uint64, equal for rows of the same direction and the same texts.
    """
    texts = [normal_form(text_column(batch, side)) for side in sides]
    directions = direction_column(batch).dictionary_decode()
    return text_hashes(joined_fields([directions, *texts]))


def rows_beyond(
    rows: ScatteredRows, row_indices: np.ndarray, groups: np.ndarray, cap: int, decision: str
) -> np.ndarray:
    """Find the rows that are not among the first `cap` of their group.

    First come rows with an auxiliary, then low hashes. Rows of equal hash are put in order by all
    that is in them; only wholly equal rows keep theirs.

    Args:
        rows (`ScatteredRows`): All rows.
        row_indices (`np.ndarray`): (N,) indices of those that are judged.
        groups (`np.ndarray`): (N,) uint64, their groups.
        cap (`int`): Rows of a group that may stay.
        decision (`str`): Name of the decision, for its hash.

    Returns:
        `np.ndarray`: (N,) bool, True for a row that goes.
    """
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # Texts are read only for rows in groups that are too large: nearly all rows of most corpora need no look.
    crowded = np.flatnonzero(sizes[group] > cap)
    is_removed = np.zeros(len(groups), bool)
    if len(crowded):
        batches = rows.batches(row_indices[crowded], BATCH)
        keys = [preferences(batch, decision) for batch in batches]
        bare, hashes, contents = (np.concatenate(part) for part in zip(*keys, strict=True))
        order = np.lexsort((contents, hashes, bare, group[crowded]))
        is_removed[crowded[order[_ranks(group[crowded][order]) >= cap]]] = True
    return is_removed


def _ranks(groups: np.ndarray) -> np.ndarray:
    """Return (K,) how many of the same group come before each, where groups lie together."""
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return np.arange(len(groups)) - np.repeat(starts, np.diff([*starts, len(groups)]))
