"""The filter on rows that say nearly what another row says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow
from datasets import Dataset
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.ngrams import Grams, character_grams, fold, is_unspaced
from hf_lmt.data.curation.surveys import BATCH, Reasons, SurveyStep, preferences
from hf_lmt.data.hashing import direction_codes, direction_column, mix, text_column
from hf_lmt.data.method.scattered import ScatteredRows
from hf_miwv.common.extras import need

PERMUTATIONS = 128  # of a signature: the error of a similarity of 0.8 is 0.035
RECALL = 0.99  # the least share of pairs at the threshold that become candidates
COMPARED = 20_000  # pairs of signatures at a time
TARGET = 0x5851F42D4C957F2D  # tells what a target says from the same in a source


@dataclass
class NearDuplicates(SurveyStep):
    """Takes all but one of the rows of a direction that are nearly the same on both sides.

        |A and B| / |A or B|  >=  threshold

    with A and B the sets of runs of 5 characters in the two rows' sources and targets (3 in scripts
    without blanks and in Korean; folded as in `ngrams`; a shorter side is one run). The share is
    estimated by MinHash (Broder 1997; the library rensa) over 128 numbers, as the share of those
    that agree, and only for rows that agree in a band of them, which pairs at the threshold do in
    99 of 100 cases. Rows with one source and different translations stay. Within a band, each row
    is compared with the one to be kept first, then those unlike it with each other, and so on.
    Of rows that are connected, directly or by others between, one stays: one with an auxiliary
    before one without, else that of the lowest hash. The threshold is a habit (ours here).

    Holds 540 bytes for each row of one direction at a time, and 10 for each of all rows.

    Args:
        threshold (`float`, *optional*, defaults to `0.8`): Share of common runs from which on rows are nearly the
            same, from 0.5 to 1.

    Raises:
        InputError: the threshold is not from 0.5 to 1, or the library rensa is not installed.
    """

    name: ClassVar[str] = "near_duplicates"
    words: ClassVar[Reasons] = (None, "nearly the same as another row")

    threshold: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("near_duplicates: threshold", self.threshold, 0.5, 1)
        need("curate", "near_duplicates", "rensa", instead="or leave the step out")

    def survey(self, rows: Dataset) -> None:
        """Find the rows that another one stands for, direction by direction.

        Args:
            rows (`Dataset`): All rows, before any of them is judged.
        """
        codes, scattered = np.zeros(len(rows), np.int8), ScatteredRows(rows)
        for row_indices in _directions(rows):
            codes[row_indices[self._beyond(scattered, row_indices)]] = 1
        self._set_reasons(codes)

    def _beyond(self, rows: ScatteredRows, row_indices: np.ndarray) -> np.ndarray:
        """Return (N,) bool: rows at (N,) indices, of one direction, that a better one stands for."""
        keys, parts = [], []
        for batch in rows.batches(row_indices, BATCH):
            keys.append(preferences(batch, self.name))
            parts.append(_signatures(batch))
        bare, hashes, contents = (np.concatenate(part) for part in zip(*keys, strict=True))
        # In the order of preference, so that of connected rows the first is the one to keep.
        order = np.lexsort((contents, hashes, bare))
        gone = np.zeros(len(row_indices), bool)
        gone[order[_doubled(np.concatenate(parts)[order], self.threshold)]] = True
        return gone


def _directions(rows: Dataset) -> Iterator[np.ndarray]:
    """Yield the indices of each direction's rows, rising."""
    known: dict[str, int] = {}
    parts = [np.zeros(0, np.int16)]
    columns = rows.select_columns(["source_lang", "target_lang"]).with_format("arrow")
    for batch in columns.iter(BATCH):
        column = direction_column(batch)
        codes_of_batch = [known.setdefault(name, len(known)) for name in column.dictionary.to_pylist()]
        parts.append(np.array(codes_of_batch, np.int16)[direction_codes(column)])
    codes = np.concatenate(parts)
    order = np.argsort(codes, kind="stable")
    yield from np.split(order, np.cumsum(np.bincount(codes))[:-1]) if len(codes) else ()


def _signatures(batch: pyarrow.Table) -> np.ndarray:
    """Compute (B, PERMUTATIONS) uint32 of rows of one direction; all ones where a row says nothing."""
    from rensa import RMinHash

    source, target = _runs(batch, "source"), _runs(batch, "target")
    # The same text as a source and as a target has to count as two different things.
    hashes = np.concatenate((source.hashes, target.hashes ^ np.uint64(TARGET)))
    rows = np.concatenate((source.rows, target.rows))
    order = np.argsort(rows, kind="stable")
    offsets = np.searchsorted(rows[order], np.arange(len(batch) + 1))
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes[order], offsets, PERMUTATIONS, 1)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(batch), PERMUTATIONS)


def _runs(batch: pyarrow.Table, side: str) -> Grams:
    code = text_column(batch, f"{side}_lang")[0].as_py()
    size = 3 if is_unspaced(code) or code == "ko" else 5
    folded = fold(text_column(batch, side).to_pylist())
    runs = character_grams(folded, size)
    lengths = np.diff(folded.bounds)
    # A side shorter than a run is one run as a whole, or it would be like nothing at all.
    short = np.flatnonzero((lengths > 0) & (lengths < size))
    whole = folded.hashes(folded.bounds[short], folded.bounds[short + 1])
    return Grams(np.concatenate((runs.hashes, whole)), np.concatenate((runs.rows, short)))


def _doubled(signatures: np.ndarray, threshold: float) -> np.ndarray:
    """Find the rows that an earlier one is connected with, (N,) bool; (N, P) in the order of preference."""
    speaking = np.flatnonzero((signatures != np.iinfo(np.uint32).max).any(axis=1))
    width = _band_width(threshold)
    pairs = [np.zeros((2, 0), np.int64)]
    # Rows that agree in a whole band are candidates; comparing all pairs
    # would take time with the square of the rows.
    for first in range(0, PERMUTATIONS - width + 1, width):
        band = np.zeros(len(speaking), np.uint64)
        for column in range(first, first + width):
            band = mix(band ^ signatures[speaking, column].astype(np.uint64))
        order = np.argsort(band, kind="stable")
        pairs += _alike(signatures, speaking[order], band[order], threshold)
    earlier, later = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(earlier), bool), (earlier, later)), shape=(len(signatures),) * 2)
    # Pairs chain up: a like b, b like c. One row of the whole chain stays, and not one of each pair.
    _, groups = connected_components(graph, directed=False)
    doubled = np.ones(len(signatures), bool)
    doubled[np.unique(groups, return_index=True)[1]] = False
    return doubled


def _alike(signatures: np.ndarray, rows: np.ndarray, band: np.ndarray, threshold: float) -> Iterator[np.ndarray]:
    """Find the pairs of rows of one band that are alike, (2, E); rows lie together by band, rising in it."""
    while len(rows):
        starts = np.flatnonzero(np.diff(band, prepend=~band[:1]))
        sizes = np.diff(starts, append=len(rows))
        firsts = np.repeat(rows[starts], sizes)
        others = np.flatnonzero(firsts != rows)
        is_alike = _agreement(signatures, firsts[others], rows[others]) >= threshold
        yield np.stack((firsts[others[is_alike]], rows[others[is_alike]]))
        rows, band = rows[others[~is_alike]], band[others[~is_alike]]


def _agreement(signatures: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compute the share of the numbers that are equal: (E,)."""
    shares = np.zeros(len(left))
    for begin in range(0, len(left), COMPARED):
        part = slice(begin, begin + COMPARED)
        shares[part] = (signatures[left[part]] == signatures[right[part]]).mean(axis=1)
    return shares


def _band_width(threshold: float) -> int:
    """Return the most numbers of a band with which pairs at the threshold still meet in some band.

    They do with probability 1 - (1 - threshold^width)^bands.
    """
    for width in range(32, 1, -1):
        if 1 - (1 - threshold**width) ** (PERMUTATIONS // width) >= RECALL:
            return width
    return 1
