"""Unicode's form NFC for many texts at once: nearly all have it, and need but a look.

A text is in the form for certain if (1) none of its characters changes by itself, (2) none follows
one that may begin a composition, if it may end one, and (3) no mark follows a mark, or a letter
composed with one. This is the quick check of Unicode Standard Annex 15, section 9, made sharper by
(2) (it has every text in Bengali or Tamil in doubt) and blunter by (3) (it compares the classes of
marks). Texts in doubt go to `unicodedata`, so the result is always that of `unicodedata.normalize`.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import pyarrow
import pyarrow.compute

from hf_lmt.data.characters import CODE_POINTS, characters

FIRST, MARK, ANY = 1, 2, 4
"""Classes of a character, bit by bit: the first of a pair that composes; a mark (of a combining class
that is not 0), or composed with one; any at all."""
BEHIND = 3
"""Bits higher stands behind which of these the character is in doubt."""
TEXTS = 1000  # looked at together: their characters fit in the processor's cache
PLANES = 0x30000  # code points above are none of this
JAMO = {
    range(0x1100, 0x1113): FIRST,
    range(0xAC00, 0xD7A4, 28): FIRST,
    range(0x1161, 0x1176): FIRST << BEHIND,
    range(0x11A8, 0x11C3): FIRST << BEHIND,
}
"""Korean letters, which compose by a rule (section 3.12 of the Unicode Standard), not by a list."""
SYLLABLES = range(0xAC00, 0xD7A4)
"""Korean syllables, which these letters compose to. Python takes none of them apart before 3.14, and into up to three
letters from then on."""


def normal_form(texts: pyarrow.Array) -> pyarrow.Array:
    """Bring texts to form NFC; nulls stay.

    Args:
        texts (`pyarrow.Array`): (B,) large_string.

    Returns:
        `pyarrow.Array`: (B,) large_string, the same object where all have the form.
    """
    mask = pyarrow.array(_doubtful(texts))
    doubtful = texts.filter(mask).to_pylist()
    normal = [unicodedata.normalize("NFC", text) for text in doubtful]
    if normal == doubtful:
        return texts
    return pyarrow.compute.replace_with_mask(texts, mask, pyarrow.array(normal, texts.type))


def _doubtful(texts: pyarrow.Array) -> np.ndarray:
    """Find the texts that may not be in form NFC: (B,) bool."""
    # ASCII has nothing to compose, and most texts of many corpora are nothing else: they need no look at all.
    ascii_only = pyarrow.compute.string_is_ascii(texts).fill_null(True)
    doubtful = ~ascii_only.to_numpy(zero_copy_only=False)
    for first in range(0, len(texts), TEXTS):
        in_doubt = doubtful[first : first + TEXTS]
        if in_doubt.any():
            content = characters(texts.slice(first, TEXTS).filter(pyarrow.array(in_doubt)))
            positions = np.flatnonzero(_unsure(_table().take(content.codes, mode="clip")))
            # The tables say which characters are in doubt; a search in the ends of texts says whose they are.
            rows = np.searchsorted(content.ends, positions, side="right")
            in_doubt[in_doubt] = np.bincount(rows, minlength=len(content.ends)) > 0
    return doubtful


def _unsure(kinds: np.ndarray) -> np.ndarray:
    """Find the characters, by what each (C,) is, that are in doubt behind the one before: (C,) bool."""
    unsure = kinds >> BEHIND
    unsure[0] &= ANY
    unsure[1:] &= kinds[:-1]
    return unsure != 0


@cache
def _table() -> np.ndarray:
    """Return (CODE_POINTS,) uint8, what each character is."""
    table = np.full(CODE_POINTS, ANY, np.uint8)
    for code_point in range(PLANES):
        character = chr(code_point)
        if unicodedata.combining(character):
            table[code_point] |= MARK | MARK << BEHIND
        decomposed = unicodedata.decomposition(character)
        # Those with "<" are for NFKC.
        if not decomposed or decomposed.startswith("<") or code_point in SYLLABLES:
            continue
        # A character that NFC replaces is in doubt wherever it stands; any
        # other only where two of them may compose.
        if unicodedata.normalize("NFC", character) != character:
            table[code_point] |= ANY << BEHIND
        else:
            first, second = (int(part, 16) for part in decomposed.split())
            table[first] |= FIRST
            table[second] |= FIRST << BEHIND
            table[code_point] |= MARK if unicodedata.combining(chr(second)) else 0  # it ends with one
    for code_points, kind in JAMO.items():
        table[code_points] |= kind
    return table
