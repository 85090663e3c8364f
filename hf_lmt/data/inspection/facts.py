"""Rows of translations to numbers about each row, one pass over Arrow batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow
import pyarrow.compute as pc
import xxhash
from datasets import Dataset

from hf_lmt.data.characters import characters, folded_length_table, invisible_table
from hf_lmt.data.curation.copies import Copy
from hf_lmt.data.curation.scripts import Script
from hf_lmt.data.curation.step import Step
from hf_lmt.data.hashing import direction_codes, direction_column, text_column
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.directions import Direction, parse_direction
from hf_miwv.common.progress import stage

SIDES = ("source", "target")
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd: hashes of languages stay distinct, and no text's own
COLUMNS = ("source_lang", "target_lang", *SIDES)
OPTIONAL = ("auxiliary", "corpus", "row_key", "line")
BATCH = 10_000  # rows
ROW_FACTS = np.dtype(
    [
        ("direction", np.int32),
        ("corpus", np.int32),
        ("source", np.uint64),
        ("target", np.uint64),
        ("foreign_target", np.uint64),
        ("source_length", np.uint32),
        ("target_length", np.uint32),
        ("source_script", np.bool_),
        ("target_script", np.bool_),
        ("copy", np.bool_),
        ("blank", np.bool_),
        ("hint", np.bool_),
        ("kept", np.bool_),
        ("overlap", np.bool_),
        ("other_language", np.bool_),
    ]
)
"""The facts about a row, 48 bytes.

direction, corpus: places in `Facts`. source, target: hashes of text and language.
foreign_target: hash of the target's text and the source's language, so that it equals `source` of
rows whose source is that text. Lengths in characters. source_script, target_script, copy: whether
`curation.scripts.Script` would take the side, and `curation.copies.Copy` the row. blank: a side
shows nothing. hint: there is an auxiliary sentence. kept: the row stays after downsampling. overlap
and other_language: the row is taken by the curation step given for them.
"""


class Facts(NamedTuple):
    """Hold the facts about N rows.

    Attributes:
        rows (`np.ndarray`): (N,) ROW_FACTS.
        directions (`list[Direction]`): The directions that the rows' numbers stand for.
        corpora (`list[str]`): The corpora that the rows' numbers stand for.
    """

    rows: np.ndarray
    directions: list[Direction]
    corpora: list[str]


def read_facts(
    rows: Dataset,
    downsampling: StrategicDownsampling | None,
    steps: Mapping[str, Step],
    progress: bool = True,
) -> Facts:
    """Read the facts about each row, in the order of the rows.

    Texts count in Unicode's form NFC; a null is a blank. Each text of a batch is looked at once, however many rows of
    the batch it is in. Texts are told apart by 64 bits.

    Args:
        rows (`Dataset`): N rows of translations.
        downsampling (`StrategicDownsampling | None`): The sampling whose effect is to be seen; None where no row
            goes.
        steps (`Mapping[str, Step]`): For "overlap" and "other_language" the curation step that tells, where it is
            asked.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.

    Returns:
        `Facts`: (N,) ROW_FACTS, with the directions and corpora that their numbers stand for.

    Raises:
        InputError: a column is missing or does not hold text, a language is unknown or null, or
            `downsampling` cannot decide about a batch of rows (it has counts).
    """
    head = rows.with_format("arrow")[:1]
    for name in COLUMNS:
        text_column(head, name, required=False)
    arrow = rows.select_columns([name for name in (*COLUMNS, *OPTIONAL) if name in rows.column_names]).with_format(
        "arrow"
    )
    facts = np.zeros(len(rows), ROW_FACTS)
    directions: dict[str, int] = {}
    corpora: dict[str, int] = {}
    first = 0
    with stage("inspecting", "row", len(rows), show=progress) as bar:
        for batch in arrow.iter(BATCH):
            batch, part = _without_nulls(batch), facts[first : first + len(batch)]
            _describe(batch, part, directions, corpora)
            part["kept"] = True if downsampling is None else downsampling(batch)
            for name, step in steps.items():
                part[name] = [reason is not None for reason in step(batch)]
            first += len(batch)
            bar.update(len(batch))
    return Facts(facts, [parse_direction(name) for name in directions], list(corpora))


def _without_nulls(batch: pyarrow.Table) -> pyarrow.Table:
    for name in SIDES:
        column = pc.fill_null(text_column(batch, name, required=False), "")
        batch = batch.set_column(batch.column_names.index(name), name, column)
    return batch


def _describe(batch: pyarrow.Table, part: np.ndarray, directions: dict[str, int], corpora: dict[str, int]) -> None:
    """Fill the facts of a batch, but for `kept`; names that are new get the next numbers."""
    names = direction_column(batch)
    part["direction"] = _numbers(names, directions)
    if "corpus" in batch.column_names:
        corpus = pc.fill_null(text_column(batch, "corpus", required=False), "")
        part["corpus"] = _numbers(corpus.dictionary_encode(), corpora)
    else:
        corpora.setdefault("", 0)
    if "auxiliary" in batch.column_names:
        hints = pc.fill_null(text_column(batch, "auxiliary", required=False), "")
        part["hint"] = pc.not_equal(pc.utf8_trim_whitespace(hints), "")
    _describe_texts(batch, part)


def _numbers(names: pyarrow.DictionaryArray, known: dict[str, int]) -> np.ndarray:
    codes_of_batch = [known.setdefault(name, len(known)) for name in names.dictionary.to_pylist()]
    return np.array(codes_of_batch, np.int32)[direction_codes(names)]


def _describe_texts(batch: pyarrow.Table, part: np.ndarray) -> None:
    """Fill in the facts that follow from the texts, each distinct one of the batch looked at once."""
    encoded = pyarrow.chunked_array([batch[name].combine_chunks() for name in SIDES])
    encoded = encoded.dictionary_encode().unify_dictionaries()
    texts = pc.utf8_normalize(encoded.chunk(0).dictionary, form="NFC")
    text_indices = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks]
    languages = pyarrow.chunked_array([text_column(batch, f"{name}_lang") for name in SIDES])
    languages = languages.dictionary_encode().unify_dictionaries()
    codes = languages.chunk(0).dictionary
    spoken = [chunk.indices.to_numpy(zero_copy_only=False) for chunk in languages.chunks]
    hashes, heads = _hashes(texts), _hashes(codes) * SPREAD
    lengths, words, blank = _lengths(texts)
    foreign = _in_other_script(texts, codes, text_indices, spoken)
    for name, position, language, other in zip(SIDES, text_indices, spoken, foreign, strict=True):
        part[name] = hashes[position] ^ heads[language]
        part[f"{name}_length"] = lengths[position]
        part[f"{name}_script"] = other
    part["foreign_target"] = hashes[text_indices[1]] ^ heads[spoken[0]]
    part["blank"] = blank[text_indices[0]] | blank[text_indices[1]]
    maybe = words[text_indices[0]] == words[text_indices[1]]  # else the sides cannot have the same words
    copied = Copy()(batch.filter(pyarrow.array(maybe)))
    part["copy"][maybe] = [reason is not None for reason in copied]


def _lengths(texts: pyarrow.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count (T,) characters, (T,) characters of words with case folded, (T,) whether a text is blank."""
    content = characters(texts)
    words = content.sums(folded_length_table()[content.codes])
    blank = content.sums(~invisible_table()[content.codes]) == 0
    return np.diff(content.ends, prepend=0), words, blank


def _in_other_script(
    texts: pyarrow.Array, codes: pyarrow.Array, text_indices: list[np.ndarray], spoken: list[np.ndarray]
) -> list[np.ndarray]:
    """Check for each side whether curation's `Script` would take it: (B,) bool.

    `text_indices`, `spoken`: (B,) for each side, its text in `texts` and its language in `codes`.
    """
    keys = [text * len(codes) + code for text, code in zip(text_indices, spoken, strict=True)]
    distinct = np.unique(np.concatenate(keys))
    text, code = np.divmod(distinct, len(codes))
    language = codes.take(pyarrow.array(code))
    table = {
        "source_lang": language,
        "source": texts.take(pyarrow.array(text)),
        "target_lang": language,
        "target": pyarrow.repeat("", len(distinct)),
    }
    is_rejected = [reason is not None for reason in Script()(pyarrow.table(table))]
    other = np.array(is_rejected, np.bool_)
    return [other[np.searchsorted(distinct, key)] for key in keys]


def _hashes(texts: pyarrow.Array) -> np.ndarray:
    contents = texts.cast(pyarrow.large_binary()).to_pylist()
    return np.fromiter(map(xxhash.xxh3_64_intdigest, contents), np.uint64, len(contents))
