"""The filter on rows whose target is the source itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pyarrow
import regex

from hf_lmt.data.characters import (
    WORDS,
    characters,
    folded_length_table,
    weight_table,
)
from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.step import Step, with_reason
from hf_lmt.data.hashing import text_column
from hf_lmt.data.normal_form import normal_form


@dataclass
class Copy(Step):
    """Takes rows with the same text on both sides.

    The same: letters, marks and figures agree in their order, after Unicode's NFC, with case
    folded. Texts of fewer than `least` of these characters (weighted as in `Length`) stay, and
    those without a letter: "2018-2019", "Donald Trump" and "OK" are their own translations. The
    threshold is ours: of NTREX-128 (1,685 lines, 58 languages) this takes 15 of the 190,405
    pairs of a line with its English or Chinese, titles and lines that were left in English.

    Args:
        least (`float`, *optional*, defaults to `20`): Characters, weighted, that a text needs to count as a copy.

    Raises:
        InputError: `least` is no number or below 0.
    """

    name: ClassVar[str] = "copy"

    least: float = 20

    def __post_init__(self) -> None:
        check_number("copy: least", self.least, 0)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        source, target = (normal_form(text_column(rows, side)) for side in ("source", "target"))
        # Lengths first, as arrays over the batch: only pairs of the same length are compared letter by letter.
        folded, weighted = _word_lengths(source)
        alike = (folded == _word_lengths(target)[0]) & (weighted >= self.least)
        for row_index in np.flatnonzero(alike):  # of a hundred other rows, about one has this length
            words = _words(source[row_index].as_py())
            same = words == _words(target[row_index].as_py())
            alike[row_index] = same and any(map(str.isalpha, words))
        return with_reason(alike, "target is the source")


def _word_lengths(texts: pyarrow.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return (B,) characters of words with case folded, and (B,) their weights as they stand."""
    content = characters(texts)
    folded = folded_length_table()[content.codes]
    return content.sums(folded), content.sums(weight_table()[content.codes] * (folded > 0))


def _words(text: str) -> str:
    return "".join(_word_pattern().findall(text.casefold()))


@cache
def _word_pattern() -> regex.Pattern[str]:
    return regex.compile(WORDS, flags=regex.VERSION1)
