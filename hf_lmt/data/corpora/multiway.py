"""A multi-way table, one column per language, to rows of translations in the asked directions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features

from hf_lmt.data.hashing import content_keys
from hf_lmt.directions import DIRECTIONS, Direction, auxiliary_of
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

ROW_SCHEMA = pa.schema(
    {
        "source_lang": pa.string(),
        "target_lang": pa.string(),
        "source": pa.string(),
        "target": pa.string(),
        "auxiliary_lang": pa.string(),
        "auxiliary": pa.string(),
        "corpus": pa.string(),
        "row_key": pa.string(),
        "line": pa.int64(),
    }
)
"""The columns of a row. `row_key` is the source's name for the sentence, or `content_key`, and
never its position. `line`, the position of the sentence in a multi-way corpus, is null elsewhere."""


def expand(
    table: Dataset,
    directions: Iterable[Direction] = DIRECTIONS,
    *,
    auxiliaries: bool = True,
    corpus: str | None = None,
    multiway: bool | None = None,
) -> Dataset:
    """Turn each line of a table into a row for each direction that both languages have a text for.

    `{"en": "Good day", "de": "Guten Tag", "nl": "Goedendag"}` gives en-de, en-nl, and the two back;
    with `auxiliaries`, en-de carries the Dutch sentence as its hint (`auxiliary_of`).

    Columns named by LMT's codes are texts; `corpus`, `row_key` and `line` are kept where the table
    has them. Rows without a `row_key` get `hashing.content_key`; `line` is otherwise the position in the
    table. All other columns go. Texts are normalized
    to NFC. A null text gives no row, an empty one does. A line is multi-way where it has texts in
    more than two languages, unless `multiway` says so for all. Rows go to disk block by block;
    directions vary faster than blocks of lines, and slower than lines.

    Args:
        table (`Dataset`): Columns of texts by LMT's codes.
        directions (`Iterable[Direction]`, *optional*, defaults to `DIRECTIONS`): The directions of rows.
        auxiliaries (`bool`, *optional*, defaults to `True`): Put the text of the auxiliary language beside
            each row.
        corpus (`str`, *optional*): The corpus of all rows.
        multiway (`bool`, *optional*): Whether all lines are multi-way, or none.

    Returns:
        `Dataset`: Rows with the columns of ROW_SCHEMA.

    Raises:
        InputError: The table has fewer than two languages, or one of its columns is not text.
    """
    texts = [name for name in table.column_names if name in LANGUAGES]
    if len(texts) < 2:
        raise InputError(
            f"the table has the columns {', '.join(table.column_names)}, and languages "
            f"among these are: {', '.join(texts) or 'none'}; name two or more by LMT's codes"
        )
    block = partial(
        _expand_rows,
        # Plain pairs, because `map` pickles its function and hashes it into the cache's name.
        directions=[(direction.source, direction.target) for direction in directions],
        auxiliaries=auxiliaries,
        corpus=corpus,
        multiway=multiway,
    )
    return (
        table.with_format("arrow")
        .map(
            block,
            with_indices=True,
            batched=True,
            remove_columns=table.column_names,
            features=Features.from_arrow_schema(ROW_SCHEMA),
            desc="expanding",
        )
        .with_format(None)
    )


def _expand_rows(
    block: pa.Table,
    indices: Sequence[int],
    directions: Sequence[tuple[str, str]],
    auxiliaries: bool,
    corpus: str | None,
    multiway: bool | None,
) -> pa.Table:
    if corpus is not None:
        block = _with_column(block, "corpus", pa.repeat(corpus, len(block)))
    if "line" not in block.column_names:
        block = _with_column(block, "line", pa.array(list(indices), pa.int64()))
    named = [Direction(*direction) for direction in directions]
    return expand_block(block, named, auxiliaries=auxiliaries, multiway=multiway)


def expand_block(
    block: pa.Table,
    directions: Iterable[Direction],
    *,
    auxiliaries: bool = True,
    multiway: bool | None = None,
    kept: Sequence[str] = (),
) -> pa.Table:
    """Do what `expand` does, for lines in memory, as Arrow: columns of texts, `corpus`, `row_key`, `line`.

    Columns of text named in `kept`, such as scores, go along with each row of their line.

    Args:
        block (`pa.Table`): Lines: a column of text for each language, and `corpus`, `row_key` and `line` where
            known.
        directions (`Iterable[Direction]`): The directions to make rows of; those whose languages the block lacks
            give none.
        auxiliaries (`bool`, *optional*, defaults to `True`): Whether rows get the text of their auxiliary language
            as a hint.
        multiway (`bool`, *optional*): Whether line n of the table says the same in all columns; None to decide by
            the lines.
        kept (`Sequence[str]`, *optional*, defaults to `()`): Names of further columns of text.

    Returns:
        `pa.Table`: The rows, direction by direction, with the columns of ROW_SCHEMA and those of `kept`.
    """
    texts = {name: _normalized(block, name) for name in block.column_names if name in LANGUAGES}
    block = _with_column(block, "line", _multiway_lines(block, texts, multiway))
    if "corpus" in block.column_names:
        block = _with_column(block, "corpus", _normalized(block, "corpus"))
    # Masks as arrays: the rows of a direction are then one `and` of two columns, for hundreds of directions.
    has_text = {name: column.is_valid().to_numpy(zero_copy_only=False) for name, column in texts.items()}
    hints = {name: _unless_blank(column) for name, column in texts.items()} if auxiliaries else {}
    others = {name: _column(block, name) for name in ("corpus", "row_key", "line", *kept)}
    schema = with_columns(ROW_SCHEMA, kept)
    parts = [schema.empty_table()]
    for direction in directions:
        if direction.source in texts and direction.target in texts:
            lines = np.flatnonzero(has_text[direction.source] & has_text[direction.target])
            if len(lines):
                parts.append(_rows(lines, texts, hints, others, direction, schema))
    return with_keys(pa.concat_tables(parts))


def _rows(
    lines: np.ndarray,
    texts: dict[str, pa.Array],
    hints: dict[str, pa.Array],
    others: dict[str, pa.Array],
    direction: Direction,
    schema: pa.Schema,
) -> pa.Table:
    """Make the rows of a direction from the (B,) lines that have both texts."""
    size, line_indices = len(lines), pa.array(lines)
    hint = auxiliary_of(direction)
    # A blank auxiliary is no hint; it was made null, and takes its language with it below.
    auxiliary = hints[hint].take(line_indices) if hint in hints else pa.nulls(size, pa.string())
    columns = {
        "source_lang": pa.repeat(direction.source, size),
        "target_lang": pa.repeat(direction.target, size),
        "source": texts[direction.source].take(line_indices),
        "target": texts[direction.target].take(line_indices),
        "auxiliary_lang": pc.if_else(auxiliary.is_valid(), hint, pa.scalar(None, pa.string())),
        "auxiliary": auxiliary,
        **{name: column.take(line_indices) for name, column in others.items()},
    }
    return pa.table(columns, schema=schema)


def _column(block: pa.Table, name: str) -> pa.Array:
    """Return a column of ROW_SCHEMA or one that is kept, null where the block has none."""
    kind = ROW_SCHEMA.field(name).type if name in ROW_SCHEMA.names else pa.string()
    if name not in block.column_names:
        return pa.nulls(len(block), kind)
    return block[name].combine_chunks().cast(kind)


def with_columns(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Add further columns of text to a schema.

    Args:
        schema (`pa.Schema`): The schema to add to.
        names (`Iterable[str]`): Names of the columns, added in this order.

    Returns:
        `pa.Schema`: A new schema.
    """
    for name in names:
        schema = schema.append(pa.field(name, pa.string()))
    return schema


def _unless_blank(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(texts), ""), None, texts)


def with_keys(rows: pa.Table) -> pa.Table:
    """Fill in `row_key` where it is null.

    Args:
        rows (`pa.Table`): Rows of ROW_SCHEMA, their texts in form NFC.

    Returns:
        `pa.Table`: The same rows with a key each: their own, or the hash of their content.
    """
    column_index, keys = rows.column_names.index("row_key"), rows["row_key"].combine_chunks()
    if keys.null_count:
        missing = keys.is_null()
        computed = content_keys(rows.filter(missing), normalized=True).cast(pa.string())
        keys = pc.replace_with_mask(keys, missing, computed)
    return rows.set_column(column_index, "row_key", keys)


def _normalized(block: pa.Table, name: str) -> pa.Array:
    column = block[name].combine_chunks()
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise InputError(
            f"column {name!r} holds {column.type}, and a column named after a language must hold text; rename it"
        )
    return pc.utf8_normalize(column.cast(pa.string()), form="NFC")


def _multiway_lines(block: pa.Table, texts: dict[str, pa.Array], multiway: bool | None) -> pa.Array | pa.ChunkedArray:
    """Return `line` where the line is multi-way, and null elsewhere."""
    size = len(block)
    lines = block["line"] if "line" in block.column_names else pa.nulls(size, pa.int64())
    if multiway is not None:
        return lines if multiway else pa.nulls(size, pa.int64())
    languages = pa.repeat(0, size)
    for text in texts.values():
        languages = pc.add(languages, pc.cast(pc.is_valid(text), pa.int64()))
    return pc.if_else(pc.greater(languages, 2), lines, None)


def _with_column(block: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    if name in block.column_names:
        return block.set_column(block.column_names.index(name), name, values)
    return block.append_column(name, values)
