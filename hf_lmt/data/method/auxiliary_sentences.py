"""The sentences that hints are made of: what rows have, and what others have of the same text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow
import pyarrow.compute
from datasets import Dataset

from hf_lmt.data.hashing import (
    Batch,
    direction_codes,
    direction_column,
    optional_texts,
    text_column,
    text_hashes,
)
from hf_lmt.data.method.mapping import check_batch, dataset_advice, is_data, mapped
from hf_lmt.data.method.scattered import ScatteredRows
from hf_lmt.directions import DIRECTIONS, auxiliary_of, parse_direction
from hf_lmt.languages import language
from hf_lmt.registry import PIVOTS
from hf_miwv.common.errors import InputError

COLUMNS = ("source_lang", "target_lang", "source", "target")
BATCH = 10_000  # rows

Hint = tuple[str, str]  # language, text
Join = tuple[str, str]  # pivot, auxiliary language
Sentences = tuple[np.ndarray, np.ndarray]  # hashes, positions
Offered = tuple[np.ndarray, np.ndarray, np.ndarray]  # hashes of pivots and of hints, positions


class AuxiliarySentences:
    """Look up the auxiliary sentence of a row by the English or Chinese text that it shares.

    For En<->X the sentence of X's auxiliary language A, from a row of En<->A with the same English
    text; for Zh<->X the English one, from a row of En<->Zh with the same Chinese text (equal in
    Unicode's form NFC). Of several candidates the one with the lowest hash is taken, so that the
    order of the rows does not matter. Multi-way tables are joined by line by `multiway.expand`.

    Examples:
        >>> joined = AuxiliarySentences(dataset)(dataset)                           # doctest: +SKIP

    Texts stay where `rows` has them (on disk, for a data set that was loaded): 16 bytes of memory
    are held for each sentence that may be a hint, 24 and what sorting takes while they are
    gathered. Sentences are told apart by 64 bits: with ten million of them, and as many rows to
    join, one wrong match is to be expected in 200,000 runs.

    Args:
        rows (`Dataset`): source_lang, target_lang, source, target; all rows from which hints may come.

    Raises:
        InputError: A stream or dict of splits, a missing column, a null, an unknown language.
    """

    def __init__(self, rows: Dataset) -> None:
        if not isinstance(rows, Dataset):
            raise InputError(
                f"AuxiliarySentences reads a datasets.Dataset, not {type(rows).__name__}: give {dataset_advice(rows)}"
            )
        self._texts = rows.select_columns(["source", "target"]).with_format("arrow")
        self._sentences = _gather(rows)
        self._scattered: ScatteredRows | None = None

    @classmethod
    def of_sentences(cls, rows: Dataset, sentences: Mapping[Join, Sentences]) -> AuxiliarySentences:
        """Make it of sentences that were gathered elsewhere, part by part.

        Args:
            rows (`Dataset`): All rows, whose texts the positions mean.
            sentences (`Mapping[Join, Sentences]`): What `lowest_sentences` says of the `offers_of` all rows.

        Returns:
            `AuxiliarySentences`: The same as of all rows.
        """
        made = cls.__new__(cls)
        made._texts = rows.select_columns(["source", "target"]).with_format("arrow")
        made._sentences = dict(sentences)
        made._scattered = None
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_scattered": None}  # part of the cache's name

    def __call__(self, rows: Any, num_proc: int | None = None) -> Any:
        """Return the rows with auxiliary_lang and auxiliary, empty texts where there is no such sentence.

        An auxiliary that a row has already stays.

        Args:
            rows (`Dataset | IterableDataset | DatasetDict | Batch`): Rows, splits of rows, or a batch of
                columns.
            num_proc (`int`, *optional*): Processes, for a `Dataset`.

        Returns:
            `Dataset | IterableDataset | DatasetDict | dict[str, list[str]]`: The same kind of rows with the
            two columns; for a batch of columns, the two columns alone.
        """
        if is_data(rows):
            return mapped(self, rows, num_proc)
        check_batch(self, rows)
        return self._join(rows)

    def _join(self, batch: Batch) -> dict[str, list[str]]:
        hints = hints_of_rows(batch)
        for (_, auxiliary_lang), rows, positions in self._matches(batch, hints):
            for row, text in zip(rows.tolist(), self._read(positions), strict=True):
                hints[row] = (auxiliary_lang, text)
        return {
            "auxiliary_lang": [hint[0] if hint else "" for hint in hints],
            "auxiliary": [hint[1] if hint else "" for hint in hints],
        }

    def _matches(self, batch: Batch, hints: list[Hint | None]) -> Iterator[tuple[Join, np.ndarray, np.ndarray]]:
        """Yield for each join the rows of the batch without a hint, and the positions of their sentences."""
        lacking = np.array([hint is None for hint in hints], bool)
        directions, sides = direction_column(batch), _sides(batch)
        for code, name in enumerate(directions.dictionary.to_pylist()):
            join = _join_of(name)
            if join not in self._sentences:
                continue
            rows = np.flatnonzero(lacking & (direction_codes(directions) == code))
            pivots = sides[name.split("-").index(join[0])].take(pyarrow.array(rows))
            hashes, positions = self._sentences[join]
            sought = _hashes(pivots)
            # The nearest hash that is not lower; it counts as a match only where it is the very same.
            candidates = np.minimum(np.searchsorted(hashes, sought), len(hashes) - 1)
            hit = hashes[candidates] == sought
            if hit.any():
                yield join, rows[hit], positions[candidates[hit]]

    def _read(self, positions: np.ndarray) -> list[str]:
        if self._scattered is None:
            self._scattered = ScatteredRows(self._texts)
        # Two positions for each row, source and target: half of the number is the row, its last bit the side.
        table = self._scattered[positions // 2]
        sides = [table[name].to_pylist() for name in ("source", "target")]
        return [sides[side][row] for row, side in enumerate((positions % 2).tolist())]


@lru_cache(maxsize=4096)
def _join_of(name: str) -> Join | None:
    """Return (pivot, auxiliary language) of a direction: whose texts are joined, and what for."""
    direction = parse_direction(name)
    auxiliary_lang = auxiliary_of(direction)
    pivot = next((code for code in direction if code in PIVOTS), None)
    return (pivot, auxiliary_lang) if pivot and auxiliary_lang else None


@lru_cache(maxsize=4096)
def _offers(name: str) -> list[tuple[Join, int]]:
    """Return the joins that a row of a direction can be the hint for, and the side of its pivot."""
    joins = {_join_of(str(direction)) for direction in DIRECTIONS}
    direction = tuple(parse_direction(name))
    return [(join, side) for side, join in enumerate((direction, direction[::-1])) if join in joins]


def _gather(rows: Dataset) -> dict[Join, Sentences]:
    """Gather for each join (S,) sorted uint64 hashes of pivot texts, and (S,) positions of their hints."""
    gathered: dict[Join, list[Offered]] = defaultdict(list)
    arrow, first = rows.select_columns(list(COLUMNS)).with_format("arrow"), 0
    for batch in arrow.iter(BATCH):
        for join, offered in offers_of(batch, first):
            gathered[join].append(offered)
        first += len(batch)
    parts = {join: zip(*parts, strict=True) for join, parts in sorted(gathered.items())}
    sentences = {join: lowest_sentences(*map(np.concatenate, part)) for join, part in parts.items()}
    return {join: arrays for join, arrays in sentences.items() if len(arrays[0])}


def offers_of(batch: pyarrow.Table, first: int) -> Iterator[tuple[Join, Offered]]:
    """Yield the sentences of a batch that may be hints.

    Args:
        batch (`pyarrow.Table`): B rows.
        first (`int`): Position of its first row among all rows.

    Yields:
        `tuple[Join, Offered]`: (S,) uint64 hashes of the texts that are joined by, (S,) of the hints, and (S,)
        their positions: 2 x row + side, side 1 where the hint is the row's target.
    """
    directions, sides = direction_column(batch), _sides(batch)
    whole = _has_text(sides[0]) & _has_text(sides[1])
    for code, name in enumerate(directions.dictionary.to_pylist()):
        if not _offers(name):
            continue
        rows_of_direction = np.flatnonzero(whole & (direction_codes(directions) == code))
        hashes = [_hashes(texts.take(pyarrow.array(rows_of_direction))) for texts in sides]
        for join, side in _offers(name):
            yield join, (hashes[side], hashes[1 - side], 2 * (rows_of_direction + first) + 1 - side)


def lowest_sentences(pivots: np.ndarray, hints: np.ndarray, positions: np.ndarray) -> Sentences:
    """Keep each pivot hash once, sorted, with the position of its hint of the lowest hash.

    Args:
        pivots (`np.ndarray`): (S,) uint64 hashes of the texts that are joined by.
        hints (`np.ndarray`): (S,) uint64 hashes of the hints.
        positions (`np.ndarray`): (S,) int64 positions of the hints.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (T,) uint64 hashes, rising, and (T,) positions.
    """
    # Among several sentences of one pivot the lowest hash wins, which no order of the rows can change.
    order = np.lexsort((hints, pivots))
    unique, first = np.unique(pivots[order], return_index=True)
    return unique, positions[order[first]]


def _sides(batch: Batch) -> tuple[pyarrow.Array, pyarrow.Array]:
    return text_column(batch, "source"), text_column(batch, "target")


def _has_text(texts: pyarrow.Array) -> np.ndarray:
    trimmed = pyarrow.compute.utf8_trim_whitespace(texts)
    return pyarrow.compute.not_equal(trimmed, "").to_numpy(zero_copy_only=False)


def _hashes(texts: pyarrow.Array) -> np.ndarray:
    return text_hashes(texts, normalized=False)


def hints_of_rows(batch: Batch) -> list[Hint | None]:
    """Return the auxiliary sentences that the rows have already.

    Args:
        batch (`Batch`): B rows; auxiliary_lang and auxiliary where there are any.

    Returns:
        `list[Hint | None]`: (B,) language and text, or None.

    Raises:
        InputError: An auxiliary without a language, or in a language of the row's direction.
    """
    directions = direction_column(batch).to_pylist()
    languages, texts = (optional_texts(batch, name) for name in ("auxiliary_lang", "auxiliary"))
    has_text = [text is not None and bool(text.strip()) for text in texts]
    for name, code in {row[:2] for row in zip(directions, languages, has_text, strict=True) if row[2]}:
        if code is None or language(code).code in name.split("-"):
            raise InputError(
                f"{name}: a row's auxiliary_lang is {code!r}: give the language of its auxiliary, "
                "and none that the direction has itself, or leave the auxiliary empty"
            )
    rows = zip(languages, texts, has_text, strict=True)
    return [(str(code), str(text)) if present else None for code, text, present in rows]
