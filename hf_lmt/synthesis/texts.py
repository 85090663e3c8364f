"""The texts to be translated, each with the human text that it is to be paired with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hf_lmt.data.corpora.contents import open_source
from hf_lmt.data.corpora.load import Loaded, load
from hf_lmt.data.corpora.monolingual import load_monolingual, text_keys
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.hashing import column_names, key_column, text_column
from hf_lmt.directions import Direction
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

BATCH = 1000  # rows

TEXT_SCHEMA = pa.schema(
    {
        "lang": pa.string(),
        "text": pa.string(),
        "human_lang": pa.string(),
        "human": pa.string(),
        "corpus": pa.string(),
        "row_key": pa.string(),
        "line": pa.int64(),
    }
)
"""`text` is translated, and `human` is the other side of the pair: the same text or, with a pivot,
its translation. `line`: the place in a multi-way corpus, null elsewhere."""


class Survey(NamedTuple):
    """The counts of texts to translate.

    Attributes:
        texts (`Counter[str]`): {language of the human side: texts to be translated}.
        already_in (`int`): Texts left out because the human side is in the language that is translated into.
        without_pivot (`int`): Texts left out because neither side is in the pivot.
    """

    texts: Counter[str]
    already_in: int
    without_pivot: int


def read_rows(
    path: str,
    into: str,
    *,
    language: str | None = None,
    pivot: str | None = None,
    kind: str | None = None,
    corpus: str | None = None,
    split: str | None = None,
    language_names: Mapping[str, str] | None = None,
) -> Loaded:
    """Read the rows of a file, folder or Hub data set that `synthesize` takes.

    Without a pivot its texts in `language`, or in all languages that it names
    (`load_monolingual`). With one, its pairs of the pivot and any language but `into` (`load`),
    each once; in rows of this program's own form the pivot may be on either side.

    Args:
        path (`str`): File, folder or Hub id.
        into (`str`): Code of the language that is to be synthesized.
        language (`str`, *optional*): Code of the language of all texts; not with a pivot.
        pivot (`str`, *optional*): Code of the side that is translated.
        kind (`str`, *optional*): Kind of the source; detected by default.
        corpus (`str`, *optional*): Name of the corpus; by default that of the path.
        split (`str`, *optional*): Split to read.
        language_names (`Mapping[str, str]`, *optional*): Name that the source has for a language -> LMT's code.

    Returns:
        `Loaded`: The rows, with counts.

    Raises:
        InputError: an unknown language, the same one twice, or what the reading finds.
    """
    check_languages(into, language, pivot)
    if pivot is None:
        return load_monolingual(
            path,
            language=language,
            kind=kind,
            corpus=corpus,
            split=split,
            language_names=language_names,
        )
    source = Source(path, kind=kind, corpus=corpus, split=split, language_names=language_names or {})
    directions = [Direction(pivot, code) for code in LANGUAGES if code not in (pivot, into)]
    if open_source(source).kind == "rows":
        directions += [direction.opposite for direction in directions]
    return load(source, directions, auxiliaries=False)


def check_languages(into: str, text_language: str | None, pivot: str | None) -> None:
    """Check the languages of a synthesis.

    Args:
        into (`str`): Code of the language that is to be synthesized.
        text_language (`str | None`): Code of the language of all texts.
        pivot (`str | None`): Code of the side that is translated.

    Raises:
        InputError: one is unknown, a language would be translated into itself, or language and pivot are both
            given.
    """
    if text_language is not None and pivot is not None:
        raise InputError(
            f"--from {text_language} and --pivot {pivot}: give --from for texts in one language, --pivot for pairs"
        )
    language(into)
    source = text_language if pivot is None else pivot
    if source is not None and language(source) is language(into):
        raise InputError(f"the texts are in {into} and are to be translated into {into}; give two languages")


def survey_texts(rows: Dataset, into: str, pivot: str | None) -> Survey:
    """Count what `text_batches` will yield, by the languages alone.

    Args:
        rows (`Dataset`): The rows of `read_rows`.
        into (`str`): Code of the language that is to be synthesized.
        pivot (`str | None`): Code of the side that is translated; None for texts in one language.

    Returns:
        `Survey`: Texts by language, and how many are left out.

    Raises:
        InputError: a column is missing, a language is unknown, or there is nothing to translate.
    """
    check_languages(into, None, pivot)
    needed = ("lang", "text") if pivot is None else ("source_lang", "target_lang", "source", "target")
    _check_columns(rows, needed)
    names = [name for name in needed if name.endswith("lang")]
    direction_counts: Counter[tuple[str, ...]] = Counter()
    for batch in rows.select_columns(names).with_format("arrow").iter(BATCH):
        direction_counts.update(zip(*(text_column(batch, name).to_pylist() for name in names), strict=True))
    for code in sorted({code for codes in direction_counts for code in codes}):
        language(code)
    survey = Survey(Counter(), 0, 0)
    for codes, count in direction_counts.items():
        survey = _with(survey, _human_language(codes, pivot), into, count)
    if not survey.texts:
        raise InputError(_nothing(survey, direction_counts, into, pivot))
    return survey


def text_batches(rows: Dataset, into: str, pivot: str | None) -> Iterator[pa.Table]:
    """Yield the texts to be translated, in form NFC and in the order of the rows.

    Args:
        rows (`Dataset`): The rows of `read_rows`.
        into (`str`): Code of the language that is to be synthesized; texts in it are left out.
        pivot (`str | None`): Code of the side that is translated; None for texts in one language.

    Yields:
        `pa.Table`: A table of TEXT_SCHEMA, never empty.
    """
    for batch in rows.with_format("arrow").iter(BATCH):
        texts = _texts_of(batch) if pivot is None else _sides_of(batch, pivot)
        texts = texts.filter(pc.not_equal(texts["human_lang"], into))
        if len(texts):
            yield texts


def _check_columns(rows: Dataset, needed: Sequence[str]) -> None:
    if not len(rows):
        raise InputError("there is nothing to translate: the data has no rows; give at least one")
    if missing := [name for name in needed if name not in rows.column_names]:
        raise InputError(
            f"the rows lack {', '.join(missing)} (they have {', '.join(rows.column_names)}): give "
            "lang and text or, with a pivot, source_lang, target_lang, source and target"
        )


def _human_language(codes: tuple[str, ...], pivot: str | None) -> str | None:
    """Return the language of the human side of the pair; None where the pivot is missing."""
    if pivot is None:
        return codes[0]
    if pivot not in codes:
        return None
    return codes[1] if codes[0] == pivot else codes[0]


def _with(survey: Survey, human: str | None, into: str, count: int) -> Survey:
    if human is None:
        return survey._replace(without_pivot=survey.without_pivot + count)
    if human == into:
        return survey._replace(already_in=survey.already_in + count)
    survey.texts[human] += count
    return survey


def _nothing(survey: Survey, direction_counts: Counter[tuple[str, ...]], into: str, pivot: str | None) -> str:
    present = ", ".join("-".join(codes) for codes in sorted(direction_counts))
    if survey.without_pivot:
        return f"no row has a side in {pivot}, the pivot, to be translated into {into}; there are: {present}"
    return f"all of the texts are in {into} already (there are: {present}); give another language"


def _texts_of(batch: pa.Table) -> pa.Table:
    """Texts in one language each: the text itself is the human side."""
    lang, text = text_column(batch, "lang"), _normal(text_column(batch, "text"))
    corpus = _optional(batch, "corpus").fill_null("")
    keys = _optional(batch, "row_key")
    if keys.null_count:
        computed_keys = text_keys(corpus, lang.dictionary_encode(), text)
        keys = pc.coalesce(keys, pa.array(computed_keys, pa.large_string()))
    lines = pa.nulls(len(batch), pa.int64())
    return _table([lang, text, lang, text, corpus, keys, lines])


def _sides_of(batch: pa.Table, pivot: str) -> pa.Table:
    """Pairs: the pivot's side is the text, the other one the human side; those without it go."""
    source_lang, target_lang, source, target = (
        text_column(batch, name) for name in ("source_lang", "target_lang", "source", "target")
    )
    first = pc.equal(source_lang, pivot)
    lines = batch["line"].combine_chunks() if "line" in batch.column_names else None
    texts = _table(
        [
            pa.array(np.full(len(batch), pivot, object), pa.string()),
            _normal(pc.if_else(first, source, target)),
            pc.if_else(first, target_lang, source_lang),
            _normal(pc.if_else(first, target, source)),
            _optional(batch, "corpus").fill_null(""),
            key_column(batch),
            pa.nulls(len(batch), pa.int64()) if lines is None else lines,
        ]
    )
    return texts.filter(pc.or_(first, pc.equal(target_lang, pivot)))


def _table(columns: Sequence[pa.Array]) -> pa.Table:
    return pa.table(dict(zip(TEXT_SCHEMA.names, columns, strict=True))).cast(TEXT_SCHEMA)


def _normal(texts: pa.Array) -> pa.Array:
    return pc.utf8_normalize(texts, form="NFC")


def _optional(batch: pa.Table, name: str) -> pa.Array:
    """Return a column of texts, null where there is none."""
    if name in column_names(batch):
        return text_column(batch, name, required=False)
    return pa.nulls(len(batch), pa.large_string())
