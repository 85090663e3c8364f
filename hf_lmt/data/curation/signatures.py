"""MinHash signatures of rows, in files: read back only where rows are compared."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import pyarrow

from hf_lmt.data.curation.ngrams import Grams, character_grams, fold, is_unspaced
from hf_lmt.data.curation.surveys import preferences
from hf_lmt.data.hashing import mix, text_column, text_hashes

PERMUTATIONS = 128  # of a signature: the error of a similarity of 0.8 is 0.035
RECALL = 0.99  # the least share of pairs at the threshold that become candidates
TARGET = 0x5851F42D4C957F2D  # tells what a target says from the same in a source
READ = {"signatures": 4000, "keys": 100_000}  # rows of a file that are mapped into memory at a time
SIGNATURE = np.dtype(("u4", PERMUTATIONS))
KEY = np.dtype([("bare", "?"), ("hash", "u8"), ("content", "u8"), ("row", "i8")])
"""The preference for a row, as `surveys.preferences` computes it, and its index among all rows."""


class Signed(NamedTuple):
    """Hold rows that were signed.

    Attributes:
        signatures (`np.ndarray`): (B, PERMUTATIONS) uint32.
        keys (`np.ndarray`): (B,) KEY.
    """

    signatures: np.ndarray
    keys: np.ndarray


def sign_rows(batch: pyarrow.Table, row_indices: np.ndarray, decision: str) -> Signed:
    """Sign the rows of a batch; those that say nothing are left out.

    Args:
        batch (`pyarrow.Table`): B rows of one direction.
        row_indices (`np.ndarray`): (B,) their indices.
        decision (`str`): Name of the decision that chooses between rows that are alike.

    Returns:
        `Signed`: At most B rows.
    """
    signatures, keys = _signatures(batch), np.empty(len(batch), KEY)
    keys["bare"], keys["hash"], keys["content"] = preferences(batch, decision)
    keys["row"] = row_indices
    speaking = (signatures != np.iinfo(np.uint32).max).any(axis=1)
    return Signed(signatures[speaking], keys[speaking])


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


def band_hashes(signatures: np.ndarray, direction: str, threshold: float) -> np.ndarray:
    """Hash each band of signatures: rows with one hash are candidates for being alike.

    Args:
        signatures (`np.ndarray`): (B, PERMUTATIONS) uint32.
        direction (`str`): Direction of the rows; those of two directions are no candidates.
        threshold (`float`): Share of equal numbers from which on rows are alike.

    Returns:
        `np.ndarray`: (bands, B) uint64.
    """
    width = band_width(threshold)
    (start,) = text_hashes(pyarrow.array([direction]))
    bands = np.empty((PERMUTATIONS // width, len(signatures)), np.uint64)
    for number in range(len(bands)):
        # Behind the direction stands the number of the band: the same numbers in two bands are no agreement.
        bands[number] = mix(np.array([start ^ np.uint64(number)]))
        for column in range(number * width, (number + 1) * width):
            bands[number] = mix(bands[number] ^ signatures[:, column].astype(np.uint64))
    return bands


def band_width(threshold: float) -> int:
    """Return the most numbers of a band with which pairs at the threshold still meet in some band.

    They do with probability 1 - (1 - threshold^width)^bands, where bands = floor(PERMUTATIONS / width).

    Args:
        threshold (`float`): Share of equal numbers from which on rows are alike.

    Returns:
        `int`: Numbers, 1 or more.
    """
    for width in range(32, 1, -1):
        if 1 - (1 - threshold**width) ** (PERMUTATIONS // width) >= RECALL:
            return width
    return 1


class SignedRows:
    """Read signed rows from files by their positions, which go on from file to file.

    Files are mapped into memory anew for some rows at a time, so that no page of them stays.

    Args:
        signature_files (`Sequence[Path | IO[bytes]]`): Files of signatures, open ones or their paths.
        key_files (`Sequence[Path | IO[bytes]]`): Files of the same rows' KEY.

    Attributes:
        firsts (`np.ndarray`): The first position of each file, and behind them the number of all rows.
    """

    def __init__(self, signature_files: Sequence[Path | IO[bytes]], key_files: Sequence[Path | IO[bytes]]) -> None:
        self._files = {"signatures": signature_files, "keys": key_files}
        sizes = [file.stat().st_size if isinstance(file, Path) else file.seek(0, os.SEEK_END) for file in key_files]
        self.firsts = np.cumsum([0, *(size // KEY.itemsize for size in sizes)])

    def signatures(self, positions: np.ndarray) -> np.ndarray:
        """Read signatures.

        Args:
            positions (`np.ndarray`): (K,) positions of rows.

        Returns:
            `np.ndarray`: (K, PERMUTATIONS) uint32.
        """
        return self._read("signatures", np.empty((len(positions), PERMUTATIONS), np.uint32), positions)

    def keys(self, positions: np.ndarray) -> np.ndarray:
        """Read keys.

        Args:
            positions (`np.ndarray`): (K,) positions of rows.

        Returns:
            `np.ndarray`: (K,) KEY.
        """
        return self._read("keys", np.empty(len(positions), KEY), positions)

    def _read(self, name: str, values: np.ndarray, positions: np.ndarray) -> np.ndarray:
        kind = SIGNATURE if name == "signatures" else KEY
        for first in range(0, len(positions), READ[name]):
            part = positions[first : first + READ[name]]
            file_of_row = np.searchsorted(self.firsts, part, "right") - 1
            for number in np.unique(file_of_row).tolist():
                chosen = np.flatnonzero(file_of_row == number)
                mapped = np.memmap(self._files[name][number], kind, "r")
                values[first + chosen] = mapped[part[chosen] - self.firsts[number]]
        return values
