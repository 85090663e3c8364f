"""Measures of texts for the rates of behavior: scripts, loops, lengths, and when texts are "the same"."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow

from hf_lmt.data.characters import (
    NO_LETTER,
    OTHER_SCRIPT,
    SCRIPTS,
    characters,
    invisible_table,
    script_table,
    weight_table,
    weighted_lengths,
)
from hf_lmt.languages import language

REPEATS = 4
REPEATED_CHARACTERS = 20
_GRAM = 5
_SPACE = re.compile(r"\s+")
_LOOP = re.compile(
    "|".join(
        [
            rf"(.{{{_GRAM},}}?)\1{{{REPEATS - 1},}}",
            *(
                rf"(.{{{size}}})\{_GRAM + 1 - size}{{{-(-REPEATED_CHARACTERS // size) - 1},}}"
                for size in range(_GRAM - 1, 0, -1)
            ),
        ]
    ),
    re.DOTALL,
)


def letters(texts: Sequence[str], target: str) -> tuple[np.ndarray, np.ndarray]:
    """Count the letters of each text in the scripts of a language, and in any script.

    Each letter has the weight of its script (`data.characters.WEIGHTS`): a Latin name
    in a Chinese sentence takes three letters where a Chinese one takes one.

    Args:
        texts (`Sequence[str]`): (S,) texts.
        target (`str`): Code of the language.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (S,) weighted letters in its scripts, and (S,) in any.
    """
    content = characters(_column(texts))
    scripts = script_table()[content.codes]
    weights = weight_table()[content.codes] * (scripts != NO_LETTER)
    expected = np.array([False] * (OTHER_SCRIPT + 1) + [script in language(target).scripts for script in SCRIPTS])
    return content.sums(weights * expected[scripts]), content.sums(weights)


def lengths(texts: Sequence[str]) -> np.ndarray:
    """Measure lengths in characters of an alphabet, by `data.characters.weighted_lengths`.

    Args:
        texts (`Sequence[str]`): (S,) texts.

    Returns:
        `np.ndarray`: (S,) lengths.
    """
    return weighted_lengths(_column(texts))


def blanks(texts: Sequence[str]) -> np.ndarray:
    """Check whether nothing of each text shows; zero-width characters do not.

    Args:
        texts (`Sequence[str]`): (S,) texts.

    Returns:
        `np.ndarray`: (S,) bool.
    """
    content = characters(_column(texts))
    return content.sums(~invisible_table()[content.codes]) == 0


def is_repetitive(text: str) -> bool:
    """Check whether something stands four times or more in a row, over 20 characters or more.

    What repeats is any run of characters, so that it needs no words: "la la la la la la la",
    "比赛比赛比赛比赛比赛比赛比赛比赛比赛比赛", a sentence four times. Both limits are ours.

    Args:
        text (`str`): The text.

    Returns:
        `bool`: True where it does.
    """
    text = _SPACE.sub(" ", text.strip()) + " "  # the last of "ha ha ha" counts, too
    grams = Counter([text[start : start + _GRAM] for start in range(len(text) - _GRAM + 1)])
    often = max(grams.values(), default=0) >= REPEATS  # any loop of that kind has such a 5-gram
    return often and _LOOP.search(text) is not None


def normalized(text: str) -> str:
    """Normalize to NFKC, case folded, each run of white space one blank, none around: the form of "the same".

    Args:
        text (`str`): The text.

    Returns:
        `str`: Its form; empty where nothing is left.
    """
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text)).strip().casefold()


def _column(texts: Sequence[str]) -> pyarrow.Array:
    return pyarrow.array(texts, pyarrow.large_string())
