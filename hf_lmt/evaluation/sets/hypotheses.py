"""Hypotheses from elsewhere, put beside the lines of an evaluation set."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from hf_lmt.data.corpora.text_files import read_lines
from hf_lmt.directions import Direction, parse_direction
from hf_lmt.evaluation.evaluation_folder import HYPOTHESES
from hf_lmt.evaluation.sets.set_lines import EvaluationSet, Lines
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.json_files import check_characters

HypothesisSources: TypeAlias = str | Path | Sequence[str | Path] | Mapping[str, Sequence[str]]
"""Files and folders, or {"en-de": texts}."""

NAMES = {
    "status": ("hypothesis_status", "status"),
    "tokens": ("hypothesis_tokens", "tokens"),
    "hint_lang": ("hypothesis_hint_lang", "hint_lang"),
    "hint_dropped": ("hypothesis_hint_dropped", "hint_dropped"),
}
"""Further fields of a row, by the names of `hf-lmt translate` and of an evaluation's own rows. Not
the text of its hint: that may be a text of the set, which no file of an evaluation holds."""
LANGUAGES = ("source_lang", "target_lang")
DEFAULTS: Mapping[str, Any] = {
    "status": "given",
    "tokens": 0,
    "hint_lang": "",
    "hint": "",
    "hint_dropped": "",
}


class Hypothesis(NamedTuple):
    """Hold a translation from elsewhere.

    Attributes:
        location (`str`): File and line, for messages.
        text (`str`): The translation.
        columns (`Mapping[str, Any]`): The other columns of its row, if it has some.
    """

    location: str
    text: str
    columns: Mapping[str, Any]


def read_hypotheses(hypotheses: HypothesisSources) -> dict[Direction, list[Hypothesis]]:
    """Read the hypotheses of each direction, in their order.

    Args:
        hypotheses (`HypothesisSources`): Files and folders. A file of plain text, a line for each hypothesis, is
            named after its direction (en-de.txt). A .jsonl file has rows with `hypothesis`, as `hf-lmt translate`
            writes them, with `source_lang` and `target_lang` or the direction in the file's name. Of a folder all its
            .txt and .jsonl files count; a folder of `hf-lmt evaluate` stands for its hypotheses. Or the texts
            themselves: {"en-de": texts}.

    Returns:
        `dict[Direction, list[Hypothesis]]`: {direction: its hypotheses}.

    Raises:
        InputError: a path that is not there, has no such files, is empty or cannot be read; a
            direction in two files; a row without a hypothesis.
    """
    if isinstance(hypotheses, Mapping):
        return {
            parse_direction(name): [
                Hypothesis(f"{name}, text {number}", _text(text, f"{name}, text {number}"), {})
                for number, text in enumerate(texts, 1)
            ]
            for name, texts in hypotheses.items()
        }
    paths = [hypotheses] if isinstance(hypotheses, str | Path) else hypotheses
    by_direction: dict[Direction, list[Hypothesis]] = {}
    file_of_direction: dict[Direction, Path] = {}
    for path in _files(paths):
        for direction, hypothesis in _rows(path):
            if file_of_direction.setdefault(direction, path) != path:
                raise InputError(f"{direction} is in {file_of_direction[direction]} and in {path}; give one")
            by_direction.setdefault(direction, []).append(hypothesis)
    return by_direction


def align(hypotheses: Sequence[Hypothesis], opened: EvaluationSet, direction: Direction) -> list[dict[str, Any]]:
    """Match the hypotheses to each of the set's lines in a direction, in the set's order.

    Where rows carry ids of the set they are found by these, in any order; else the n-th is that of
    the n-th line, and sources that rows carry are compared. With a limit the whole set may be
    there, and for texts without ids must.

    Args:
        hypotheses (`Sequence[Hypothesis]`): The hypotheses of the direction.
        opened (`EvaluationSet`): The evaluation set.
        direction (`Direction`): The direction.

    Returns:
        `list[dict[str, Any]]`: A row of the columns of each hypothesis, in the order of the set's lines.

    Raises:
        InputError: another number of hypotheses than lines (both, and the first that differs), a
            line without a hypothesis, an id twice, or a hypothesis of another source.
    """
    lines = opened.lines(direction)
    whole = replace(opened, limit=None).lines(direction)
    if lines is None or whole is None:
        raise InputError(f"{direction}: the set has no line; it has {', '.join(opened.languages)}")
    ids = _ids(hypotheses)
    if not set(ids) & set(whole.ids):
        _check_order(hypotheses, whole, direction)
        ids = whole.ids
    by_id = dict(zip(ids, hypotheses, strict=True))
    if len(by_id) < len(ids):
        twice = next(row_id for index, row_id in enumerate(ids) if row_id in ids[:index])
        raise InputError(f"{direction}: id {twice!r} is there twice; give each line once")
    missing = [row_id for row_id in lines.ids if row_id not in by_id]
    if missing:
        raise InputError(
            f"{direction}: {len(hypotheses):,} hypotheses and {len(lines.ids):,} lines in the set; "
            f"{len(missing):,} lines have none, the first of them id {missing[0]!r}"
        )
    return [_columns(by_id[row_id]) for row_id in lines.ids]


def matched_by_id(hypotheses: Sequence[Hypothesis], opened: EvaluationSet, direction: Direction) -> bool:
    """Check whether `align` goes by the ids that the rows carry, rather than by their order.

    Args:
        hypotheses (`Sequence[Hypothesis]`): The hypotheses of a direction.
        opened (`EvaluationSet`): The evaluation set.
        direction (`Direction`): The direction.

    Returns:
        `bool`: True where one of the ids is in the set.
    """
    whole = replace(opened, limit=None).lines(direction)
    return whole is not None and bool(set(_ids(hypotheses)) & set(whole.ids))


def _ids(hypotheses: Sequence[Hypothesis]) -> list[str]:
    return [str(hypothesis.columns.get("id", "")) for hypothesis in hypotheses]


def _columns(hypothesis: Hypothesis) -> dict[str, Any]:
    known = {
        column: next((hypothesis.columns[name] for name in names if hypothesis.columns.get(name)), None)
        for column, names in NAMES.items()
    }
    defaults = {name: value for name, value in DEFAULTS.items() if known.get(name) is None}
    return {"hypothesis": hypothesis.text, **known, **defaults}


def _check_order(hypotheses: Sequence[Hypothesis], lines: Lines, direction: Direction) -> None:
    counts = f"{direction}: {len(hypotheses):,} hypotheses and {len(lines.ids):,} lines in the set"
    rows = zip(hypotheses, lines.ids, lines.sources, strict=False)
    for hypothesis, row_id, source in rows:
        source_of_row = hypothesis.columns.get("source")
        if isinstance(source_of_row, str) and _plain(source_of_row) != _plain(source):
            raise InputError(
                f"{counts}; {hypothesis.location} translates {source_of_row[:60]!r}, and there (id {row_id!r}) the "
                f"set has {source[:60]!r}; give hypotheses of this set, in its order"
            )
    if len(hypotheses) < len(lines.ids):
        raise InputError(
            f"{counts}; the first line without one is id "
            f"{lines.ids[len(hypotheses)]!r}; give one for each line, in their "
            "order"
        )
    if len(hypotheses) > len(lines.ids):
        raise InputError(
            f"{counts}; {hypotheses[len(lines.ids)].location} is the first without a "
            "line; give one for each line, in their order"
        )


def _plain(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _files(paths: Sequence[str | Path]) -> Iterator[Path]:
    for listed_path in paths:
        path = Path(listed_path).expanduser()
        folder = path / HYPOTHESES if (path / HYPOTHESES).is_dir() else path
        if path.is_file():
            yield path
            continue
        files = [*folder.glob("*.txt"), *folder.glob("*.jsonl")] if path.is_dir() else []
        if not files:
            fault = "has no .txt or .jsonl file" if path.is_dir() else "is not there"
            raise InputError(f"--hypotheses {path} {fault}; give files named as en-de.txt, JSONL, or a folder of them")
        yield from sorted(files)


def _rows(path: Path) -> Iterator[tuple[Direction, Hypothesis]]:
    if path.suffix.lower() == ".jsonl":
        yield from _json_rows(path)
        return
    try:
        direction = parse_direction(path.stem)
    except InputError as error:
        raise InputError(
            f"--hypotheses {path}: plain text is named after its direction, as en-de.txt: {error}"
        ) from error
    for number, line in enumerate(read_lines(path), 1):
        yield direction, Hypothesis(f"{path}:{number}", line, {})


def _json_rows(path: Path) -> Iterator[tuple[Direction, Hypothesis]]:
    for number, line in enumerate(read_lines(path), 1):
        location = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{location}: not JSON ({error}); give an object in each line") from error
        if not isinstance(row, dict) or "hypothesis" not in row:
            raise InputError(f"{location}: no row with a hypothesis; give rows as hf-lmt translate writes them")
        check_characters(line, location)
        named = "-".join(str(row.get(name)) for name in LANGUAGES if name in row)
        try:
            direction = parse_direction(named or path.stem)
        except InputError as error:
            raise InputError(
                f"{location}: {error}; give source_lang and target_lang, or a file named after the direction"
            ) from error
        yield direction, Hypothesis(location, _text(row["hypothesis"], location), row)


def _text(value: Any, location: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{location}: the hypothesis is {value!r}, not a text; an empty translation is an empty text")
    return value
