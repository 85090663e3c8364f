"""Scores of an estimator that lie on disk, so that none is computed twice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute

from hf_lmt.data.curation.estimators import UntrustedScoresError
from hf_lmt.data.hashing import FIELD, text_hashes

RECORD = np.dtype([("key", "<u8"), ("score", "<f8")])


class QualityScores:
    """The scores of one estimator, in one file that is only ever appended to.

    A score is written as soon as it is there; a record that a killed run left half written is
    passed over. Holds 16 bytes for each score. Texts are known by 64 bits of xxh3.

    Args:
        path (`Path`): The file; it is made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = np.zeros(0, np.uint64)
        self._scores = np.zeros(0)
        self._read()

    def known(self, keys: np.ndarray) -> np.ndarray:
        """Check whether there is a score for each key.

        Args:
            keys (`np.ndarray`): (B,) uint64, as `pair_keys` makes them.

        Returns:
            `np.ndarray`: (B,) bool.
        """
        return ~np.isnan(self.of(keys))

    def of(self, keys: np.ndarray) -> np.ndarray:
        """Look up scores.

        Args:
            keys (`np.ndarray`): (B,) uint64, as `pair_keys` makes them.

        Returns:
            `np.ndarray`: (B,) float64 scores, nan where there is none.
        """
        if not len(self._keys):
            return np.full(len(keys), np.nan)
        nearest = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[nearest] == keys, self._scores[nearest], np.nan)

    def add(self, scored: Iterable[tuple[int, float]]) -> None:
        """Write down (key, score) one by one, then know them, also where the iterable raises.

        Where it raises UntrustedScoresError, what it has given is taken back.

        Args:
            scored (`Iterable[tuple[int, float]]`): Pairs of key and score.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with open(self._path, "ab") as file:
            # A killed run may have left half a record; behind it all others would be shifted.
            start = file.tell() - file.tell() % RECORD.itemsize
            file.truncate(start)
            try:
                for key_and_score in scored:
                    file.write(np.array(key_and_score, RECORD).tobytes())
                    file.flush()
            except UntrustedScoresError:
                file.truncate(start)
                raise
            finally:
                self._read()

    def _read(self) -> None:
        if not self._path.exists():
            return
        content = self._path.read_bytes()
        records = np.frombuffer(content[: len(content) // RECORD.itemsize * RECORD.itemsize], RECORD)
        # Two runs at a time may both write a score; the first one counts.
        self._keys, first = np.unique(records["key"], return_index=True)
        self._scores = records["score"][first]


def pair_keys(sources: pyarrow.Array, targets: pyarrow.Array) -> np.ndarray:
    """Hash pairs of texts.

    Args:
        sources (`pyarrow.Array`): (B,) texts.
        targets (`pyarrow.Array`): (B,) texts.

    Returns:
        `np.ndarray`: (B,) uint64 that stand for the pairs.
    """
    separator = pyarrow.scalar(FIELD, pyarrow.large_string())
    joined = pyarrow.compute.binary_join_element_wise(sources, targets, separator)
    return text_hashes(joined)
