"""The filter on writing: is a text in the letters of its language at all?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import pyarrow

from hf_lmt.data.characters import (
    NO_LETTER,
    OTHER_SCRIPT,
    SCRIPTS,
    characters,
    script_table,
    weight_table,
)
from hf_lmt.data.curation.length_filters import check_number
from hf_lmt.data.curation.step import Step, reasons
from hf_lmt.data.hashing import text_column
from hf_lmt.languages import language


@dataclass
class Script(Step):
    """Takes rows with a side of which too few letters are of its language's scripts.

        letters of the language's scripts / letters of any script  <  least_share

    with each letter weighted as in `Length`, for a Latin name in a Chinese line takes three letters
    where a Chinese one takes one. Scripts are the registry's (`languages.csv`); figures,
    punctuation and combining marks do not count. Sides with fewer than `least_letters` stay: names,
    abbreviations, product codes. This finds what was left untranslated or is in another writing,
    and not a wrong language of the same script (`identification` does).

    The threshold is ours, low because news are full of foreign names: of NTREX-128 (1,685 lines, 58
    languages) it takes 6 texts, each an English line or a row of names.

    Args:
        least_share (`float`, *optional*, defaults to `0.2`): The lowest share of letters in the language's scripts
            of a side that stays, in [0, 1].
        least_letters (`float`, *optional*, defaults to `10`): Letters, weighted, that a side needs to be judged.

    Raises:
        InputError: a share outside [0, 1], letters below 0; on rows, an unknown language.
    """

    name: ClassVar[str] = "script"

    least_share: float = 0.2
    least_letters: float = 10

    def __post_init__(self) -> None:
        check_number("script: least_share", self.least_share, 0, 1)
        check_number("script: least_letters", self.least_letters, 0)

    def __call__(self, rows: pyarrow.Table) -> list[str | None]:
        """Judge the rows, as `Step` says."""
        return reasons({f"{side} in another script": self._foreign(rows, side) for side in ("source", "target")})

    def _foreign(self, rows: pyarrow.Table, side: str) -> np.ndarray:
        """Check whether too few letters are expected ones: (B,) bool."""
        languages = text_column(rows, f"{side}_lang").dictionary_encode()
        expected = np.stack([_expected(code) for code in languages.dictionary.to_pylist()])
        content = characters(text_column(rows, side))
        scripts = script_table()[content.codes]
        weights = weight_table()[content.codes] * (scripts != NO_LETTER)
        language_of_character = languages.indices.to_numpy()[content.texts()]
        letters = content.sums(weights)
        expected_letters = content.sums(weights * expected[language_of_character, scripts])
        return (letters >= self.least_letters) & (expected_letters < self.least_share * letters)


@cache
def _expected(code: str) -> np.ndarray:
    """Return (OTHER_SCRIPT + 1 + number of SCRIPTS,) bool: whether the language is written in each."""
    scripts = language(code).scripts
    return np.array([False] * (OTHER_SCRIPT + 1) + [known_script in scripts for known_script in SCRIPTS])
