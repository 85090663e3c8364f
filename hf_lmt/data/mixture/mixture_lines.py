"""A row of translations, or a text, to a line of the mixture.

A pair of sentences is used in one direction, which a hash chooses, half and half. So a corpus that
is there in one direction gives both, and one that is there in both gives each pair once: rows are
told apart by corpus, the two languages and the two texts, whichever of them is the source.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from hf_lmt.data.corpora.monolingual import text_keys
from hf_lmt.data.hashing import (
    below,
    decision_hashes,
    direction_codes,
    direction_column,
    row_keys,
    text_column,
)
from hf_lmt.directions import Direction, parse_direction
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES

PARTS = ("monolingual", "zh", "en")
CODES = tuple(LANGUAGES)
EMPTY, NO_PIVOT = -1, -2  # in place of a group, for rows that are not used

ORDER = "mixture"  # the decisions' names
DIRECTION = "mixture direction"
PART = "mixture part"

_WHITE = r"[\s\v\x{85}\x{2028}\x{2029}]*"
_LINE_BREAK = _WHITE + r"[\r\n\v\f\x{85}\x{2028}\x{2029}]" + _WHITE


class Lines(NamedTuple):
    """Hold B rows as lines, (B,) each.

    Attributes:
        text (`pa.Array`): The lines, as they go into the mixture.
        source_lang (`pa.Array`): Codes of the languages of sources, or of texts.
        target_lang (`pa.Array`): Codes of the languages of targets; null for texts.
        row_key (`pa.Array`): Keys as they go into the mixture.
        order (`np.ndarray`): uint64, what the row is chosen by; copies have the same.
        tie (`np.ndarray`): uint64, tells copies with ids of their own apart.
        group (`np.ndarray`): int16, part and language (`group_of`), or EMPTY or NO_PIVOT.
        forward (`np.ndarray`): bool, out of the pivot.
        broken (`np.ndarray`): bool, a line break was replaced.
    """

    text: pa.Array
    source_lang: pa.Array
    target_lang: pa.Array
    row_key: pa.Array
    order: np.ndarray
    tie: np.ndarray
    group: np.ndarray
    forward: np.ndarray
    broken: np.ndarray


def group_of(part: str, code: str) -> int:
    """Return the number of a language within a part.

    Args:
        part (`str`): One of PARTS.
        code (`str`): Code of the language.

    Returns:
        `int`: The number, 0 or more.
    """
    return PARTS.index(part) * len(CODES) + CODES.index(code)


def part_and_language(group: int) -> tuple[str, str]:
    """Return the part and language that `group_of` numbered.

    Args:
        group (`int`): A number of `group_of`.

    Returns:
        `tuple[str, str]`: The part, and the code of the language.
    """
    return PARTS[group // len(CODES)], CODES[group % len(CODES)]


def bilingual_lines(batch: pa.Table, seed: int) -> Lines:
    """Write pairs as lines `<en2ky> {source} <ky> {target}`, the line format of arXiv 2511.07003.

    It counts for the part of its pivot, en or zh, under its other language. Rows between the two
    pivots go to one of the parts by hash, half and half; there the other pivot is the language. The
    paper is silent on this, and on line breaks: the format is one line, so each, with the white
    space around it, becomes a blank. Texts are normalized to NFC and trimmed. The tags are plain
    text and no tokens of their own.

    Args:
        batch (`pa.Table`): Rows of translations.
        seed (`int`): Seed of the hashes.

    Returns:
        `Lines`: (B,) lines, with their groups and the hashes that order them.

    Raises:
        InputError: a column is missing or not text, or a language is unknown.
    """
    pair = _pair(batch)
    directions, keys = direction_column(pair), row_keys(pair)
    kept = below(decision_hashes(DIRECTION, seed, directions, keys), 0.5)
    source_lang, target_lang = _either(pair, "source_lang", "target_lang", kept)
    source, target = _either(pair, "source", "target", kept)
    to_english = below(decision_hashes(PART, seed, directions, keys), 0.5)
    group, pivot = _groups(directions, to_english)
    empty = pc.or_(pc.equal(source, ""), pc.equal(target, ""))
    row_key, tie = _keys_and_ties(batch, keys)
    return Lines(
        text=_line(source_lang, target_lang, source, target),
        source_lang=source_lang,
        target_lang=target_lang,
        row_key=row_key,
        order=decision_hashes(ORDER, seed, directions, keys),
        tie=tie,
        group=np.where(_bools(empty), EMPTY, group).astype(np.int16),
        forward=_bools(pc.equal(source_lang, pivot)),
        broken=_broken(batch, "source") | _broken(batch, "target"),
    )


def monolingual_lines(batch: pa.Table, seed: int) -> Lines:
    """Take texts as lines: in NFC, else as they are, line breaks included.

    Args:
        batch (`pa.Table`): Rows with `text`, `lang` and `corpus`.
        seed (`int`): Seed of the hashes.

    Returns:
        `Lines`: (B,) lines, with their groups and the hashes that order them.

    Raises:
        InputError: a column is missing or not text, or a language is unknown.
    """
    text = pc.utf8_normalize(_texts(batch, "text"), form="NFC")
    languages = text_column(batch, "lang").dictionary_encode()
    keys = text_keys(_texts(batch, "corpus"), languages, text)
    codes = [language(code).code for code in languages.dictionary.to_pylist()]
    groups = np.array([group_of("monolingual", code) for code in codes], np.int16)
    blank = _bools(pc.equal(pc.utf8_trim_whitespace(text), ""))
    row_key, tie = _keys_and_ties(batch, keys)
    none = np.zeros(len(text), bool)
    return Lines(
        text=text,
        source_lang=languages.dictionary_decode(),
        target_lang=pa.nulls(len(text), pa.large_string()),
        row_key=row_key,
        order=decision_hashes(ORDER, seed, languages, keys),
        tie=tie,
        group=np.where(blank, EMPTY, groups[direction_codes(languages)]).astype(np.int16),
        forward=none,
        broken=none,
    )


def _pair(batch: pa.Table) -> pa.Table:
    """Return (B,) the two sides in the order of their codes, each text on one line, and the corpus."""
    source_lang, target_lang = (text_column(batch, f"{side}_lang") for side in ("source", "target"))
    in_order = pc.less(source_lang, target_lang)
    source, target = (_without_line_breaks(_texts(batch, side)) for side in ("source", "target"))
    return pa.table(
        {
            "source_lang": pc.if_else(in_order, source_lang, target_lang),
            "target_lang": pc.if_else(in_order, target_lang, source_lang),
            "source": pc.if_else(in_order, source, target),
            "target": pc.if_else(in_order, target, source),
            "corpus": _texts(batch, "corpus"),
        }
    )


def _either(pair: pa.Table, first_column: str, second_column: str, kept: np.ndarray) -> tuple[pa.Array, pa.Array]:
    """Both columns as they are where `kept`, and changed for each other elsewhere."""
    first, second = (pair[name].combine_chunks() for name in (first_column, second_column))
    mask = pa.array(kept)
    return pc.if_else(mask, first, second), pc.if_else(mask, second, first)


def _line(source_lang: pa.Array, target_lang: pa.Array, source: pa.Array, target: pa.Array) -> Any:
    into, between, out = (pa.scalar(text, pa.large_string()) for text in ("<", "2", "> "))
    blank, nothing = (pa.scalar(text, pa.large_string()) for text in (" ", ""))
    return pc.binary_join_element_wise(
        into,
        source_lang,
        between,
        target_lang,
        out,
        source,
        blank,
        into,
        target_lang,
        out,
        target,
        nothing,
    )


def _groups(directions: pa.DictionaryArray, to_english: np.ndarray) -> tuple[np.ndarray, pa.Array]:
    """Return (B,) int16 groups, and the pivot that each is under."""
    groups: list[list[int]] = []
    pivots: list[list[str]] = []
    for name in directions.dictionary.to_pylist():
        pair = parse_direction(name)
        # by `to_english`: where neither or one of the two is a pivot, there is no choice
        choice: list[str] = [code for code in ("zh", "en") if code in pair] or [""]
        pivots.append([choice[0], choice[-1]])
        groups.append([_group(pair, pivot) for pivot in pivots[-1]])
    codes, side = direction_codes(directions), to_english.astype(np.int8)
    pivot = np.array(pivots, object)[codes, side]
    return np.array(groups, np.int16)[codes, side], pa.array(pivot, pa.large_string())


def _group(pair: Direction, pivot: str) -> int:
    if not pivot:
        return NO_PIVOT
    return group_of(pivot, pair.target if pair.source == pivot else pair.source)


def _keys_and_ties(batch: pa.Table, keys: list[str]) -> tuple[pa.Array, np.ndarray]:
    """Return (B,) the rows' own keys or, where they have none, `keys`; and uint64 of these."""
    row_keys = _texts(batch, "row_key")
    filled_keys = pc.if_else(pc.equal(row_keys, ""), pa.array(keys, pa.large_string()), row_keys)
    digest = xxhash.xxh3_64_intdigest
    hashes = (digest(key.encode()) for key in filled_keys.to_pylist())
    return filled_keys, np.fromiter(hashes, np.uint64, len(filled_keys))


def _texts(batch: pa.Table, name: str) -> pa.Array:
    """Return (B,) large_string, "" where there is none."""
    if name not in batch.column_names:
        return pa.repeat(pa.scalar("", pa.large_string()), len(batch))
    return pc.fill_null(text_column(batch, name, required=False), "")


def _without_line_breaks(texts: pa.Array) -> pa.Array:
    lines = pc.replace_substring_regex(texts, _LINE_BREAK, " ")
    return pc.utf8_trim_whitespace(pc.utf8_normalize(lines, form="NFC"))


def _broken(batch: pa.Table, name: str) -> np.ndarray:
    """Check for a line break inside of the text: (B,) bool."""
    inner = pc.utf8_trim_whitespace(_texts(batch, name))
    return _bools(pc.match_substring_regex(inner, _LINE_BREAK))


def _bools(mask: Any) -> np.ndarray:
    return mask.to_numpy(zero_copy_only=False)
