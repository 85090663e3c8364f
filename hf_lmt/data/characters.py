"""Counts of characters in a batch of texts, through tables over all code points of Unicode.

A text of n characters is n look-ups; a batch is looked up as one array. Properties are those of
the `regex` library, which knows Unicode's scripts.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute
import regex

from hf_lmt.registry import LANGUAGES

CODE_POINTS = 0x110000
WEIGHTS = {"Hani": 3.0, "Hira": 2.0, "Kana": 2.0, "Hang": 2.0, "Ethi": 1.5}
"""ISO 15924 script -> how many letters of an alphabet one of its characters is worth.

Characters of NTREX-128's English for each of its translations, rounded to halves: Chinese and
Cantonese 2.9-3.1, Japanese 2.2 in its mixture, Korean 1.9, Amharic 1.5. All other scripts lie
between 0.8 (Burmese, Uighur, Tamil) and 1.2 (Hebrew) and count 1. Ours.
"""
INVISIBLE = r"[\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]+"
LETTERS = r"[\p{L}--[\p{Script=Common}\p{Script=Inherited}]]+"
WORDS = r"[\p{L}\p{M}\p{N}]+"
NO_LETTER, OTHER_SCRIPT = 0, 1
SCRIPTS = tuple(dict.fromkeys(script for language in LANGUAGES.values() for script in language.scripts))
"""The scripts of the registry; in `script_table` the first of them is OTHER_SCRIPT + 1."""


class Characters(NamedTuple):
    """Hold the characters of the texts of a batch, one after another.

    Attributes:
        codes (`np.ndarray`): (C,) code points.
        ends (`np.ndarray`): (B,) characters up to the end of each text.
    """

    codes: np.ndarray
    ends: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum values of characters over each text.

        Args:
            values (`np.ndarray`): (C,) numbers, one for each character.

        Returns:
            `np.ndarray`: (B,) sums: float64 of floating-point values, else int64.
        """
        # Sums over texts are differences of one running sum, so no loop over texts is needed.
        kind = np.float64 if values.dtype.kind == "f" else np.int64
        totals = np.concatenate([[0], np.cumsum(values, dtype=kind)])[[0, *self.ends]]
        return np.diff(totals)

    def texts(self) -> np.ndarray:
        """Return (C,) int64 positions in the batch of each character's text."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))


def characters(texts: pyarrow.Array) -> Characters:
    """Look up the characters of texts as one array.

    Args:
        texts (`pyarrow.Array`): (B,) large_string; a null counts as an empty text.

    Returns:
        `Characters`: Their code points, and where each text ends.
    """
    texts = texts.fill_null("")
    _, offsets, data = texts.buffers()
    offsets_of_texts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    # Arrow's buffer holds more than this slice of texts; the offsets say which bytes are theirs.
    content = data[offsets_of_texts[0] : offsets_of_texts[-1]].to_pybytes() if data is not None else b""
    # UTF-32 has four bytes for each character, so its bytes are an array of code points as they stand.
    codes = np.frombuffer(content.decode("utf-8").encode("utf-32-le"), np.uint32)
    return Characters(codes, np.cumsum(pyarrow.compute.utf8_length(texts).to_numpy()))


def weighted_lengths(texts: pyarrow.Array) -> np.ndarray:
    """Measure lengths in characters, each with the weight of its script (WEIGHTS).

    A length of 100 so is about as much said in Chinese as in English or Thai.

    Args:
        texts (`pyarrow.Array`): (B,) texts.

    Returns:
        `np.ndarray`: (B,) lengths in characters of an alphabet; 0 for an empty text.
    """
    content = characters(texts)
    return content.sums(weight_table()[content.codes])


@cache
def weight_table() -> np.ndarray:
    """Return (CODE_POINTS,) float32: the WEIGHTS of scripts, 1 elsewhere."""
    table = np.ones(CODE_POINTS, np.float32)
    for script, weight in WEIGHTS.items():
        table[matching_code_points(rf"\p{{Script={script}}}+")] = weight
    return table


@cache
def invisible_table() -> np.ndarray:
    """Return (CODE_POINTS,) bool: blanks, controls, and what shows nothing by itself."""
    return matching_code_points(INVISIBLE)


@cache
def script_table() -> np.ndarray:
    """Return (CODE_POINTS,) uint8: NO_LETTER, OTHER_SCRIPT, or the position in SCRIPTS after these.

    Letters that several scripts share (the lengthening mark of kana) count as no letter.
    """
    table = np.where(matching_code_points(LETTERS), OTHER_SCRIPT, NO_LETTER).astype(np.uint8)
    for script_code, script in enumerate(SCRIPTS, start=OTHER_SCRIPT + 1):
        table[(table == OTHER_SCRIPT) & matching_code_points(rf"\p{{Script={script}}}+")] = script_code
    return table


@cache
def folded_length_table() -> np.ndarray:
    """Return (CODE_POINTS,) uint8: characters of words when case is folded ("ß" has 2), 0 for others."""
    table = matching_code_points(WORDS).astype(np.uint8)
    for code_point in np.flatnonzero(table):
        table[code_point] = len(chr(code_point).casefold())
    return table


@cache
def digit_table() -> np.ndarray:
    """Return (CODE_POINTS,) int8: the value 0-9 of a decimal digit in any script, -1 for others."""
    table = np.full(CODE_POINTS, -1, np.int8)
    for code_point in np.flatnonzero(matching_code_points(r"\p{Nd}+")):
        table[code_point] = unicodedata.decimal(chr(code_point), -1)
    return table


def matching_code_points(pattern: str) -> np.ndarray:
    """Mark the code points that a pattern matches.

    Args:
        pattern (`str`): Regular expression of the `regex` library; each match is a run of code points.

    Returns:
        `np.ndarray`: (CODE_POINTS,) bool.
    """
    table = np.zeros(CODE_POINTS, bool)
    for match in regex.finditer(pattern, _everything(), flags=regex.VERSION1):
        table[match.start() : match.end()] = True
    return table


@cache
def _everything() -> str:
    """Return each code point at the position of its number."""
    codes = np.arange(CODE_POINTS, dtype=np.uint32)
    return codes.tobytes().decode("utf-32-le", "surrogatepass")
