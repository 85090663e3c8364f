"""Filters on marks that translation keeps: the end of a sentence, and figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow
import pyarrow.compute

from hf_lmt.data.characters import characters, digit_table
from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.step import Step, reasons, with_reason
from hf_lmt.data.hashing import text_column

QUESTIONS = "?？؟;՞፧⁇⁈⁉‽"  # the Greek one looks like a semicolon, and NFC makes it one
STOPS = ".!…。！．｡।॥۔።፨།༎༏༐༑။၊។៕᠃᠉։՜:;：；～~،"
AFTER = r"[\p{Z}\p{Pe}\p{Pf}\p{Pi}\p{Cf}'\"`*」』”’»]*$"
UNMARKED = frozenset({"th", "lo"})  # sentences end without a mark
NO_QUESTION_MARK = frozenset({"bo", "el", "hy", "km", "my"})  # or one that stands elsewhere


@dataclass
class TerminalPunctuation(Step):
    """Takes rows where one side ends a sentence, or asks, and the other does not.

    Marks of all scripts count, behind closing quotes and brackets. Sentences in Thai and Lao end
    without a mark, so rows with these stay; a question against a statement counts only where both
    languages have a mark for it at the end. Not part of the default set: human translations, too,
    join and part sentences, and headlines differ.
    """

    name: ClassVar[str] = "terminal_punctuation"

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        (source, source_asks), (target, target_asks) = (
            _endings(text_column(rows, side)) for side in ("source", "target")
        )
        return reasons(
            {
                "one side ends a sentence": _among(rows, UNMARKED) & (source != target),
                "one side asks": _among(rows, UNMARKED | NO_QUESTION_MARK) & (source_asks != target_asks),
            }
        )


@dataclass
class Digits(Step):
    """Takes rows whose sides have different figures.

        1 - (sum over 1 .. 9 of |n_source - n_target|) / (sum of n_source + n_target)  <  least

    where n counts a digit in a text, by its value, in any script. Zeros do not count, for "1,000"
    may become "1 thousand". Not part of the default set: numbers are written out, too, and Chinese
    counts by ten thousands. The idea, the threshold and leaving out zeros are those of OpusFilter's
    NonZeroNumeralsFilter (Helsinki-NLP), which compares sequences.

    Args:
        least (`float`, *optional*, defaults to `0.5`): The lowest agreement of a row that stays, in [0, 1].

    Raises:
        InputError: `least` is outside [0, 1].
    """

    name: ClassVar[str] = "digits"

    least: float = 0.5

    def __post_init__(self) -> None:
        check_number("digits: least", self.least, 0, 1)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        source, target = (_digit_counts(text_column(rows, side)) for side in ("source", "target"))
        differing, all_digits = np.abs(source - target).sum(1), (source + target).sum(1)
        return with_reason(all_digits - differing < self.least * all_digits, "other figures")


def _endings(texts: pyarrow.Array) -> tuple[np.ndarray, np.ndarray]:
    """Check whether each text ends with a mark that ends sentences, and whether that one asks: (B,) bool each."""
    bare = pyarrow.compute.replace_substring_regex(texts, AFTER, "")
    last = pyarrow.compute.utf8_slice_codeunits(bare, -1)
    asks = _is_mark(last, QUESTIONS)
    return asks | _is_mark(last, STOPS), asks


def _is_mark(characters: pyarrow.Array, marks: str) -> np.ndarray:
    values = pyarrow.array(list(marks), pyarrow.large_string())
    return pyarrow.compute.is_in(characters, values).to_numpy(zero_copy_only=False)


def _among(rows: pyarrow.Table, left_out: frozenset[str]) -> np.ndarray:
    """Check whether neither side is in one of these languages: (B,) bool."""
    values = pyarrow.array(sorted(left_out), pyarrow.large_string())
    sides = [text_column(rows, name) for name in ("source_lang", "target_lang")]
    in_language = [pyarrow.compute.is_in(side, values).to_numpy(zero_copy_only=False) for side in sides]
    return ~(in_language[0] | in_language[1])


def _digit_counts(texts: pyarrow.Array) -> np.ndarray:
    """Count how often each of the digits 1-9 is in each text: (B, 9)."""
    content = characters(texts)
    digits = digit_table()[content.codes]
    counted = digits > 0
    # Row and digit in one number, so that one count over the batch fills the whole table.
    cells = content.texts()[counted] * 9 + digits[counted] - 1
    return np.bincount(cells, minlength=9 * len(texts)).reshape(len(texts), 9)
