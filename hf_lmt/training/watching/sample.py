"""The rows that a training is watched on: few, fixed, as many of each direction."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hf_lmt.data.corpora.load import load_translations
from hf_lmt.data.hashing import (
    check_seed,
    decision_hashes,
    direction_codes,
    direction_column,
    key_column,
    optional_texts,
    text_column,
)
from hf_lmt.data.method.mapping import rows_as_dataset
from hf_lmt.directions import DIRECTIONS, Direction, match_directions, parse_direction
from hf_miwv.common.errors import InputError

DECISION = "evaluation_subset"  # what the hash decides here
BATCH = 10_000
NEEDED = ("source_lang", "target_lang", "source", "target")
READ = (*NEEDED, "auxiliary_lang", "auxiliary", "corpus", "row_key")

logger = logging.getLogger(__name__)


class WatchedRow(NamedTuple):
    """Hold a sentence with its reference; the auxiliary sentence is a hint, where there is one.

    Attributes:
        direction (`Direction`): The direction.
        source (`str`): The sentence.
        target (`str`): Its reference.
        auxiliary_lang (`str`, *optional*): Code of the hint's language.
        auxiliary (`str`, *optional*): The hint.
    """

    direction: Direction
    source: str
    target: str
    auxiliary_lang: str | None
    auxiliary: str | None


@dataclass(frozen=True)
class Sample:
    """Hold the rows, in the order of DIRECTIONS.

    Attributes:
        rows (`tuple[WatchedRow, ...]`): The rows.
        counts (`dict[str, int]`): `rows` given, `chosen`, `blank` ones left out (no text in source or target), and
            `other_directions`, rows in directions that are not asked for.
    """

    rows: tuple[WatchedRow, ...]
    counts: dict[str, int]

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Return the directions of the rows, each once."""
        return tuple(dict.fromkeys(row.direction for row in self.rows))

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of all rows in their order."""
        return hashlib.sha256(json.dumps(self.rows).encode()).hexdigest()


def choose_sample(rows: Dataset, per_direction: int, seed: int = 0, directions: Sequence[str] | None = None) -> Sample:
    """Choose the rows with the lowest hashes of seed and key, at most `per_direction` of a direction.

    The order of the rows makes no difference, nor do rows of other directions; a larger sample
    holds a smaller one. Copies of a row count once. Rows without text in source or target cannot
    be judged; they are left out and counted. The choice by hash is ours (`data.hashing`).

    Args:
        rows (`Dataset`): source_lang, target_lang, source and target; where there are any, auxiliary_lang,
            auxiliary, corpus and row_key. Or translation, {"en": text, "de": text}, as WMT and
            OPUS have it on the Hub: each such row stands for all directions of its languages.
        per_direction (`int`): Rows of a direction, at most.
        seed (`int`, *optional*, defaults to `0`): Seed of the hash.
        directions (`Sequence[str]`, *optional*): Directions and patterns such as "en-*"; all that the rows have if
            left out.

    Returns:
        `Sample`: The rows.

    Raises:
        InputError: something else than a Dataset with these columns, an unknown language, a number
            that cannot be, no row left in a direction that is named, or none at all.
    """
    _check(rows, per_direction, seed, directions)
    if "translation" in rows.column_names and not set(NEEDED) & set(rows.column_names):
        rows = load_translations(rows, "the evaluation rows")
    direction_names = None if directions is None else set(map(str, match_directions(directions)))
    hashes, codes, names, counts = _hash_rows(rows, seed, direction_names)
    positions = _lowest(hashes, codes, per_direction)
    read_rows = _read(rows, positions, hashes, [names[code] for code in codes[positions]])
    sample = Sample(tuple(read_rows), {"rows": len(rows), "chosen": len(read_rows), **counts})
    _check_sampled(sample, directions)
    return sample


def _check(rows: Any, per_direction: Any, seed: Any, directions: Any) -> None:
    if not isinstance(rows, Dataset):
        raise InputError(
            f"the evaluation rows are a {type(rows).__name__}: give a datasets.Dataset with the "
            f"columns {', '.join(NEEDED)}, here {rows_as_dataset(rows)}"
        )
    if isinstance(per_direction, bool) or not isinstance(per_direction, int) or per_direction < 1:
        raise InputError(f"per_direction {per_direction!r}: give a whole number, 1 or more")
    if isinstance(directions, str):
        raise InputError(f"directions {directions!r}: give a list, such as [{directions!r}]")
    check_seed(seed)


def _hash_rows(
    rows: Dataset, seed: int, direction_names: set[str] | None
) -> tuple[np.ndarray, np.ndarray, list[str], dict[str, int]]:
    """Hash the rows, and count those that are left out.

    Returns:
        (N,) uint64 hashes, (N,) numbers of directions, -1 for rows that are left out, the directions' names, and
        what is left out, counted.
    """
    names: dict[str, int] = {}
    hashes = np.zeros(len(rows), np.uint64)
    codes = np.full(len(rows), -1, np.int64)
    counts = {"blank": 0, "other_directions": 0}
    arrow = rows.select_columns([name for name in READ if name in rows.column_names])
    first = 0
    for batch in arrow.with_format("arrow").iter(BATCH):
        texts = [text_column(batch, name) for name in ("source", "target")]
        blank = np.logical_or(*(_blanks(column) for column in texts))
        directions = direction_column(batch)
        spelled = directions.dictionary.to_pylist()
        is_wanted = np.array([direction_names is None or name in direction_names for name in spelled], bool)
        numbers = np.array([names.setdefault(name, len(names)) for name in spelled], np.int64)
        batch_codes = direction_codes(directions)
        batch_slice = slice(first, first + len(batch_codes))
        hashes[batch_slice] = decision_hashes(DECISION, seed, directions, key_column(batch))
        codes[batch_slice] = np.where(is_wanted[batch_codes] & ~blank, numbers[batch_codes], -1)
        counts["other_directions"] += int((~is_wanted[batch_codes]).sum())
        counts["blank"] += int((is_wanted[batch_codes] & blank).sum())
        first += len(batch_codes)
    return hashes, codes, list(names), counts


def _lowest(hashes: np.ndarray, codes: np.ndarray, size: int) -> np.ndarray:
    """Return (P,) positions of the rows with the `size` lowest different hashes of each direction."""
    order = np.lexsort((hashes, codes))
    order = order[codes[order] >= 0]
    if not len(order):
        return order
    direction_begins = np.diff(codes[order], prepend=-1) != 0
    hash_begins = direction_begins | np.append(True, hashes[order][1:] != hashes[order][:-1])
    # Ranks count different hashes, so that copies of a row share one; a direction's first rank is taken off.
    ranks = np.cumsum(hash_begins)
    firsts = np.maximum.accumulate(np.where(direction_begins, ranks, 0))
    return order[ranks - firsts < size]


def _blanks(texts: pa.Array) -> np.ndarray:
    trimmed = pc.utf8_trim_whitespace(texts)
    return pc.equal(pc.utf8_length(trimmed), 0).to_numpy(zero_copy_only=False)


def _read(rows: Dataset, positions: np.ndarray, hashes: np.ndarray, names: Sequence[str]) -> list[WatchedRow]:
    """Return the rows at these positions, of equal hashes the one with the lowest texts."""
    if not len(positions):
        return []
    table = rows.with_format("arrow")[positions.tolist()]
    columns = (
        text_column(table, "source").to_pylist(),
        text_column(table, "target").to_pylist(),
        optional_texts(table, "auxiliary_lang"),
        optional_texts(table, "auxiliary"),
    )
    directions = {name: parse_direction(name) for name in dict.fromkeys(names)}
    row_by_key: dict[tuple[str, int], WatchedRow] = {}
    for name, number, texts in zip(names, hashes[positions].tolist(), zip(*columns, strict=True), strict=True):
        row = WatchedRow(directions[name], *texts)
        rival = row_by_key.get((name, number), row)
        row_by_key[name, number] = min(row, rival, key=lambda candidate: [text or "" for text in candidate[1:]])
    rank_of = {direction: rank for rank, direction in enumerate(DIRECTIONS)}
    return [
        row_by_key[key]
        for key in sorted(row_by_key, key=lambda key: (rank_of.get(directions[key[0]], len(rank_of)), *key))
    ]


def _check_sampled(sample: Sample, directions: Sequence[str] | None) -> None:
    counts = sample.counts
    named = [] if directions is None else [direction for direction in directions if "*" not in direction]
    missing = [direction for direction in named if parse_direction(direction) not in sample.directions]
    if missing or not sample.rows:
        names = ", ".join(missing) if missing else "the directions asked for"
        raise InputError(
            f"the evaluation rows hold none with text in {names} ({counts['rows']:,} rows, "
            f"{counts['blank']:,} of them blank, {counts['other_directions']:,} in other "
            "directions); give rows in these directions, or other directions"
        )
    if counts["blank"]:
        logger.warning("%s evaluation rows without text in source or target are left out", f"{counts['blank']:,}")
