"""Evaluation sets: by name from the Hub, or anything local; their lines in a direction."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_lmt.data.corpora.contents import Contents, open_source
from hf_lmt.data.corpora.shapes import Unit
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import count_lines
from hf_lmt.data.corpora.tmx import BROKEN
from hf_lmt.data.curation.evaluation_sets import EVALUATION_SETS
from hf_lmt.directions import Direction
from hf_lmt.evaluation.sets.set_files import Copy, Texts, mongolian_file, read_copy, recognized
from hf_lmt.evaluation.sets.set_lines import EvaluationSet, Row, fingerprint
from hf_lmt.language_codes import how_to_name, names_and_counts
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.hub_errors import hub_error

if TYPE_CHECKING:
    from hf_lmt.evaluation.evaluation_folder import Evaluation


OTHERS, FURTHER = "texts_in_other_languages", "further_texts_left_out"  # of notes
READING = ("languages", "variants", "language_names", "cells", "skip_broken_units")

logger = logging.getLogger(__name__)


class NamedSet(NamedTuple):
    """Hold a published set.

    Attributes:
        title (`str`): Name for people.
        repository (`str`): Its data set on the Hub.
        files (`tuple[str, ...]`): Patterns of its files; none for a data set that is a table with a column for
            each language.
        access (`str`): The way to get access, in words.
        split (`str`, *optional*): Its split.
    """

    title: str
    repository: str
    files: tuple[str, ...]
    access: str
    split: str | None = None


_WMT24 = EVALUATION_SETS["wmt24++"]
_FLORES = EVALUATION_SETS["flores-devtest"]
NAMED_SETS: Mapping[str, NamedSet] = {
    "flores-devtest": NamedSet(
        "FLORES-200 devtest (as FLORES+)",
        _FLORES.repository,
        _FLORES.files,
        _FLORES.access,
        "devtest",
    ),
    "flores-dev": NamedSet(
        "FLORES-200 dev (as FLORES+)",
        _FLORES.repository,
        ("dev/*.jsonl", "dev/*.parquet"),
        _FLORES.access,
        "dev",
    ),
    "wmt24++": NamedSet("WMT24++", _WMT24.repository, _WMT24.files, _WMT24.access),
    "ntrex-128": NamedSet("NTREX-128", "mteb/NTREX", (), _WMT24.access, "test"),
    "flores-mvf": NamedSet(
        "FLORES-mvf, Inner Mongolian beside English and Chinese",
        "NiuTrans/FLORES-mvf",
        ("*devtest*",),
        _WMT24.access,
        "devtest",
    ),
}


def open_set(
    name_or_source: str | Source, split: str | None = None, limit: int | None = None, seed: int = 0
) -> EvaluationSet:
    """Open an evaluation set.

    Args:
        name_or_source (`str | Source`): One of NAMED_SETS, read from the Hub or its cache; a folder with a copy of
            one, as FLORES-200's archive, FLORES+, NTREX-128's or WMT24++'s repository lie; or what
            `Source` reads: a multi-way table, rows, pairs, plain text files side by side.
        split (`str`, *optional*): Split of a folder or a Hub data set that has several.
        limit (`int`, *optional*): Lines of each direction, at most; see `EvaluationSet`.
        seed (`int`, *optional*, defaults to `0`): Seed of the sample; see `EvaluationSet`.

    Returns:
        `EvaluationSet`: The set.

    Raises:
        InputError: no such set or path, no access (the message says how to get it), or nothing in
            it that can be read; a limit below 1.
    """
    if limit is not None and limit < 1:
        raise InputError(f"max_samples {limit}: give 1 line or more")
    source = name_or_source if isinstance(name_or_source, Source) else Source(name_or_source, split=split)
    opened = _open(source)
    return replace(opened, limit=limit, seed=seed)


def set_of(evaluation: Evaluation) -> EvaluationSet:
    """Open the set that an evaluation was made with again, with the same lines.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `EvaluationSet`: The set.

    Raises:
        InputError: as `open_set`; or it has other texts than it had then.
    """
    data = evaluation.run["data"]
    source = Source(data["given"], split=data["split"], **data.get("reading", {}))
    opened = open_set(source, limit=data["limit"], seed=data["seed"])
    if fingerprint(opened, evaluation.directions) != data["fingerprint"]:
        raise InputError(
            f"evaluation set {data['given']!r} has changed since {evaluation.name} "
            "was made; give the set as it was, or evaluate again"
        )
    return opened


def _open(source: Source) -> EvaluationSet:
    name = source.name
    if isinstance(source.path, str) and name in NAMED_SETS and not Path(name).exists():
        named_set = NAMED_SETS[name]
        _check_no_reading(source)
        if source.split not in (None, named_set.split):
            raise InputError(
                f"evaluation set {name} has no split {source.split!r} to choose; "
                f"leave it out (sets: {', '.join(NAMED_SETS)})"
            )
        texts = _fetched(name)
        return EvaluationSet(name, named_set.title, name, named_set.split, texts, notes=texts.notes)
    path = Path(name).expanduser()
    copy = recognized(path, source.split) if path.is_dir() and source.kind is None else None
    if copy:
        _check_no_reading(source)
        texts = read_copy(copy)
        title = NAMED_SETS[copy.name].title
        split = copy.split or source.split
        return EvaluationSet(copy.name, title, name, split, texts, notes=texts.notes)
    _check_exists(source)
    texts, rows, notes = _of_source(source, open_source(source))
    others = notes.get(OTHERS, {})
    if not rows and len(texts.columns) < 2:
        more = f"; not LMT's: {names_and_counts(others)}{how_to_name(others)}" if others else ""
        raise InputError(
            f"evaluation set {name}: holds no sentence in two languages of LMT; there are: "
            f"{', '.join(texts.columns) or 'none'}{more}"
        )
    for line in _noted(notes):
        logger.warning("evaluation set %s: %s", name, line)
    corpus_name = source.corpus_name
    reading = {field: value for field in READING if (value := getattr(source, field)) and isinstance(source.path, str)}
    return EvaluationSet(corpus_name, corpus_name, name, source.split, texts, rows, notes, reading=reading)


def _noted(notes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts left out of a set, a line each."""
    if others := notes.get(OTHERS):
        yield (
            f"texts in languages that LMT does not have are left out: {names_and_counts(others)}{how_to_name(others)}"
        )
    if further := notes.get(FURTHER):
        yield f"{further:,} further texts of a language in a unit are left out; the first counts"
    if broken := notes.get(BROKEN):
        yield f"{broken:,} units that are not valid XML are left out"


def _check_no_reading(source: Source) -> None:
    """Raise InputError for settings of reading, which a published set has none of."""
    if settings := [name for name in READING if getattr(source, name)]:
        raise InputError(
            f"evaluation set {source.name}: {', '.join(settings)}: are for sets of your own, and "
            "this one is published, with names that are known; leave them out"
        )


def _check_exists(source: Source) -> None:
    path = Path(source.name).expanduser()
    is_local = path.exists() or any(path.parent.glob(f"{path.name}.*"))
    if isinstance(source.path, str) and not is_local and source.path.count("/") != 1:
        raise InputError(
            f"evaluation set {source.path!r}: there is no such file or folder, and it is no known "
            f"set; {did_you_mean(source.path, NAMED_SETS)}"
        )


def _fetched(name: str) -> Texts:
    """Fetch a named set from the Hub, or its cache."""
    from huggingface_hub import snapshot_download

    named_set = NAMED_SETS[name]
    if not named_set.files:
        source = Source(named_set.repository, split=named_set.split)
        return _of_source(source, open_source(source))[0]
    try:
        folder = Path(snapshot_download(named_set.repository, repo_type="dataset", allow_patterns=[*named_set.files]))
    except Exception as error:
        raise InputError(
            f"{hub_error('evaluation set', named_set.repository, error)}. To evaluate on {named_set.title}: "
            f"{named_set.access}; or give the path of a local copy in place of the name"
        ) from error
    if not any(file for pattern in named_set.files for file in folder.glob(f"**/{pattern}")):
        raise InputError(
            f"{named_set.repository}: has no file {' or '.join(named_set.files)}; it may have "
            "changed. Give the path of a local copy"
        )
    if name == "flores-mvf" and mongolian_file(folder, "devtest") is None:
        raise InputError(
            f"{named_set.repository}: has no file *.devtest.mvf; give the folder "
            "data/flores_mvf of the repository NiuTrans/LMT"
        )
    return read_copy(Copy(name, folder, named_set.split))


def _of_source(source: Source, contents: Contents) -> tuple[Texts, dict[Direction, list[Row]], dict[str, Any]]:
    """Read sentences side by side, or rows by direction; NFC is left to whom it matters."""
    rows: dict[Direction, list[Row]] = {}
    ids: list[str | None] = []
    columns: dict[str, list[str | None]] = {}
    others: dict[str, int] = {}
    for number, (_, record) in enumerate(contents.records or (), 1):
        texts = [record.get(side) for side in ("source", "target")]
        names = [str(record.get(f"{side}_lang")) for side in ("source", "target")]
        codes = [source.code_of(name) for name in names]
        for name, code in zip(names, codes, strict=True):
            if code is None:
                others[name] = others.get(name, 0) + 1
        if all(isinstance(text, str) for text in texts) and None not in codes:
            direction = Direction(*map(str, codes))
            rows_of_direction = rows.setdefault(direction, [])
            row_id = str(record.get("row_key") or number)
            hint = (record.get("auxiliary") or None, record.get("auxiliary_lang") or None)
            rows_of_direction.append(Row(row_id, str(texts[0]), str(texts[1]), *hint))
    further = 0
    for number, unit in enumerate(contents.units or ()):
        ids.append(unit.row_id)
        further += sum(source.reads(name) for name, _ in unit.further)
        for code, text in _by_language(source, unit, number, others).items():
            # Units before the first one in a language, and between two in it, have no text in it.
            columns.setdefault(code, []).extend([None] * (number - len(columns[code])))
            columns[code].append(text)
    for column in columns.values():
        column.extend([None] * (len(ids) - len(column)))
    for name, path in contents.other_files.items():
        others[name] = count_lines(path)
    notes = {**contents.notes, OTHERS: others, FURTHER: further}
    notes = {name: value for name, value in notes.items() if value}
    return Texts(_unique(ids), columns, notes), rows, notes


def _by_language(source: Source, unit: Unit, number: int, others: dict[str, int]) -> dict[str, str | None]:
    """Return {code: text} of a unit; names that LMT does not have are counted.

    Raises:
        InputError: a language is there under two names; one of them has to be chosen.
    """
    texts: dict[str, str | None] = {}
    names: dict[str, str] = {}
    for name, text in unit.texts.items():
        code = source.code_of(name)
        if code is None:
            others[name] = others.get(name, 0) + (text is not None)
        elif source.reads(name) and text is not None:
            if code in names:
                raise InputError(
                    f"evaluation set {source.name}: unit {unit.row_id or number + 1} has "
                    f"{language(code).name} as {names[code]} and as {name}, and a reference must "
                    f"be one text; say which with --languages {code}={names[code]} (in YAML "
                    f"languages: {{{code}: {names[code]}}})"
                )
            texts[code], names[code] = text, name
    return texts


def _unique(ids: list[str | None]) -> list[str]:
    """Return the set's own ids where every line has one and no two the same, else numbers from 1."""
    if None not in ids and len(set(ids)) == len(ids):
        return [str(row_id) for row_id in ids]
    return [str(number) for number in range(1, len(ids) + 1)]
