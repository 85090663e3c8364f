"""A source of translations, as a recipe describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hf_lmt.directions import check_globs, match_directions, most_specific, parse_direction
from hf_lmt.errors import InputError, did_you_mean
from hf_lmt.languages import language

KINDS = {
    "rows": "columns source_lang, target_lang, source, target, as this program writes them",
    "table": "one column per language",
    "translation": "a column translation: {language: text, ...}",
    "smol": "columns sl, tl, and src or srcs, trg or trgs, as in google/smol",
    "text": "plain text, a file per language, line by line",
    "flores": "a folder of plain text, files named LANGUAGE.SPLIT",
    "tsv": "lines of texts with tabs between",
    "tmx": "Translation Memory eXchange",
}


@dataclass(frozen=True)
class Source:
    """Where translations come from, and what may be done with them.

    path: a file; a folder; the id of a data set on the Hub; for plain text what its files' names
        have in common (`data/train` for train.en and train.de.gz), or {language: file}.
    kind: one of KINDS; found out where it is not given.
    corpus: the name that rows carry where they have none of their own; by default from the path.
    languages: the languages that the source must have, and the only ones that are read. For TSV
        without a first line of language codes: those of its columns, in their order.
    weight: how often to draw from it beside others in a mixture; nothing is drawn at 0.
    caps: direction or glob (`en-*`) -> rows to use at most.
    multiway: whether its texts are translations of the same sentences into many languages. Where
        it is not given, a row is multi-way if its sentence is there in more than two languages.
    split, config, revision: which part, for Hub data sets and folders; for FLORES the split.

    Raises:
        InputError: a value that cannot be, named, with what can.
    """

    path: str | Mapping[str, str]
    kind: str | None = None
    corpus: str | None = None
    licence: str | None = None
    languages: Sequence[str] = ()
    weight: float = 1.0
    caps: Mapping[str, int] = field(default_factory=dict)
    multiway: bool | None = None
    split: str | None = None
    config: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        _check_path(self.path)
        if self.kind is not None and self.kind not in KINDS:
            raise InputError(f"{self.name}: kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        if isinstance(self.languages, str):
            raise InputError(f"{self.name}: languages must be a list, as in [{self.languages}]")
        for code in self.languages:
            _check_code(code, f"{self.name}: languages")
        if not _is_number(self.weight) or not math.isfinite(self.weight) or self.weight < 0:
            raise InputError(
                f"{self.name}: weight {self.weight!r}: give a number that is not below 0"
            )
        for glob, rows in self.caps.items():
            match_directions([glob])
            if not _is_number(rows) or not math.isfinite(rows) or rows != int(rows) or rows < 0:
                raise InputError(
                    f"{self.name}: caps: {glob}: {rows!r} is not a number of rows; give a whole "
                    "number that is not below 0"
                )
        check_globs(self.caps)

    def cap_of(self, direction: str) -> int | None:
        """The most rows of a direction, such as "en-kk"; None where there is no limit."""
        glob = most_specific(self.caps, parse_direction(direction))
        return None if glob is None else int(self.caps[glob])

    @property
    def name(self) -> str:
        """What messages call the source."""
        return self.path if isinstance(self.path, str) else ", ".join(self.path.values())

    @property
    def corpus_name(self) -> str:
        """`corpus`, or the name of the file or folder without its ending."""
        if self.corpus is not None:
            return self.corpus
        first = self.path if isinstance(self.path, str) else next(iter(self.path.values()))
        return Path(first.removesuffix(".gz")).stem


def _check_path(path: object) -> None:
    if isinstance(path, Mapping):
        for code, file in path.items():
            _check_code(code, f"path: {file}")
        if len(path) < 2:
            raise InputError(f"path: {dict(path)}: give the files of two languages or more")
    elif not isinstance(path, str) or not path:
        raise InputError(f"path {path!r}: give a file, a folder, or a Hub data set (OWNER/NAME)")


def _check_code(code: object, where: str) -> None:
    if isinstance(code, bool):
        word = "yes" if code else "no"
        raise InputError(
            f"{where}: {code} is no language; an unquoted {word} (or on, off) is {code} in YAML: "
            'write it in quotes, and Norwegian as "nb"'
        )
    try:
        language(str(code))
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
