"""Texts as hashes of what is in them: whole lines, runs of words, runs of characters.

Texts are compared folded: NFKC, casefold, without punctuation, symbols and invisible format
characters; blanks only tell words apart and do not count themselves. A span of characters
c_0 .. c_(k-1) has the hash

    mix(sum over i of value(c_i) * BASE^i)        modulo 2^64

which differences of running sums give for all spans of a batch at once. The choice is ours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow

from hf_lmt.data.characters import CODE_POINTS, characters, matching_code_points
from hf_lmt.data.hashing import mix
from hf_lmt.languages import language

UNSPACED_SCRIPTS = frozenset(("Hani", "Hira", "Kana", "Khmr", "Laoo", "Mymr", "Thai", "Tibt"))
"""Scripts whose languages here are written without blanks between words."""

COUNTS, BLANK, IGNORED = range(3)
BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
INVERSE = pow(BASE, -1, 2**64)


def is_unspaced(code: str) -> bool:
    """Check whether a language is written without blanks between its words.

    Args:
        code (`str`): Code of the language.

    Returns:
        `bool`: True for languages of UNSPACED_SCRIPTS.

    Raises:
        InputError: the language is unknown.
    """
    return not UNSPACED_SCRIPTS.isdisjoint(language(code).scripts)


class Folded(NamedTuple):
    """A batch of B folded texts, M characters in all without blanks, in W words.

    Attributes:
        sums (`np.ndarray`): (M + 1,) uint64, of value(c) * BASE^position before each position.
        inverses (`np.ndarray`): (M + 1,) uint64, BASE^-position.
        bounds (`np.ndarray`): (B + 1,) positions where each text begins, and the last one ends.
        words (`np.ndarray`): (W,) positions where each word begins.
        word_rows (`np.ndarray`): (W,) the text that each word is in.
    """

    sums: np.ndarray
    inverses: np.ndarray
    bounds: np.ndarray
    words: np.ndarray
    word_rows: np.ndarray

    def hashes(self, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """Hash spans of the folded characters.

        Args:
            starts (`np.ndarray`): (S,) first position of each span.
            ends (`np.ndarray`): (S,) position behind its last.

        Returns:
            `np.ndarray`: (S,) uint64; equal spans have equal hashes wherever they stand.
        """
        # Dividing by BASE^start makes the hash of a span the same wherever in the batch the span stands.
        return mix((self.sums[ends] - self.sums[starts]) * self.inverses[starts])


class Grams(NamedTuple):
    """Hold the hashes of S spans.

    Attributes:
        hashes (`np.ndarray`): (S,) uint64.
        rows (`np.ndarray`): (S,) the text that each span is in, rising.
    """

    hashes: np.ndarray
    rows: np.ndarray


def fold(texts: Sequence[str]) -> Folded:
    """Fold texts, ready to be hashed; this takes 50 bytes or so for each of their characters.

    Args:
        texts (`Sequence[str]`): (B,) texts.

    Returns:
        `Folded`: The folded characters of all texts with the bounds of texts and words.
    """
    simple = [unicodedata.normalize("NFKC", text).casefold() for text in texts]
    content = characters(pyarrow.array(simple, pyarrow.large_string()))
    kinds = _kinds()[content.codes]
    ends = np.concatenate(([0], content.ends))
    kept = np.concatenate(([0], np.cumsum(kinds == COUNTS, dtype=np.int64)))  # before each position
    solid = kinds != IGNORED  # what is ignored does not part words
    solid_kinds, solid_before = kinds[solid], np.concatenate(([0], np.cumsum(solid)))
    begins = np.ones(len(solid_kinds) + 1, bool)  # of words: after a blank, or first in a text
    begins[1:] = solid_kinds == BLANK
    begins[solid_before[ends]] = True
    words = np.flatnonzero(begins[:-1] & (solid_kinds == COUNTS))
    positions = np.flatnonzero(solid)[words]
    return Folded(
        *_running_sums(content.codes[kinds == COUNTS]),
        bounds=kept[ends],
        words=kept[positions],
        word_rows=np.searchsorted(content.ends, positions, side="right"),
    )


def whole_texts(folded: Folded) -> np.ndarray:
    """Hash each text as a whole.

    Args:
        folded (`Folded`): (B,) texts.

    Returns:
        `np.ndarray`: (B,) uint64; 0 for a text of which folding leaves nothing.
    """
    starts, ends = folded.bounds[:-1], folded.bounds[1:]
    return np.where(ends > starts, folded.hashes(starts, ends), np.uint64(0))


def word_grams(folded: Folded, size: int) -> Grams:
    """Hash every run of `size` words; none of a text with fewer.

    Args:
        folded (`Folded`): (B,) texts.
        size (`int`): Words of a run.

    Returns:
        `Grams`: The hash of each run, and the text that it is of.
    """
    words, rows = folded.words, folded.word_rows
    if len(words) < size:
        return _no_grams()
    first = np.flatnonzero(rows[: len(rows) - size + 1] == rows[size - 1 :])
    # A word ends where the next one begins, but never beyond its text: the last run would reach into the next.
    next_words = np.append(words, folded.bounds[-1])[first + size]
    ends = np.minimum(next_words, folded.bounds[rows[first] + 1])
    return Grams(folded.hashes(words[first], ends), rows[first])


def character_grams(folded: Folded, size: int) -> Grams:
    """Hash every run of `size` characters; none of a text with fewer.

    Args:
        folded (`Folded`): (B,) texts.
        size (`int`): Characters of a run.

    Returns:
        `Grams`: The hash of each run, and the text that it is of.
    """
    lengths = np.diff(folded.bounds)
    counts = np.maximum(lengths - size + 1, 0)
    if not counts.any():
        return _no_grams()
    rows = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = folded.bounds[rows] + within
    return Grams(folded.hashes(starts, starts + size), rows)


def _running_sums(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute (M + 1,) sums and (M + 1,) inverses of `Folded`, all modulo 2^64."""
    size = len(codes)
    powers, inverses = _powers(max(size.bit_length(), 10))
    sums = np.zeros(size + 1, np.uint64)
    # Overflow is wanted: unsigned sums of NumPy are modulo 2^64 anyway.
    np.cumsum(_values()[codes] * powers[:size], out=sums[1:])
    return sums, inverses[: size + 1]


@lru_cache(maxsize=2)  # a batch needs one, its neighbor seldom another
def _powers(bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (2^bits + 1,) powers of BASE, and of its inverse."""
    steps = np.ones((2, 2**bits + 1), np.uint64)
    steps[0, 1:], steps[1, 1:] = BASE, INVERSE
    powers = np.cumprod(steps, axis=1, dtype=np.uint64)
    return powers[0], powers[1]


@cache
def _values() -> np.ndarray:
    """Return (CODE_POINTS,) uint64, what each character counts."""
    return mix(np.arange(1, CODE_POINTS + 1, dtype=np.uint64))


@cache
def _kinds() -> np.ndarray:
    """Return (CODE_POINTS,) uint8: COUNTS, BLANK or IGNORED."""
    kinds = np.full(CODE_POINTS, COUNTS, np.uint8)
    kinds[matching_code_points(r"[\p{Z}\p{Cc}]+")] = BLANK
    kinds[matching_code_points(r"[\p{P}\p{S}\p{Cf}]+")] = IGNORED
    return kinds


def _no_grams() -> Grams:
    return Grams(np.zeros(0, np.uint64), np.zeros(0, np.int64))
