"""A source of translations to rows on disk.

Files are read block by block, and the rows lie as one Arrow file in the cache of `datasets`, to be
mapped into memory, until the source changes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import datasets
import pyarrow as pa
import xxhash
from datasets import Dataset

from hf_lmt.data.corpora.blocks import Tally, row_blocks, row_schema
from hf_lmt.data.corpora.contents import Contents, open_source
from hf_lmt.data.corpora.shapes import translation_unit
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.tmx import BROKEN, JOINED
from hf_lmt.data.corpora.variants import VARIANTS
from hf_lmt.directions import DIRECTIONS, Direction
from hf_lmt.language_codes import how_to_name, names_and_counts, plain
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.json_text import json_text

LAYOUT = 5  # of the rows in the cache: with another number all sources are read again

logger = logging.getLogger(__name__)


class Loaded(NamedTuple):
    """The rows of a source, and what became of its sentences.

    Attributes:
        rows (`Dataset`): The rows, with the columns of ROW_SCHEMA.
        counts (`dict[str, Any]`): `sentences` read, and `rows` made of them; `without_rows`, sentences that gave
            none (not there in two languages of an asked direction); `languages`, {code: texts}, and
            `other_languages`, {name: texts} of those that LMT does not have. Where there are any: `variants`,
            {name: units} of languages that a unit has under several names; `further_pairs_left_out`, of units with
            very many texts of a language; `broken_units` of TMX, left out; `joined_lines`, segments of TMX in
            which line breaks became blanks.
    """

    rows: Dataset
    counts: dict[str, Any]


def load(
    source: Source | str,
    directions: Iterable[Direction] = DIRECTIONS,
    *,
    auxiliaries: bool = True,
) -> Loaded:
    """Load the rows of a source in the asked directions, with the columns of ROW_SCHEMA.

    A sentence in several languages becomes a row for each asked direction between them, both ways,
    and beside it the text of the auxiliary language where there is one (`directions.auxiliary_of`);
    rows of this program's form keep their direction and auxiliary. Of a unit with two texts of
    a language, `variants` says which pairs are rows; where they have two names, `source_variant`
    and `target_variant` record them. Cells that the source keeps are columns. Texts are normalized
    to NFC; nothing else about them changes, and empty ones stay. `row_key` is the source's id
    of the sentence where it has one, else `hashing.content_key`. The same source gives the same
    rows in the same order. The shape of the rows is ours.

    Args:
        source (`Source | str`): The source, or its path.
        directions (`Iterable[Direction]`, *optional*, defaults to `DIRECTIONS`): The directions asked
            for.
        auxiliaries (`bool`, *optional*, defaults to `True`): Put the text of the auxiliary language
            beside each row where the source has it.

    Returns:
        `Loaded`: The rows, mapped into memory, and the counts of their making.

    Raises:
        InputError: The source cannot be read, is misaligned, is not UTF-8, is of another kind than
            it says, lacks a language that it asks for, or holds no row in these directions.
    """
    source = Source(source) if isinstance(source, str) else source
    requested_directions = list(dict.fromkeys(directions))
    contents = open_source(source)
    folder = _folder(source, contents, requested_directions, auxiliaries)
    if not (folder / "counts.json").exists():
        _write(folder, source, contents, requested_directions, auxiliaries)
    counts = json.loads((folder / "counts.json").read_text("utf-8"))
    report_counts(source, counts)
    rows = Dataset.from_file(str(folder / "rows.arrow"))
    # Nearly no source has variants; columns of nothing but nulls would stay with its rows to the end.
    return Loaded(rows if "variants" in counts else rows.remove_columns(list(VARIANTS)), counts)


def load_translations(rows: Dataset, name: str) -> Dataset:
    """Read a data set whose rows are `{"translation": {"en": .., "de": ..}}`.

    As `load` reads a file of that kind, in all directions between its languages; in memory, so for
    evaluation sets.

    Args:
        rows (`Dataset`): With a column `translation`, and `id` or `corpus` where there are any.
        name (`str`): Of the rows, for messages.

    Returns:
        `Dataset`: The rows, with the columns of ROW_SCHEMA.

    Raises:
        InputError: a row without two texts, or none in two of LMT's languages.
    """
    source, tally = Source(name, kind="translation"), Tally()
    units = (translation_unit(f"{name}: row {index}", row) for index, row in enumerate(rows.with_format(None)))
    contents = Contents("translation", [], units)
    tables = list(row_blocks(source, contents, list(DIRECTIONS), True, tally))
    check_tally(source, tally, list(DIRECTIONS), contents.notes)
    report_counts(source, tally.counts(contents.notes))
    return Dataset(pa.concat_tables(tables))


def _folder(source: Source, contents: Contents, directions: list[Direction], auxiliaries: bool) -> Path:
    """Name the folder of the rows after all that they are made of."""
    made_of = [
        # Everything that decides about the rows is in the name, so a change of
        # the source or of its options reads it again.
        *(LAYOUT, contents.kind, contents.state, source.corpus_name, source.languages),
        *(source.multiway, directions, auxiliaries, dict(source.variants)),
        *(dict(source.language_names), source.cells, source.skip_broken_units),
    ]
    key = xxhash.xxh3_128_hexdigest(json.dumps(made_of).encode())
    return Path(datasets.config.HF_DATASETS_CACHE) / f"lmt-rows-{key}"


def _write(
    folder: Path, source: Source, contents: Contents, requested_directions: list[Direction], auxiliaries: bool
) -> None:
    """Write rows and counts to `folder`, which appears as a whole or not at all."""
    # A name of its own for each attempt: two processes that read the same source do not write into one folder.
    draft = folder.with_name(f"{folder.name}.{uuid4().hex}")
    draft.mkdir(parents=True)
    logger.info("reading %s (%s)", source.name, contents.kind)
    try:
        tally = Tally()
        blocks = row_blocks(source, contents, requested_directions, auxiliaries, tally)
        _write_rows(draft / "rows.arrow", blocks, row_schema(contents))
        check_tally(source, tally, requested_directions, contents.notes)
        counts = tally.counts(contents.notes)
        (draft / "counts.json").write_text(json_text(counts), "utf-8")
        if not folder.exists():  # another process may have been quicker, with the same bytes
            os.rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_rows(path: Path, blocks: Iterator[pa.Table], schema: pa.Schema) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for block in blocks:
            writer.write_table(block.combine_chunks())  # not a batch for each direction


def check_tally(source: Source, tally: Tally, requested_directions: list[Direction], notes: Mapping[str, int]) -> None:
    """Check that a source has each language that it asks for, and holds a row.

    Args:
        source (`Source`): The source.
        tally (`Tally`): What was counted.
        requested_directions (`list[Direction]`): The directions asked for.
        notes (`Mapping[str, int]`): Counts of the reader.

    Raises:
        InputError: it lacks one, or holds no row.
    """
    present = ", ".join(sorted(tally.languages)) or "none"
    for code in source.languages:
        if code not in tally.languages:
            raise InputError(
                f"{source.name}: has no text in {code}, which the source asks for; LMT's languages in it: {present}"
            )
    for code, name in source.variants.items():
        # A misspelled variant would silently read nothing of a language.
        if not any(plain(name) == plain(other) for other in tally.names):
            names = sorted(other for other in tally.names if source.code_of(other) == code)
            raise InputError(
                f"{source.name}: languages: {code}: no text is under {name!r}; its names there: "
                f"{', '.join(names) or 'none'}"
            )
    if tally.rows:
        return
    if not tally.sentences:
        broken = notes.get(BROKEN)
        left_out = f" ({broken:,} broken units are left out)" if broken else ""
        raise InputError(f"{source.name}: holds no sentences{left_out}; give one with at least one")
    if others := ", ".join(tally.other_languages):
        present += f"; not LMT's: {others} (`hf-lmt languages` lists those that are)"
        present += how_to_name(tally.other_languages)
    directions = ", ".join(map(str, requested_directions[:4])) + (", ..." if len(requested_directions) > 4 else "")
    raise InputError(
        f"{source.name}: none of its {tally.sentences:,} sentences is in both languages of an "
        f"asked direction ({directions}); LMT's languages in it: {present}"
    )


def report_counts(source: Source, counts: dict[str, Any]) -> None:
    """Say how many rows a source gave, and warn of what was left out.

    Args:
        source (`Source`): The source.
        counts (`dict[str, Any]`): The counts of the source.
    """
    rows, sentences = f"{counts['rows']:,}", f"{counts['sentences']:,}"
    logger.info("%s: %s rows of %s sentences", source.name, rows, sentences)
    if counts["without_rows"]:
        logger.warning(
            "%s: %s sentences gave no row: they are not in two languages of an asked direction",
            source.name,
            f"{counts['without_rows']:,}",
        )
    for line in _seldom(counts):
        logger.warning("%s: %s", source.name, line)


def _seldom(counts: dict[str, Any]) -> Iterator[str]:
    """Yield the facts that should be known of a source, a line each."""
    if others := counts["other_languages"]:
        yield (
            f"texts in languages that LMT does not have are left out: {names_and_counts(others)}{how_to_name(others)}"
        )
    if variants := counts.get("variants"):
        yield (
            f"languages under several names in a unit: {names_and_counts(variants)}; each is "
            "paired with the other languages, and source_variant and target_variant say which"
        )
    if left_out := counts.get("further_pairs_left_out"):
        yield f"{left_out:,} pairs of units with many texts of a language are left out"
    if broken := counts.get(BROKEN):
        yield f"{broken:,} units that are not valid XML are left out"
    if joined := counts.get(JOINED):
        yield f"in {joined:,} segments line breaks and indentation became a blank"
