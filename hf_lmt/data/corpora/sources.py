"""A source of translations, as a recipe describes it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from hf_lmt.directions import check_globs, match_directions, most_specific, parse_direction
from hf_lmt.language_codes import plain, resolve
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.source import Source as DataSource
from hf_miwv.common.recipes.values import is_number

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
    """Describe a source of translations, and what may be done with them.

    Args:
        path (`str | Mapping[str, str]`): A file; a folder; the id of a data set on the Hub; for plain
            text what its files' names have in common (`data/train` for train.en and train.de.gz), or
            {language: file}.
        kind (`str`, *optional*): One of KINDS; detected by default.
        corpus (`str`, *optional*): The corpus of rows that name none; by default from the path.
        license (`str`, *optional*): The license of the texts.
        languages (`Sequence[str] | Mapping[str, str]`, *optional*, defaults to `()`): The languages that
            the source must have, and the only ones that are read. For TSV without a first line of
            language codes: those of its columns, in their order. A mapping {code: name} restricts
            nothing; it is `variants`.
        weight (`float`, *optional*, defaults to `1.0`): How often to draw from it beside others in a
            mixture; nothing is drawn at 0.
        caps (`Mapping[str, int]`, *optional*, defaults to `{}`): Direction or glob (`en-*`) -> rows to
            use at most.
        multiway (`bool`, *optional*): Whether its texts are translations of the same sentences into many
            languages. By default a row is multi-way if the source has its sentence in more than two
            languages.
        split (`str`, *optional*): Split of a Hub data set, a folder, or FLORES.
        config (`str`, *optional*): Configuration of a Hub data set or a folder.
        revision (`str`, *optional*): Branch, tag or commit of a Hub data set.
        variants (`Mapping[str, str]`, *optional*, defaults to `{}`): {code: name as the source writes
            it}, where a language has two names in the source (de and de-AT): which of them is read.
            Without it a corpus has rows of both, and an evaluation set with both in a unit is refused.
        language_names (`Mapping[str, str]`, *optional*, defaults to `{}`): {name as the source writes
            it: code}, for names that LMT does not know, such as {"no": "nb"}; a name without region
            stands for those with one.
        cells (`Sequence[str]`, *optional*, defaults to `()`): For TSV and CSV, what each cell of a line
            holds: a language; `-` for a cell that is not read; any other name for one that is kept as a
            column of this name (score, url).
        skip_broken_units (`bool`, *optional*, defaults to `False`): For TMX, whether to leave out and
            count units that are not valid XML (control characters, undefined entities) rather than to
            refuse the file.

    Raises:
        InputError: A value that cannot be, named, with what can.
    """

    path: str | Mapping[str, str]
    kind: str | None = None
    corpus: str | None = None
    license: str | None = None
    languages: Sequence[str] | Mapping[str, str] = ()
    weight: float = 1.0
    caps: Mapping[str, int] = field(default_factory=dict)
    multiway: bool | None = None
    split: str | None = None
    config: str | None = None
    revision: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    language_names: Mapping[str, str] = field(default_factory=dict)
    cells: Sequence[str] = ()
    skip_broken_units: bool = False

    def __post_init__(self) -> None:
        _check_path(self.path)
        # A mapping of languages is the short form of `variants`; it asks
        # for no language, so the list stays empty.
        if isinstance(self.languages, Mapping):
            object.__setattr__(self, "variants", {**self.languages, **self.variants})
            object.__setattr__(self, "languages", ())
        if self.kind is not None and self.kind not in KINDS:
            raise InputError(f"{self.name}: kind {self.kind!r}; {did_you_mean(self.kind, KINDS)}")
        if not _is_list(self.languages):
            raise InputError(
                f"{self.name}: languages must be a list, as in [{self.languages}], or say which of "
                "two names of a language is read, as in {en: en-US}"
            )
        for code in self.languages:
            _check_code(code, f"{self.name}: languages")
        # Caps are matched against the 234 before any file is read: a misspelled direction would limit nothing.
        self._check_names()
        if not is_number(self.weight) or not math.isfinite(self.weight) or self.weight < 0:
            raise InputError(f"{self.name}: weight {self.weight!r}: give a number that is not below 0")
        for glob, rows in self.caps.items():
            match_directions([glob])
            if not is_number(rows) or not math.isfinite(rows) or rows != int(rows) or rows < 0:
                raise InputError(
                    f"{self.name}: caps: {glob}: {rows!r} is not a number of rows; give a whole "
                    "number that is not below 0"
                )
        check_globs(self.caps)

    def _check_names(self) -> None:
        """Raise InputError for variants, names of languages or cells that cannot be."""
        for key in ("variants", "language_names", "caps"):
            if not isinstance(getattr(self, key), Mapping):
                raise InputError(f"{self.name}: {key} {getattr(self, key)!r}: give a mapping")
        for code, name in self.variants.items():
            _check_code(code, f"{self.name}: languages")
            if not isinstance(name, str) or self.code_of(name) != code:
                raise InputError(
                    f"{self.name}: languages: {code}: {name!r} is no name of it; give "
                    "{language: name as the source writes it}, as in {en: en-US}"
                )
        for name, code in self.language_names.items():
            if not isinstance(name, str):
                raise InputError(
                    f"{self.name}: language_names: {name!r} is no name; write it in quotes, as in {{'no': nb}}"
                )
            _check_code(code, f"{self.name}: language_names: {name}")
        if not _is_list(self.cells) or not all(isinstance(cell, str) for cell in self.cells):
            raise InputError(
                f"{self.name}: cells {self.cells!r}: give a list, as in [score, en, de]; - stands "
                "for a cell that is not read"
            )
        if self.cells and self.kind not in (None, "tsv", "table"):
            raise InputError(f"{self.name}: cells are of TSV and CSV files; leave them out for kind {self.kind}")

    def code_of(self, name: str) -> str | None:
        """Return LMT's code for a language as the source writes it.

        Args:
            name (`str`): The name in the source.

        Returns:
            `str | None`: The code; None where LMT does not have the language.
        """
        return resolve(name, self.language_names)

    def reads(self, name: str) -> bool:
        """Check whether texts under a name that LMT knows are read: asked for, and the chosen variant.

        Args:
            name (`str`): The name in the source.

        Returns:
            `bool`: Whether they are read.
        """
        code = self.code_of(name)
        if code is None or (self.languages and code not in self.languages):
            return False
        return self.is_chosen(name)

    def is_chosen(self, name: str) -> bool:
        """Check whether a name is the one that `variants` has for its language, if that has any.

        Args:
            name (`str`): The name in the source.

        Returns:
            `bool`: Whether it is the chosen name.
        """
        chosen = self.variants.get(self.code_of(name) or "")
        return chosen is None or plain(chosen) == plain(name)

    def cap_of(self, direction: str) -> int | None:
        """Return the most rows of a direction.

        Args:
            direction (`str`): The direction, such as "en-kk".

        Returns:
            `int | None`: Rows; None where there is no limit.
        """
        glob = most_specific(self.caps, parse_direction(direction))
        return None if glob is None else int(self.caps[glob])

    @cached_property
    def data(self) -> DataSource | None:
        """Return the one path or Hub id with its options, as other data is read; None for {language: file}."""
        if not isinstance(self.path, str):
            return None
        return DataSource.parse(self.path, self.revision, split=self.split, config=self.config)

    @property
    def name(self) -> str:
        """Return the name of the source in messages."""
        return self.path if isinstance(self.path, str) else ", ".join(self.path.values())

    @property
    def corpus_name(self) -> str:
        """Return `corpus`, or the name of the file or folder without its ending."""
        if self.corpus is not None:
            # Of many files the first stands for all: their names have the corpus in common.
            return self.corpus
        first = self.path if isinstance(self.path, str) else next(iter(self.path.values()))
        return Path(first.removesuffix(".gz")).stem


def american(values: Mapping[Any, Any]) -> dict[Any, Any]:
    """Take `licence`, as recipes may have it, for `license`.

    Args:
        values (`Mapping[Any, Any]`): Keys and values of a section of a recipe.

    Returns:
        `dict[Any, Any]`: A new mapping, all other keys as they are.
    """
    return {"license" if key == "licence" else key: value for key, value in values.items()}


def source_from(values: Mapping[Any, Any], location: str) -> Source:
    """Make a source of its fields, as YAML has them.

    Args:
        values (`Mapping[Any, Any]`): Field -> value.
        location (`str`): The beginning of messages.

    Returns:
        `Source`: The source.

    Raises:
        InputError: An unknown field, none called path, or a value that cannot be.
    """
    values = american(values)
    known = [field_of_source.name for field_of_source in fields(Source)]
    for name in values:
        if name not in known:
            raise InputError(f"{location}: unknown key {name!r}; {did_you_mean(str(name), known)}")
    if "path" not in values:
        raise InputError(f"{location}: {dict(values)!r:.100}: path is missing")
    try:
        return Source(**values)
    except InputError as error:
        raise InputError(f"{location}: {error}") from error


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


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
