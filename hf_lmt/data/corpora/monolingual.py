"""Texts in one language each, from sources of many kinds, to rows on disk."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from hf_lmt.data.corpora.cached_rows import cache_folder, cached_rows
from hf_lmt.data.corpora.load import Loaded
from hf_lmt.data.corpora.monolingual_contents import Text, open_texts
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.hashing import FIELD
from hf_lmt.language_codes import how_to_name
from hf_lmt.languages import language as known_language
from hf_miwv.common.errors import InputError

LAYOUT = 1  # of the rows in the cache: with another number all sources are read again
BLOCK = 1000  # texts in memory at a time

TEXT_SCHEMA = pa.schema({"lang": pa.string(), "text": pa.string(), "corpus": pa.string(), "row_key": pa.string()})
"""The columns of a text. `row_key` is the source's own id, or its `text_keys`."""

logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """Count what became of the texts, as `load_monolingual` reports it.

    Attributes:
        texts (`int`, *optional*, defaults to `0`): Texts that were read.
        rows (`int`, *optional*, defaults to `0`): Rows that were made of them.
        empty (`int`, *optional*, defaults to `0`): Texts that were blank.
        languages (`Counter[str]`, *optional*): {code: texts}.
        other_languages (`Counter[str]`, *optional*): {name: texts} of languages that LMT does not have.
    """

    texts: int = 0
    rows: int = 0
    empty: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    other_languages: Counter[str] = field(default_factory=Counter)

    def counts(self) -> dict[str, Any]:
        """Return the counts, ready for JSON."""
        return {
            "texts": self.texts,
            "rows": self.rows,
            "empty": self.empty,
            "languages": dict(sorted(self.languages.items())),
            "other_languages": dict(sorted(self.other_languages.items())),
        }


def load_monolingual(
    path: str,
    *,
    language: str | None = None,
    kind: str | None = None,
    corpus: str | None = None,
    split: str | None = None,
    config: str | None = None,
    revision: str | None = None,
    language_names: Mapping[str, str] | None = None,
) -> Loaded:
    """Load the texts of a source, with the columns of TEXT_SCHEMA.

    Texts are normalized to NFC; nothing else about them changes. Empty ones, and those of nothing
    but white space, are left out and counted. The same source gives the same rows in the same
    order; they lie in the cache of `datasets` until the source changes.

    Args:
        path (`str`): A file, a folder, what the names of files have in common (`data/train` for train.en
            and train.ky.gz), or the id of a data set on the Hub.
        language (`str`, *optional*): The code of the only language to read; where the source does not
            name languages, the language of all texts.
        kind (`str`, *optional*): One of `monolingual_contents.KINDS`; detected by default.
        corpus (`str`, *optional*): The corpus of rows that name none; by default from the path.
        split (`str`, *optional*): Split of a Hub data set or a folder.
        config (`str`, *optional*): Configuration of a Hub data set or a folder.
        revision (`str`, *optional*): Branch, tag or commit of a Hub data set.
        language_names (`Mapping[str, str]`, *optional*): {name: code} for names that LMT does not know,
            such as {"no": "nb"}.

    Returns:
        `Loaded`: rows, and counts: `texts` read, `rows` made of them, `empty` ones; `languages`,
        {code: rows}, and `other_languages`, {name: texts} of those that LMT does not have.

    Raises:
        InputError: The source cannot be read, is not UTF-8, lacks a column, does not say which
            languages its texts are in, or has no text in a language of LMT.
    """
    if language is not None:
        known_language(language)
    source = Source(
        path,
        corpus=corpus,
        split=split,
        config=config,
        revision=revision,
        language_names=language_names or {},
    )
    contents = open_texts(source, kind, language)
    tally = Tally()
    made_of = [LAYOUT, contents.kind, contents.state, source.corpus_name, language]
    if source.language_names:
        made_of.append(dict(source.language_names))
    loaded = cached_rows(
        cache_folder("texts", made_of),
        # The checks run after the last block and before the rows are kept: a
        # source with a fault leaves nothing in the cache.
        TEXT_SCHEMA,
        _blocks(contents.texts, source, language, tally),
        lambda: _checked(source, language, tally),
    )
    _report(source, loaded.counts)
    return loaded


def text_keys(corpora: pa.Array, languages: pa.DictionaryArray, texts: pa.Array) -> list[str]:
    """Compute the keys of texts: xxh3_128 of corpus, language and text in NFC.

    Args:
        corpora (`pa.Array`): (B,) names of corpora.
        languages (`pa.DictionaryArray`): (B,) codes of languages.
        texts (`pa.Array`): (B,) texts, in NFC already.

    Returns:
        `list[str]`: (B,) keys, of 32 hexadecimal digits each.
    """
    large = [column.cast(pa.large_string()) for column in (corpora, languages.dictionary_decode(), texts)]
    separator = pa.scalar(FIELD, pa.large_string())
    contents = pc.binary_join_element_wise(*large, separator).to_pylist()
    return [xxhash.xxh3_128_hexdigest(content.encode()) for content in contents]


def _blocks(texts: Iterator[Text], source: Source, language: str | None, tally: Tally) -> Iterator[pa.Table]:
    while block := list(islice(texts, BLOCK)):
        tally.texts += len(block)
        kept = [(code, text) for text in block if (code := _language_of(text, source, language, tally))]
        tally.rows += len(kept)
        tally.languages.update(code for code, _ in kept)
        yield _table(kept, source.corpus_name)


def _language_of(text: Text, source: Source, language: str | None, tally: Tally) -> str | None:
    """Return the code of a text that becomes a row; else None, and count why."""
    code = source.code_of(text.language)
    if code is None or code != (language or code):
        tally.other_languages[text.language] += 1
        return None
    if not text.text or text.text.isspace():
        tally.empty += 1
        return None
    return code


def _table(texts: list[tuple[str, Text]], corpus: str) -> pa.Table:
    codes = pa.array([code for code, _ in texts], pa.string())
    contents = pa.array([unicodedata.normalize("NFC", text.text or "") for _, text in texts], pa.string())
    corpora = pa.array([text.corpus or corpus for _, text in texts], pa.string())
    source_keys = pa.array([text.row_key for _, text in texts], pa.string())
    keys = pa.array(text_keys(corpora, codes.dictionary_encode(), contents), pa.string())
    columns = [codes, contents, corpora, pc.coalesce(source_keys, keys)]
    return pa.table(columns, schema=TEXT_SCHEMA)


def _checked(source: Source, language: str | None, tally: Tally) -> dict[str, Any]:
    """Return the counts; raise InputError where there are no rows."""
    if tally.rows:
        return tally.counts()
    languages_and_counts = ", ".join(f"{name} ({texts:,})" for name, texts in tally.other_languages.items())
    if not languages_and_counts:
        raise InputError(f"{source.name}: all of its {tally.texts:,} texts are empty; give others")
    expected_language = language or "a language of LMT (`hf-lmt languages` lists them)"
    raise InputError(
        f"{source.name}: has no text in {expected_language}; there are: {languages_and_counts}"
        f"{how_to_name(_unknown(source, tally.other_languages))}"
    )


def _report(source: Source, counts: dict[str, Any]) -> None:
    logger.info("%s: %s texts", source.name, f"{counts['rows']:,}")
    if counts["empty"]:
        logger.warning("%s: %s empty texts are left out", source.name, f"{counts['empty']:,}")
    if counts["other_languages"]:
        others = ", ".join(f"{name} ({count:,})" for name, count in counts["other_languages"].items())
        logger.warning(
            "%s: texts in languages that are not asked for, or that LMT does not have, are left out: %s%s",
            source.name,
            others,
            how_to_name(_unknown(source, counts["other_languages"])),
        )


def _unknown(source: Source, names: Mapping[str, int]) -> list[str]:
    """Return the names that stand for no language of LMT, unlike those that were not asked for."""
    return [name for name in names if source.code_of(name) is None]
