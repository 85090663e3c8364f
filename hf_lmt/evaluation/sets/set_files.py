"""The files of published evaluation sets, as their makers lay them out, to texts side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.data.corpora.text_files import aligned_lines, files_of_flores, files_with_prefix, read_lines
from hf_lmt.data.curation.evaluation_sets import EVALUATION_SETS, OTHER_NAMES, flores_plus_texts
from hf_lmt.language_codes import code_of
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

NTREX_FILES = ("newstest2019-src.{}.txt", "newstest2019-ref.{}.txt")
MONGOLIAN = ("*.{}.mvf", "*.{}.mn_cn")  # in NiuTrans/LMT: data/flores_mvf, once flores_mn_cn
VARIETIES = {"ar": "ar_EG", "fr": "fr_FR", "pt": "pt_BR", "sw": "sw_KE"}
"""WMT24++ has each of these twice; which one is judged by is our choice."""

Column = list[str | None]


class Texts(NamedTuple):
    """Hold U sentences in several languages.

    Attributes:
        ids (`list[str]`): (U,) ids of the sentences.
        columns (`dict[str, Column]`): {code: (U,) texts}.
        notes (`dict[str, Any]`): Counts of what was left out.
    """

    ids: list[str]
    columns: dict[str, Column]
    notes: dict[str, Any]


class Copy(NamedTuple):
    """Describe a local copy of a set.

    Attributes:
        name (`str`): Its name among the published ones.
        folder (`Path`): The folder that it lies in.
        split (`str`, *optional*): Its split, if the set has several.
    """

    name: str
    folder: Path
    split: str | None = None


def recognized(folder: Path, split: str | None) -> Copy | None:
    """Recognize the published set that lies in a folder, by the names of its files.

    Args:
        folder (`Path`): The folder.
        split (`str | None`): "dev" or "devtest", for a folder that has both.

    Returns:
        `Copy | None`: The set, and where it lies; None for any other.

    Raises:
        InputError: the folder has both splits, and none is chosen.
    """
    english = LANGUAGES["en"].flores200
    for name in [split] if split else ["devtest", "dev"]:
        if any((folder / name / f"{english}{end}").is_file() for end in (".jsonl", ".parquet")):
            return Copy(f"flores-{name}", folder, name)
        if any((folder / part / f"{english}.{name}").is_file() for part in (".", name)):
            others = {"dev", "devtest"} - {name}
            if split is None and any((folder / f"{english}.{suffix}").is_file() for suffix in others):
                raise InputError(f"{folder} has dev and devtest; choose one with --split")
            return Copy(f"flores-{name}", folder, name)
        if (mongolian := mongolian_file(folder, name)) and len(_beside(mongolian)) > 1:
            if split is None and mongolian_file(folder, "dev" if name == "devtest" else "devtest"):
                raise InputError(f"{folder} has dev and devtest; choose one with --split")
            return Copy("flores-mvf", folder, name)
    source = NTREX_FILES[0].format(LANGUAGES["en"].ntrex)
    if any(folder.rglob(source)):
        return Copy("ntrex-128", folder)
    if EVALUATION_SETS["wmt24++"].files_in(folder):
        return Copy("wmt24++", folder)
    return None


def read_copy(copy: Copy) -> Texts:
    """Read the texts of a set in its folder.

    Args:
        copy (`Copy`): The set and its folder, as `recognized` finds them.

    Returns:
        `Texts`: The texts by language, side by side.

    Raises:
        InputError: files that cannot be read or do not fit together.
    """
    if copy.name == "ntrex-128":
        return _of_lines(_ntrex_files(copy.folder))
    if copy.name == "wmt24++":
        return _wmt24(copy.folder)
    split = copy.split or "devtest"
    mongolian = mongolian_file(copy.folder, split)
    if mongolian and copy.name == "flores-mvf":
        return _of_lines(_beside(mongolian))
    files = [*copy.folder.glob(f"{split}/*.jsonl")]
    files = files or [*copy.folder.glob(f"{split}/*.parquet")]
    texts = _flores_plus(files) if files else _of_lines(files_of_flores(copy.folder, split).files)
    return _with_mongolian(texts, mongolian) if mongolian else texts


def mongolian_file(folder: Path, split: str) -> Path | None:
    """Find FLORES-mvf's file of a split, anywhere in the folder.

    Args:
        folder (`Path`): The folder.
        split (`str`): "dev" or "devtest".

    Returns:
        `Path | None`: The path; None where there is none.
    """
    matches = (path for name in MONGOLIAN for path in sorted(folder.rglob(name.format(split))))
    return next(matches, None)


def _beside(mongolian: Path) -> dict[str, Path]:
    """List the file, and those of other languages beside it: flores.devtest.en, flores.devtest.zh."""
    files = files_with_prefix(mongolian.with_suffix("")).files
    return {**{code: files[code] for code in sorted(files)}, "mvf": mongolian}


def _with_mongolian(texts: Texts, path: Path) -> Texts:
    """FLORES with FLORES-mvf's lines beside it."""
    lines: Column = list(read_lines(path))
    if len(lines) != len(texts.ids):
        raise InputError(
            f"{path} has {len(lines):,} lines, and FLORES {len(texts.ids):,} in this "
            "split; give the file of the same split"
        )
    return Texts(texts.ids, {**texts.columns, "mvf": lines}, texts.notes)


def _of_lines(files: Mapping[str, Path]) -> Texts:
    columns: dict[str, Column] = {code: [] for code in files}
    for texts in aligned_lines(files):
        for code, text in texts.items():
            columns[code].append(text)
    count = len(next(iter(columns.values())))
    return Texts([str(number) for number in range(1, count + 1)], columns, {})


def _ntrex_files(folder: Path) -> dict[str, Path]:
    file_by_name = {path.name: path for path in sorted(folder.rglob("newstest2019-*.txt"))}
    return {
        code: file_by_name[pattern.format(language.ntrex)]
        for code, language in LANGUAGES.items()
        for pattern in NTREX_FILES
        if language.ntrex and pattern.format(language.ntrex) in file_by_name
    }


def _flores_plus(files: list[Path]) -> Texts:
    """FLORES+: a file for each language, with `id` and `text`."""
    paths = {path.stem: path for path in files}
    rows: dict[str, dict[str, str]] = {}
    for code, language in LANGUAGES.items():
        path = paths.get(language.flores_plus or "") or paths.get(language.flores200 or "")
        if path:
            rows[code] = flores_plus_texts(path)
    ids = list(next(iter(rows.values()), {}))
    return Texts(ids, {code: [text_by_id.get(row_id) for row_id in ids] for code, text_by_id in rows.items()}, {})


def _wmt24(folder: Path) -> Texts:
    """WMT24++: a file for each variety, with the same English in all of them.

    Segments that its makers mark as bad sources are left out, as they recommend, and counted.
    """
    columns: dict[str, dict[str, str]] = {}
    english: dict[str, str] = {}
    bad: set[str] = set()
    for path in EVALUATION_SETS["wmt24++"].files_in(folder):
        variety = path.stem.partition("-")[2]
        code = code_of(OTHER_NAMES.get(variety, variety))
        if code is None or VARIETIES.get(code, variety) != variety:
            continue
        for segment, row in _segments(path):
            if row.get("is_bad_source"):
                bad.add(segment)
                continue
            english[segment] = row["source"]
            columns.setdefault(code, {})[segment] = row["target"]
    ids = list(english)
    texts: dict[str, Column] = {"en": [*english.values()]}
    texts |= {code: [text_by_id.get(row_id) for row_id in ids] for code, text_by_id in columns.items()}
    return Texts(ids, texts, {"left_out_as_bad_sources": len(bad)})


def _segments(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = json.loads(line)
            if not isinstance(row["source"], str) or not isinstance(row["target"], str):
                raise TypeError("they are no texts")
            yield str(row.get("segment_id", number)), row
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: no JSON object with source and target ({error}); fetch the set again"
            ) from error
