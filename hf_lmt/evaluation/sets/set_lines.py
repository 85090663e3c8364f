"""The lines of an evaluation set in a direction, all or a sample that is the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import xxhash

from hf_lmt.data.hashing import FIELD, decision_hashes
from hf_lmt.directions import DIRECTIONS, Direction, auxiliary_of
from hf_lmt.evaluation.sets.set_files import Texts

DECISION = "evaluation-lines"


class Lines(NamedTuple):
    """Hold the S lines of one direction of a set.

    Attributes:
        ids (`list[str]`): (S,) ids.
        sources (`list[str]`): (S,) texts.
        references (`list[str]`): (S,) translations by people.
        hints (`list[str | None]`): (S,) translations into the auxiliary language, None where there is none.
        hint_lang (`str | None`): Code of that language; None without hints.
    """

    ids: list[str]
    sources: list[str]
    references: list[str]
    hints: list[str | None]
    hint_lang: str | None


class Row(NamedTuple):
    """Hold a row that has its direction.

    Attributes:
        id (`str`): Its id.
        source (`str`): The text.
        reference (`str`): Its translation by people.
        hint (`str | None`): Its translation into the auxiliary language, if there is one.
        hint_lang (`str | None`): Code of that language.
    """

    id: str
    source: str
    reference: str
    hint: str | None
    hint_lang: str | None


@dataclass(frozen=True)
class EvaluationSet:
    """A set as it was read; `lines` gives a direction of it.

    Attributes:
        name (`str`): Name in `sets.NAMED_SETS`, or that of the file or folder.
        title (`str`): The name in words.
        opened_from (`str`): Name or path that it was opened with.
        split (`str | None`): Split that it was opened with.
        texts (`Texts`): Texts of a set of sentences in several languages.
        rows (`Mapping[Direction, list[Row]]`, *optional*): {direction: rows}, of a set of rows with a direction.
        notes (`Mapping[str, Any]`, *optional*): Counts of what was left out.
        limit (`int`, *optional*): Lines of a direction at most; the same sentences in all directions, chosen by a
            hash of seed and text, so neither by their position nor by how the set was read.
        seed (`int`, *optional*, defaults to `0`): Seed of that hash.
        reading (`Mapping[str, Any]`, *optional*): Other fields of its `Source`, such as which of two names of a
            language is read.
    """

    name: str
    title: str
    opened_from: str
    split: str | None
    texts: Texts
    rows: Mapping[Direction, list[Row]] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    seed: int = 0
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def languages(self) -> list[str]:
        """List the codes of all languages that the set has texts in.

        Returns:
            `list[str]`: The codes, in alphabetical order.
        """
        codes = {code for direction in self.rows for code in direction}
        return sorted(codes | self.texts.columns.keys())

    def directions(self) -> list[Direction]:
        """Return the directions that the set has lines in: of the 234, or of its rows."""
        if self.rows:
            return list(self.rows)
        columns = self.texts.columns
        return [direction for direction in DIRECTIONS if direction.source in columns and direction.target in columns]

    def lines(self, direction: Direction) -> Lines | None:
        """Read the lines with a source and a reference, in the set's order.

        An empty reference is none, an empty source stays: what comes of it is judged.

        Args:
            direction (`Direction`): The direction.

        Returns:
            `Lines | None`: The lines, a sample of them where the set is limited; None where there are none.
        """
        if self.rows:
            rows_of_direction = self.rows.get(direction, [])
            hint_lang = next((row.hint_lang for row in rows_of_direction if row.hint), None)
            lines = _as_lines([row[:4] for row in rows_of_direction], hint_lang)
        else:
            lines = self._side_by_side(direction)
        return self._limited(lines, direction) if lines.ids else None

    def _side_by_side(self, direction: Direction) -> Lines:
        columns, count = self.texts.columns, len(self.texts.ids)
        sources, references = (columns.get(code, [None] * count) for code in direction)
        hint_lang = auxiliary_of(direction)
        hints = columns.get(hint_lang or "", [None] * count)
        rows = [
            line
            for line in zip(self.texts.ids, sources, references, hints, strict=True)
            if line[1] is not None and line[2]
        ]
        return _as_lines(rows, hint_lang if any(hints) else None)

    def _limited(self, lines: Lines, direction: Direction) -> Lines:
        if self.limit is None or len(lines.ids) <= self.limit:
            return lines
        keys = self._keys(direction, lines)
        heads = pyarrow.array(["*-*"] * len(keys), pyarrow.large_string()).dictionary_encode()
        hashes = decision_hashes(DECISION, self.seed, heads, keys)
        kept = np.sort(np.argsort(hashes, kind="stable")[: self.limit]).tolist()
        rows = list(zip(*lines[:4], strict=True))
        return _as_lines([rows[index] for index in kept], lines.hint_lang)

    def _keys(self, direction: Direction, lines: Lines) -> list[str]:
        """Return a text for each line that is the same in all directions of its sentence."""
        if self.rows:
            first = min(direction, key=lambda code: (code != "en", code != "zh", code))
            return lines.sources if first == direction.source else lines.references
        codes = sorted(self.texts.columns, key=lambda code: (code != "en", code != "zh", code))
        columns = [self.texts.columns[code] for code in codes]
        texts = [next(text for text in row if text) for row in zip(*columns, strict=True)]
        by_id = dict(zip(self.texts.ids, texts, strict=True))
        return [by_id[row_id] for row_id in lines.ids]


def _as_lines(rows: Sequence[tuple[Any, ...]], hint_lang: str | None) -> Lines:
    """Turn rows of id, source, reference and hint to columns."""
    ids, sources, references, hints = ([row[column] for row in rows] for column in range(4))
    return Lines(ids, sources, references, hints, hint_lang)


def fingerprint(opened: EvaluationSet, directions: Iterable[Direction]) -> str:
    """Hash ids, sources and references of some directions: xxh3_128, in the order of their names.

    Args:
        opened (`EvaluationSet`): The evaluation set.
        directions (`Iterable[Direction]`): The directions.

    Returns:
        `str`: 32 hexadecimal digits.
    """
    digest = xxhash.xxh3_128()
    for direction in sorted(directions, key=str):
        if lines := opened.lines(direction):
            for column in lines[:3]:
                digest.update(FIELD.join([str(direction), *column]).encode())
    return digest.hexdigest()
