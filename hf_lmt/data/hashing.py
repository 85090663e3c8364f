"""The keys of rows, and the hashes that decide about them.

Every decision about a row (keep it, give it a hint) compares a hash with a share:

    h = mix(xxh3_64(decision, seed, direction) xor xxh3_64(key))        h / 2^64 < share

so it depends on nothing but the row, the seed and the decision's own name: not on the position of the
row, the number of processes, shards or rows before it. The rows of a smaller share are among those
of a larger one, and decisions of different names are independent. That sampling goes by hash is
the habit of OpusFilter's `split` (Helsinki-NLP); the hash and its fields are our choice.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pyarrow
import pyarrow.compute
import xxhash

from hf_lmt.data.normal_form import normal_form
from hf_miwv.common.errors import InputError, did_you_mean

Batch: TypeAlias = Mapping[str, Any] | pyarrow.Table  # columns by name, as `map` and `filter` hand them over

FIELD = "\x1f"  # between the fields of a hashed text: ASCII's unit separator
SPAN = 2.0**64


def content_key(corpus: str | None, source_lang: str, target_lang: str, source: str, target: str) -> str:
    """Compute xxh3_128 of corpus, direction, source and target, in 32 hexadecimal digits.

    The texts count in Unicode's form NFC. Copies of a row have the same key, and so one fate.

    >>> content_key("ntrex", "en", "de", "Hello.", "Hallo.")
    '25e48ac82da5621bb86e0208c0e6e6e0'

    Args:
        corpus (`str`, *optional*): Name of the corpus.
        source_lang (`str`): Code of the source language.
        target_lang (`str`): Code of the target language.
        source (`str`): The source text.
        target (`str`): The target text.

    Returns:
        `str`: The key.
    """
    return _digest(FIELD.join((corpus or "", f"{source_lang}-{target_lang}", source, target)))


def row_keys(batch: Batch) -> list[str]:
    """Return the keys of rows as a list, as `key_column` computes them.

    Args:
        batch (`Batch`): Columns of rows, as `key_column` takes them.

    Returns:
        `list[str]`: (B,) keys.
    """
    return key_column(batch).to_pylist()


def key_column(batch: Batch) -> pyarrow.LargeStringArray:
    """Return the key of each row: `row_key` where the row has one, else its `content_key`.

    Args:
        batch (`Batch`): B rows.

    Returns:
        `pyarrow.LargeStringArray`: (B,) keys.

    Raises:
        InputError: A column is missing or does not hold text, or a text is null.
    """
    if "row_key" not in column_names(batch):
        return content_keys(batch)
    row_key = text_column(batch, "row_key", required=False).fill_null("")
    missing = pyarrow.compute.equal(row_key, "")
    # Most sources name all their rows or none: hashing only those without a key spares the others their texts.
    if not missing.true_count:
        return row_key
    computed = content_keys(batch).filter(missing)
    return pyarrow.compute.replace_with_mask(row_key, missing, computed)


def content_keys(batch: Batch, *, normalized: bool = False) -> pyarrow.LargeStringArray:
    """Return the `content_key` of each row, as Arrow; no text becomes a Python string on the way.

    Args:
        batch (`Batch`): B rows.
        normalized (`bool`, *optional*, defaults to `False`): The texts and `corpus` are in form NFC
            already, and need no look.

    Returns:
        `pyarrow.LargeStringArray`: (B,) keys.

    Raises:
        InputError: A column is missing or does not hold text, or a text is null.
    """
    size = len(batch["source_lang"])
    corpora = pyarrow.repeat(pyarrow.scalar("", pyarrow.large_string()), size)
    if "corpus" in column_names(batch):
        corpora = text_column(batch, "corpus", required=False).fill_null("")
    texts = [corpora, *(text_column(batch, name) for name in ("source", "target"))]
    corpora, source, target = texts if normalized else map(normal_form, texts)
    directions = direction_column(batch).dictionary_decode()
    # One long string of digests and its offsets make the Arrow column at once, without a Python string per row.
    contents = as_bytes(joined_fields([corpora, directions, source, target]))
    digests = b"".join(map(xxhash.xxh3_128_digest, contents)).hex()
    ends = np.arange(0, len(digests) + 1, 32, dtype=np.int64)
    return pyarrow.LargeStringArray.from_buffers(size, pyarrow.py_buffer(ends), pyarrow.py_buffer(digests.encode()))


def joined_fields(fields: Sequence[pyarrow.Array]) -> pyarrow.LargeStringArray:
    """Join the texts of several columns, one after another, FIELD between.

    Args:
        fields (`Sequence[pyarrow.Array]`): Columns of (B,) large_string each.

    Returns:
        `pyarrow.LargeStringArray`: (B,) joined texts, null where one of a row is.
    """
    separator = pyarrow.scalar(FIELD, pyarrow.large_string())
    return pyarrow.compute.binary_join_element_wise(*fields, separator)


def as_bytes(texts: pyarrow.Array) -> np.ndarray:
    """Encode each text in UTF-8.

    Args:
        texts (`pyarrow.Array`): (B,) texts.

    Returns:
        `np.ndarray`: (B,) objects of bytes.
    """
    return texts.cast(pyarrow.large_binary()).to_numpy(zero_copy_only=False)


def text_hashes(texts: pyarrow.Array, *, normalized: bool = True) -> np.ndarray:
    """Hash each text with xxh3_64.

    Args:
        texts (`pyarrow.Array`): (B,) texts.
        normalized (`bool`, *optional*, defaults to `True`): The texts are in form NFC already; else they
            are brought to it.

    Returns:
        `np.ndarray`: (B,) uint64.
    """
    contents = as_bytes(texts if normalized else normal_form(texts))
    return np.fromiter(map(xxhash.xxh3_64_intdigest, contents), np.uint64, len(texts))


def direction_column(batch: Batch) -> pyarrow.DictionaryArray:
    """Return the direction of each row, as "de-en", each distinct one spelled once in `.dictionary`.

    Args:
        batch (`Batch`): B rows.

    Returns:
        `pyarrow.DictionaryArray`: (B,) directions.

    Raises:
        InputError: source_lang or target_lang is missing, is not text, or is null in a row.
    """
    source, target = (text_column(batch, name).dictionary_encode() for name in ("source_lang", "target_lang"))
    width = len(target.dictionary)
    # Both codes in one number, so that counting numbers finds the pairs
    # that occur and text is made once for each.
    pair_codes = direction_codes(source) * width + direction_codes(target)
    present = np.bincount(pair_codes, minlength=len(source.dictionary) * width) > 0
    codes = (np.cumsum(present) - 1)[pair_codes]
    languages, others = source.dictionary.to_pylist(), target.dictionary.to_pylist()
    present_codes = np.flatnonzero(present).tolist()
    names = [f"{languages[code // width]}-{others[code % width]}" for code in present_codes]
    return pyarrow.DictionaryArray.from_arrays(codes, pyarrow.array(names, pyarrow.large_string()))


def direction_codes(directions: pyarrow.DictionaryArray) -> np.ndarray:
    """Return the position of each row's direction in `directions.dictionary`.

    Args:
        directions (`pyarrow.DictionaryArray`): (B,) directions, as `direction_column` makes them.

    Returns:
        `np.ndarray`: (B,) int32.
    """
    return directions.indices.to_numpy(zero_copy_only=False)


def decision_hashes(
    decision: str,
    seed: int,
    directions: pyarrow.DictionaryArray,
    keys: Sequence[str] | pyarrow.LargeStringArray,
) -> np.ndarray:
    """Hash each row for a decision: h of the module's formula, even over 0 .. 2^64 - 1.

    Args:
        decision (`str`): The decision, such as "downsampling"; decisions of different names are
            independent of each other, with the same seed.
        seed (`int`): 0 or more.
        directions (`pyarrow.DictionaryArray`): (B,) from `direction_column`.
        keys (`Sequence[str] | pyarrow.LargeStringArray`): (B,) from `row_keys` or `key_column`.

    Returns:
        `np.ndarray`: (B,) uint64.
    """
    if not isinstance(keys, pyarrow.Array):
        keys = pyarrow.array(keys, pyarrow.large_string())
    digest = xxhash.xxh3_64_intdigest
    # The constant fields are hashed once for each direction, and the loop over rows hashes nothing but keys.
    heads = [digest(FIELD.join((decision, str(seed), name)).encode()) for name in directions.dictionary.to_pylist()]
    return mix(text_hashes(keys) ^ np.array(heads, np.uint64)[direction_codes(directions)])


def mix(hashes: np.ndarray) -> np.ndarray:
    """Spread each hash evenly over 0 .. 2^64 - 1: the last step of SplitMix64.

    Steele, Lea and Flood 2014; the constants are Stafford's.

    Args:
        hashes (`np.ndarray`): (B,) uint64.

    Returns:
        `np.ndarray`: (B,) uint64.
    """
    # Without this step rows whose two hashes share bits would share
    # decisions; it makes each output bit depend on all.
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


def below(hashes: np.ndarray, shares: float | np.ndarray) -> np.ndarray:
    """Test hash / 2^64 < share, exactly; a share of 1 takes every hash, 0 none.

    Args:
        hashes (`np.ndarray`): (B,) uint64.
        shares (`float | np.ndarray`): A number in [0, 1], or (B,) of them.

    Returns:
        `np.ndarray`: (B,) bool.
    """
    # In floating point hash / 2^64 would round near the limit; a limit as an integer compares exactly.
    shares = np.broadcast_to(np.asarray(shares, np.float64), hashes.shape)
    whole = shares >= 1
    limits = np.where(whole, 0.0, np.ceil(shares * SPAN)).astype(np.uint64)  # below 2^64
    return whole | (hashes < limits)


def text_column(batch: Batch, name: str, required: bool = True) -> pyarrow.Array:
    """Return a text column of a batch, as Arrow.

    Args:
        batch (`Batch`): B rows.
        name (`str`): The column.
        required (`bool`, *optional*, defaults to `True`): Refuse nulls.

    Returns:
        `pyarrow.Array`: (B,) large_string.

    Raises:
        InputError: The column is missing or does not hold text; if `required`, a text is null.
    """
    names = column_names(batch)
    if name not in names:
        raise InputError(
            f"the rows have no column {name!r}: {did_you_mean(name, names)} Give source_lang, "
            "target_lang, source and target, and call map or filter with batched=True"
        )
    column = _as_text(batch[name], name)
    if required and column.null_count:
        row = column.is_null().index(True).as_py()
        raise InputError(f"row {row} of this batch has no {name} (null): fill it in, or leave the row out")
    return column


def optional_texts(batch: Batch, name: str) -> list[str | None]:
    """Return the texts of a column that need not be there.

    Args:
        batch (`Batch`): Columns of rows, `source_lang` among them.
        name (`str`): Name of the column.

    Returns:
        `list[str | None]`: (B,) texts, None where there is none; all None without the column.

    Raises:
        InputError: the column does not hold text.
    """
    if name in column_names(batch):
        return text_column(batch, name, required=False).to_pylist()
    return [None] * len(batch["source_lang"])


def column_names(batch: Batch) -> list[str]:
    """List the columns of a batch.

    Args:
        batch (`Batch`): Columns of rows.

    Returns:
        `list[str]`: Their names, in order.
    """
    return batch.column_names if isinstance(batch, pyarrow.Table) else list(batch)


def check_seed(seed: Any) -> None:
    """Check that a seed is a whole number of 0 or more.

    Args:
        seed (`Any`): The seed.

    Raises:
        InputError: it is not.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InputError(f"seed {seed!r}: give a whole number, 0 or more")


def check_share(name: str, share: Any) -> None:
    """Check that a share is a number in [0, 1].

    Args:
        name (`str`): Name of the setting, with which the message begins.
        share (`Any`): The share.

    Raises:
        InputError: it is not.
    """
    number = isinstance(share, (int, float)) and not isinstance(share, bool)
    if not number or not 0 <= share <= 1:
        raise InputError(f"{name} {share!r}: give a share of the rows from 0 to 1, such as 0.05")


def _digest(content: str) -> str:
    """NFC of the whole is NFC of its fields, for FIELD composes with nothing."""
    normalized = content if content.isascii() else unicodedata.normalize("NFC", content)
    return xxhash.xxh3_128_hexdigest(normalized.encode())


def _as_text(values: Any, name: str) -> pyarrow.Array:
    try:
        if isinstance(values, str):
            raise TypeError("one text instead of a list of them")
        # A table read from disk comes in chunks, and nothing below copes with more than one.
        if isinstance(values, pyarrow.ChunkedArray):  # combining copies even a single one
            values = values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()
        elif not isinstance(values, pyarrow.Array):
            values = pyarrow.array(values, from_pandas=True)
        if pyarrow.types.is_dictionary(values.type):
            values = values.dictionary_decode()
        kind = values.type
        if not (pyarrow.types.is_large_string(kind) or pyarrow.types.is_string(kind) or pyarrow.types.is_null(kind)):
            raise TypeError(f"{kind}")
        return values.cast(pyarrow.large_string())
    except (TypeError, pyarrow.ArrowException) as error:
        raise InputError(
            f"column {name!r} does not hold texts ({error}): give one string a row, with batched=True"
        ) from error
