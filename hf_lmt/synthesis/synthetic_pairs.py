"""Texts and what a model made of them, to rows that say which of their sides is the model's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.curation.curate import REJECT_COLUMNS
from hf_lmt.data.hashing import as_bytes, direction_column, joined_fields
from hf_lmt.directions import Direction, auxiliary_of
from hf_lmt.translation.requests import Translation
from hf_miwv.common.errors import InputError, did_you_mean

SYNTHETIC_SCHEMA = pa.schema(
    [
        *ROW_SCHEMA,
        pa.field("synthetic", pa.bool_()),
        pa.field("synthetic_side", pa.string()),
        pa.field("synthetic_model", pa.string()),
        pa.field("synthetic_revision", pa.string()),
    ]
)
"""The columns of a row, and: true; "source" or "target", the side that the model wrote; the model;
its commit on the Hub or, elsewhere, a hash of its weights."""

FLAGGED_SCHEMA = pa.schema([*SYNTHETIC_SCHEMA, *(pa.field(column, pa.string()) for column in REJECT_COLUMNS)])
"""Rows that are not used, with the step that took them ("translation" here) and why."""

WAYS = {"back": ("source",), "forward": ("target",), "both": ("source", "target")}
"""The use of the pairs, to the sides that are synthetic."""

DEFAULT_WAY = "back"
"""Back-translation: the human text is the target, so that the trained model never learns to write
what a model wrote (arXiv 1511.06709). The LMT paper says only that its synthetic pairs are direct
ones and pivoted ones; the default is ours."""

REASONS = {
    "empty": "the text has no letters, and no model was asked",
    "blank": "the model wrote nothing",
    "capped": "the model did not end within its tokens",
    "too_long": "the text does not fit into the model's context",
}
TAG = "synthetic"


class Tag(NamedTuple):
    """Hold the model and its revision, as rows have them.

    Attributes:
        model (`str`): Name of the model.
        revision (`str`): Its commit on the Hub, or a hash of its weights.
    """

    model: str
    revision: str


def check_way(way: str) -> str:
    """Check the use of the pairs.

    Args:
        way (`str`): The name.

    Returns:
        `str`: The name.

    Raises:
        InputError: it is none of WAYS.
    """
    if way not in WAYS:
        raise InputError(f"--as {way!r}: {did_you_mean(str(way), WAYS)}")
    return way


def reason_of(translation: Translation) -> str | None:
    """Return which of REASONS keeps a translation from being used.

    Args:
        translation (`Translation`): The translation.

    Returns:
        `str | None`: A key of REASONS; None where the translation can be used.
    """
    if translation.status != "ok":
        return translation.status
    return None if translation.text.strip() else "blank"


def make_pairs(
    texts: pa.Table, translations: Sequence[Translation], into: str, way: str, tag: Tag
) -> tuple[pa.Table, pa.Table]:
    """Make the rows of a batch: those that can be used, and those that cannot.

    The synthetic side is the translation in form NFC, otherwise as the model wrote it. `corpus`
    gets "+synthetic"; `row_key` is xxh3_128 of corpus, the text's own key, direction and synthetic
    side. With a pivot its human text is the row's hint, where that is the language that the
    direction takes hints in (`auxiliary_of`), as English is for Chinese and any other.

    Args:
        texts (`pa.Table`): (B,) rows of `texts.TEXT_SCHEMA`.
        translations (`Sequence[Translation]`): (B,) their translations.
        into (`str`): Code of the language of the translations.
        way (`str`): One of WAYS; with "both", the two rows of a text follow each other.
        tag (`Tag`): The model that translated.

    Returns:
        `tuple[pa.Table, pa.Table]`: Rows of SYNTHETIC_SCHEMA and of FLAGGED_SCHEMA, B or 2B together.
    """
    machine = pa.array([translation.text for translation in translations], pa.string())
    machine = pc.utf8_normalize(machine, form="NFC")
    sides = [_rows(texts, machine, into, side, tag) for side in WAYS[way]]
    # Side after side to text after text: with two sides 0, B, 1, B + 1, ...
    alternating = np.arange(len(sides) * len(texts)).reshape(len(sides), -1).T.ravel()
    rows = pa.concat_tables(sides).take(pa.array(alternating))
    reasons = pa.array(np.repeat([reason_of(translation) for translation in translations], len(sides)), pa.string())
    flagged = rows.append_column(REJECT_COLUMNS[0], pa.repeat("translation", len(rows)))
    flagged = flagged.append_column(REJECT_COLUMNS[1], reasons)
    return rows.filter(pc.is_null(reasons)), flagged.filter(pc.is_valid(reasons)).cast(FLAGGED_SCHEMA)


def _rows(texts: pa.Table, machine: pa.Array, into: str, side: str, tag: Tag) -> pa.Table:
    """Make (B,) rows whose `side` is the translation."""
    size, other = len(texts), "target" if side == "source" else "source"
    columns = {
        f"{side}_lang": pa.repeat(into, size),
        side: machine,
        f"{other}_lang": texts["human_lang"],
        other: texts["human"],
    }
    hinted = _hinted(texts, into, side)
    absent = pa.scalar(None, pa.string())
    columns |= {
        "auxiliary_lang": pc.if_else(hinted, texts["lang"], absent),
        "auxiliary": pc.if_else(hinted, texts["text"], absent),
        "corpus": _tagged(texts["corpus"]),
        "row_key": _keys(texts, columns, side),
        "line": texts["line"],
        "synthetic": pa.repeat(True, size),
        "synthetic_side": pa.repeat(side, size),
        "synthetic_model": pa.repeat(tag.model, size),
        "synthetic_revision": pa.repeat(tag.revision, size),
    }
    return pa.table({name: columns[name] for name in SYNTHETIC_SCHEMA.names}).cast(SYNTHETIC_SCHEMA)


def _hinted(texts: pa.Table, into: str, side: str) -> pa.ChunkedArray:
    """Flag (B,) the pairs whose hint is the text that was translated."""
    codes = texts["human_lang"].combine_chunks().dictionary_encode()
    pairs = [
        Direction(into, code) if side == "source" else Direction(code, into) for code in codes.dictionary.to_pylist()
    ]
    hints = pa.array([auxiliary_of(pair) for pair in pairs], pa.string()).take(codes.indices)
    return pc.fill_null(pc.equal(texts["lang"], hints), False)


def _tagged(corpora: pa.ChunkedArray) -> pa.ChunkedArray:
    tagged = pc.binary_join_element_wise(corpora, TAG, "+")
    return pc.if_else(pc.equal(corpora, ""), TAG, tagged)


def _keys(texts: pa.Table, columns: dict[str, pa.Array], side: str) -> pa.Array:
    fields = [
        texts["corpus"].combine_chunks().cast(pa.large_string()),
        texts["row_key"].combine_chunks().cast(pa.large_string()),
        direction_column(columns).dictionary_decode().cast(pa.large_string()),
        pa.repeat(pa.scalar(side, pa.large_string()), len(texts)),
    ]
    digests = [xxhash.xxh3_128_hexdigest(content) for content in as_bytes(joined_fields(fields))]
    return pa.array(digests, pa.string())
