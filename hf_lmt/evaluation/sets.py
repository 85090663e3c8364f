"""Evaluation sets: by name from the Hub, or anything local; their lines in a direction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_lmt.data.contents import Contents, open_source
from hf_lmt.data.curation.evaluation_sets import EVALUATION_SETS
from hf_lmt.data.language_codes import code_of
from hf_lmt.data.sources import Source
from hf_lmt.directions import Direction
from hf_lmt.errors import InputError, did_you_mean
from hf_lmt.evaluation.lines import EvaluationSet, Row, fingerprint
from hf_lmt.evaluation.set_files import Copy, Texts, mongolian_file, read_copy, recognised
from hf_miwv.hub_errors import hub_error

if TYPE_CHECKING:
    from hf_lmt.evaluation.folder import Evaluation


class NamedSet(NamedTuple):
    """A published set: what it is called, its data set on the Hub, its files, how to get access.

    files: patterns; none for a data set that is a table with a column for each language.
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
        "FLORES-200 devtest (as FLORES+)", _FLORES.repository, _FLORES.files, _FLORES.access,
        "devtest",
    ),
    "flores-dev": NamedSet(
        "FLORES-200 dev (as FLORES+)", _FLORES.repository, ("dev/*.jsonl", "dev/*.parquet"),
        _FLORES.access, "dev",
    ),
    "wmt24++": NamedSet("WMT24++", _WMT24.repository, _WMT24.files, _WMT24.access),
    "ntrex-128": NamedSet("NTREX-128", "mteb/NTREX", (), _WMT24.access, "test"),
    "flores-mvf": NamedSet(
        "FLORES-mvf, Inner Mongolian beside English and Chinese", "NiuTrans/FLORES-mvf",
        ("*devtest*",), _WMT24.access, "devtest",
    ),
}  # fmt: skip


def open_set(
    given: str | Source, split: str | None = None, limit: int | None = None, seed: int = 0
) -> EvaluationSet:
    """An evaluation set.

    Args:
        given: one of NAMED_SETS, read from the Hub or its cache; a folder with a copy of one, as
            FLORES-200's archive, FLORES+, NTREX-128's or WMT24++'s repository lie; or what
            `Source` reads: a multi-way table, rows, pairs, plain text files side by side.
        split: of a folder or a Hub data set that has several.
        limit, seed: see `EvaluationSet`.

    Raises:
        InputError: no such set or path, no access (the message says how to get it), or nothing in
            it that can be read; a limit below 1.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit {limit}: give 1 line or more")
    source = given if isinstance(given, Source) else Source(given, split=split)
    opened = _open(source)
    return replace(opened, limit=limit, seed=seed)


def set_of(evaluation: Evaluation) -> EvaluationSet:
    """The set that an evaluation was made with, opened again, with the same lines.

    Raises:
        InputError: as `open_set`; or it has other texts than it had then.
    """
    data = evaluation.run["data"]
    found = open_set(data["given"], data["split"], data["limit"], data["seed"])
    if fingerprint(found, evaluation.directions) != data["fingerprint"]:
        raise InputError(f"evaluation set {data['given']!r} has changed since {evaluation.name} "
                         "was made; give the set as it was, or evaluate again")  # fmt: skip
    return found


def _open(source: Source) -> EvaluationSet:
    name = source.name
    if isinstance(source.path, str) and name in NAMED_SETS and not Path(name).exists():
        one = NAMED_SETS[name]
        if source.split not in (None, one.split):
            raise InputError(f"evaluation set {name} has no split {source.split!r} to choose; "
                             f"leave it out (sets: {', '.join(NAMED_SETS)})")  # fmt: skip
        texts = _fetched(name)
        return EvaluationSet(name, one.title, name, one.split, texts, notes=texts.notes)
    path = Path(name).expanduser()
    copy = recognised(path, source.split) if path.is_dir() and source.kind is None else None
    if copy:
        texts = read_copy(copy)
        title = NAMED_SETS[copy.name].title
        split = copy.split or source.split
        return EvaluationSet(copy.name, title, name, split, texts, notes=texts.notes)
    _check_there(source)
    texts, rows, notes = _of_source(source, open_source(source))
    if not rows and len(texts.columns) < 2:
        raise InputError(f"evaluation set {name}: holds no sentence in two languages of LMT")
    own = source.corpus_name
    return EvaluationSet(own, own, name, source.split, texts, rows, notes)


def _check_there(source: Source) -> None:
    path = Path(source.name).expanduser()
    local = path.exists() or any(path.parent.glob(f"{path.name}.*"))
    if isinstance(source.path, str) and not local and source.path.count("/") != 1:
        raise InputError(
            f"evaluation set {source.path!r}: there is no such file or folder, and it is no known "
            f"set; {did_you_mean(source.path, NAMED_SETS)}"
        )


def _fetched(name: str) -> Texts:
    """A named set from the Hub, or its cache."""
    from huggingface_hub import snapshot_download

    one = NAMED_SETS[name]
    if not one.files:
        source = Source(one.repository, split=one.split)
        return _of_source(source, open_source(source))[0]
    try:
        folder = Path(snapshot_download(one.repository, repo_type="dataset",
                                        allow_patterns=[*one.files]))  # fmt: skip
    except Exception as error:
        raise InputError(
            f"{hub_error('evaluation set', one.repository, error)}. To evaluate on {one.title}: "
            f"{one.access}; or give the path of a local copy in place of the name"
        ) from error
    if not any(found for pattern in one.files for found in folder.glob(f"**/{pattern}")):
        raise InputError(f"{one.repository}: has no file {' or '.join(one.files)}; it may have "
                         "changed. Give the path of a local copy")  # fmt: skip
    if name == "flores-mvf" and mongolian_file(folder, "devtest") is None:
        raise InputError(f"{one.repository}: has no file *.devtest.mvf; give the folder "
                         "data/flores_mvf of the repository NiuTrans/LMT")  # fmt: skip
    return read_copy(Copy(name, folder, one.split))


def _of_source(
    source: Source, contents: Contents
) -> tuple[Texts, dict[Direction, list[Row]], dict[str, Any]]:
    """Sentences side by side, or rows by direction; NFC is left to whom it matters."""
    rows: dict[Direction, list[Row]] = {}
    ids: list[str | None] = []
    columns: dict[str, list[str | None]] = {}
    others: dict[str, int] = {}
    for number, (_, record) in enumerate(contents.records or (), 1):
        texts = [record.get(side) for side in ("source", "target")]
        codes = [str(record.get(f"{side}_lang")) for side in ("source", "target")]
        if all(isinstance(text, str) for text in texts):
            direction = Direction(*codes)
            own = rows.setdefault(direction, [])
            row_id = str(record.get("row_key") or number)
            hint = (record.get("auxiliary") or None, record.get("auxiliary_lang") or None)
            own.append(Row(row_id, str(texts[0]), str(texts[1]), *hint))
    for number, unit in enumerate(contents.units or ()):
        ids.append(unit.row_id)
        for name, text in unit.texts.items():
            code = code_of(name)
            if code is None:
                others[name] = others.get(name, 0) + 1
            elif not source.languages or code in source.languages:
                columns.setdefault(code, []).extend([None] * (number - len(columns[code])))
                columns[code].append(text)
    for column in columns.values():
        column.extend([None] * (len(ids) - len(column)))
    notes = {"texts_in_other_languages": others} if others else {}
    return Texts(_unique(ids), columns, notes), rows, notes


def _unique(ids: list[str | None]) -> list[str]:
    """The set's own ids where every line has one and no two the same, else numbers from 1."""
    if None not in ids and len(set(ids)) == len(ids):
        return [str(one) for one in ids]
    return [str(number) for number in range(1, len(ids) + 1)]
