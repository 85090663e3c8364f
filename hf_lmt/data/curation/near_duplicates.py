"""The filter on rows that say nearly what another row says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import ClassVar

import datasets
import numpy as np
from datasets import Dataset
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.signatures import PERMUTATIONS, SignedRows, band_hashes, band_width, sign_rows
from hf_lmt.data.curation.surveys import BATCH, Reasons, SurveyStep
from hf_lmt.data.hashing import direction_codes, direction_column
from hf_lmt.data.method.scattered import ScatteredRows
from hf_miwv.common.extras import need

SIGN_BATCH = 2000  # rows whose signatures are Python numbers for a moment
COMPARED = 20_000  # pairs of signatures at a time


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

    Signatures lie in files without names in the cache of `datasets`, 700 bytes for each row of one direction at a
    time. In memory are about 80 bytes for each of these (measured on 10^6 rows of which a fifth has near copies),
    and 10 for each of all rows.

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
            codes[self._beyond(scattered, row_indices)] = 1
        self._set_reasons(codes)

    def _beyond(self, rows: ScatteredRows, row_indices: np.ndarray) -> np.ndarray:
        """Return those of (N,) indices, of one direction, whose rows a better one stands for."""
        pairs = np.zeros((2, 0), np.int64)
        with ExitStack() as stack:
            folder = Path(datasets.config.HF_DATASETS_CACHE)
            folder.mkdir(parents=True, exist_ok=True)
            # Without names, so that nothing of them is left behind by a run that is killed.
            bands = PERMUTATIONS // band_width(self.threshold)
            files = [stack.enter_context(TemporaryFile(dir=folder)) for _ in range(2 + bands)]
            first = 0
            for batch in rows.batches(row_indices, SIGN_BATCH):
                signed = sign_rows(batch, row_indices[first : first + len(batch)], self.name)
                hashes = band_hashes(signed.signatures, direction_column(batch)[0].as_py(), self.threshold)
                for file, values in zip(files, (*signed, *hashes), strict=True):
                    file.write(values.tobytes())
                first += len(batch)
            for file in files:
                file.flush()
            signatures, keys, *band_files = files
            signed_rows = SignedRows([signatures], [keys])
            for file in band_files:
                file.seek(0)
                groups = np.fromfile(file, np.uint64)
                crowded = crowded_entries(groups)
                pairs_of_band = near_pairs(signed_rows, crowded, groups[crowded], self.threshold)
                pairs = connected(np.concatenate((pairs, pairs_of_band), axis=1))
            return signed_rows.keys(rows_stood_for(signed_rows, pairs))["row"]


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


def crowded_entries(groups: np.ndarray) -> np.ndarray:
    """Find the entries that share their group with another.

    Args:
        groups (`np.ndarray`): (N,) uint64.

    Returns:
        `np.ndarray`: (K,) positions of the entries, those of a group together.
    """
    order = np.argsort(groups, kind="stable")
    in_order = groups[order]
    is_same = in_order[1:] == in_order[:-1]
    del in_order
    has_neighbor = np.zeros(len(groups), bool)
    has_neighbor[1:] = is_same
    has_neighbor[:-1] |= is_same
    return order[has_neighbor]


def near_pairs(rows: SignedRows, positions: np.ndarray, groups: np.ndarray, threshold: float) -> np.ndarray:
    """Find the pairs of rows of one group that are alike, each row compared with the best one first.

    Args:
        rows (`SignedRows`): All signed rows.
        positions (`np.ndarray`): (K,) positions of rows among them.
        groups (`np.ndarray`): (K,) uint64, one of `band_hashes` of each row; only rows of one group are compared.
        threshold (`float`): Share of equal numbers from which on rows are alike.

    Returns:
        `np.ndarray`: (2, E) int64 positions.
    """
    order = _by_preference(rows, positions, groups)
    positions, groups = positions[order], groups[order]
    pairs = [np.zeros((2, 0), np.int64)]
    while len(positions):
        starts = np.flatnonzero(np.diff(groups, prepend=~groups[:1]))
        sizes = np.diff(starts, append=len(positions))
        firsts = np.repeat(positions[starts], sizes)
        others = np.flatnonzero(firsts != positions)
        is_alike = _agreement(rows, firsts[others], positions[others]) >= threshold
        pairs.append(np.stack((firsts[others[is_alike]], positions[others[is_alike]])))
        positions, groups = positions[others[~is_alike]], groups[others[~is_alike]]
    return np.concatenate(pairs, axis=1)


def connected(pairs: np.ndarray) -> np.ndarray:
    """Connect the rows that pairs connect, directly or by others between, by as few pairs as rows.

    Args:
        pairs (`np.ndarray`): (2, E) positions of rows.

    Returns:
        `np.ndarray`: (2, K) the least position among those that a row is connected with, and its own, rising.
    """
    rows, ends = np.unique(pairs, return_inverse=True)
    ends = ends.reshape(pairs.shape)
    graph = coo_array((np.ones(len(ends[0]), bool), (ends[0], ends[1])), shape=(len(rows), len(rows)))
    # Pairs chain up: a like b, b like c. One row of the whole chain stays, and not one of each pair.
    _, groups = connected_components(graph, directed=False)
    return np.stack((rows[np.unique(groups, return_index=True)[1]][groups], rows))


def rows_stood_for(rows: SignedRows, pairs: np.ndarray) -> np.ndarray:
    """Find the rows that a better one of those that they are connected with stands for.

    Args:
        rows (`SignedRows`): All signed rows.
        pairs (`np.ndarray`): (2, K) of `connected`.

    Returns:
        `np.ndarray`: (G,) their positions.
    """
    groups, positions = pairs
    order = _by_preference(rows, positions, groups)
    groups, positions = groups[order], positions[order]
    return positions[1:][groups[1:] == groups[:-1]]


def _by_preference(rows: SignedRows, positions: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Order (K,) entries by group, and within it from the row to be kept on."""
    keys = rows.keys(positions)
    return np.lexsort((keys["content"], keys["hash"], keys["bare"], groups))


def _agreement(rows: SignedRows, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compute the share of the numbers that are equal: (E,)."""
    shares = np.zeros(len(left))
    for first in range(0, len(left), COMPARED):
        part = slice(first, first + COMPARED)
        shares[part] = (rows.signatures(left[part]) == rows.signatures(right[part])).mean(axis=1)
    return shares
