"""Evaluation sets by name or path: where each is, and its texts by language."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.data.corpora.contents import open_source
from hf_lmt.data.corpora.sources import Source, source_from
from hf_lmt.data.corpora.text_files import read_lines
from hf_lmt.language_codes import code_of
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.models.hub_errors import hub_error


class EvaluationSet(NamedTuple):
    """Describe a published set.

    Attributes:
        repository (`str`): Id of the data set on the Hub.
        files (`tuple[str, ...]`): Patterns of its files; where the set changed its format over time, one for each,
            the newest first.
        access (`str`): How to get access, in words.
    """

    repository: str
    files: tuple[str, ...]
    access: str

    def files_in(self, folder: Path) -> list[Path]:
        """List the files that fit the first pattern that any fits.

        Args:
            folder (`Path`): The folder of the set.

        Returns:
            `list[Path]`: Paths in alphabetical order; none where no pattern fits.
        """
        matches = (sorted(folder.glob(pattern)) for pattern in self.files)
        return next(filter(None, matches), [])


EVALUATION_SETS: Mapping[str, EvaluationSet] = {
    "flores-devtest": EvaluationSet(
        "openlanguagedata/flores_plus",
        ("devtest/*.jsonl", "devtest/*.parquet"),
        "accept its terms at https://huggingface.co/datasets/openlanguagedata/flores_plus and log "
        "in with `hf auth login`",
    ),
    "wmt24++": EvaluationSet(
        "google/wmt24pp", ("en-*.jsonl",), "connect to the Hub once, so that it lies in the cache"
    ),
}
"""The sets of arXiv 2511.07003: FLORES-200 devtest, in its maintained form FLORES+ (1,012 lines in
each language), and WMT24++ (998 segments from English into 55 languages and regions)."""

OTHER_NAMES = {"no_NO": "nb_NO"}  # WMT24++: what it calls Norwegian is Bokmål


def read_evaluation_set(evaluation_set: str | Source | Mapping[str, Any]) -> dict[str, list[str]]:
    """Return {language: texts} of an evaluation set, in LMT's languages.

    Languages are named as the set names them (`eng_Latn`, `ar_EG`), which
    `language_codes.code_of` understands. Texts of a language are in the set's order: in a set that
    is whole the i-th texts of all languages say the same. A language of several regions has a list
    for each.

    Args:
        evaluation_set (`str | Source | Mapping[str, Any]`): One of EVALUATION_SETS, which is read from the Hub or
            its cache; or a local copy of one (a folder with the same files); or what `Source` can read, as a path,
            a `Source` or its fields: a FLORES-200 folder is {"path": FOLDER, "split": "devtest"}; or one plain
            text file whose name ends in its language (news.de).

    Returns:
        `dict[str, list[str]]`: {language as the set names it: its texts}.

    Raises:
        InputError: there is no such set or path, or it cannot be read; for a named set the message
            says how to get it.
    """
    if isinstance(evaluation_set, str):
        texts = _from_path(evaluation_set)
    else:
        source = (
            evaluation_set if isinstance(evaluation_set, Source) else source_from(evaluation_set, "evaluation set")
        )
        texts = _from_source(source)
    texts = {
        name: texts_of_language
        for name, texts_of_language in sorted(texts.items())
        if code_of(name) and texts_of_language
    }
    if not texts:
        raise InputError(
            f"evaluation set {evaluation_set!r}: no text in a language of LMT is in it; give one that has some"
        )
    return texts


def _from_path(name_or_path: str) -> dict[str, list[str]]:
    if name_or_path in EVALUATION_SETS:
        return _from_folder(_fetched(name_or_path))
    path = Path(name_or_path).expanduser()
    if not path.exists() and not list(path.parent.glob(f"{path.name}.*")):
        raise InputError(
            f"evaluation set {name_or_path!r}: there is no such file or folder, and it is no known set; "
            f"{did_you_mean(name_or_path, EVALUATION_SETS)}"
        )
    # A copy of a known set is told by its files, whatever its folder is called.
    if path.is_dir() and any(known_set.files_in(path) for known_set in EVALUATION_SETS.values()):
        return _from_folder(path)
    language = path.name.removesuffix(".gz").rpartition(".")[2]
    if path.is_file() and "." in path.name and code_of(language):
        return {language: list(read_lines(path))}
    return _from_source(Source(name_or_path))


def _fetched(name: str) -> Path:
    """Fetch the folder of a known set in the Hub's cache."""
    from huggingface_hub import snapshot_download

    known_set = EVALUATION_SETS[name]
    try:
        folder = Path(snapshot_download(known_set.repository, repo_type="dataset", allow_patterns=[*known_set.files]))
    except Exception as error:
        raise InputError(f"{hub_error('evaluation set', known_set.repository, error)}. {_advice(name)}") from error
    if not known_set.files_in(folder):
        raise InputError(
            f"evaluation set {known_set.repository!r}: the copy in the cache has no "
            f"{' or '.join(known_set.files)}. {_advice(name)}"
        )
    return folder


def _advice(name: str) -> str:
    return (
        f"To look for overlap with {name}: {EVALUATION_SETS[name].access}; or give the path of a "
        "local copy in place of the name; or look for none, which is recorded as "
        '"not checked": --contamination-sets none, in a recipe '
        "curation: {contamination: {sets: none}}"
    )


def _from_folder(folder: Path) -> dict[str, list[str]]:
    """Read a copy of a known set: FLORES+ has a file per language, WMT24++ one per pair."""
    flores, wmt = (known_set.files_in(folder) for known_set in EVALUATION_SETS.values())
    if flores:
        return {path.stem: list(flores_plus_texts(path).values()) for path in flores if code_of(path.stem)}
    texts: dict[str, list[str]] = {}
    for path in wmt:
        source, _, target = path.stem.partition("-")
        pairs = list(_pairs(path))
        texts.setdefault(source, [source_text for source_text, _ in pairs])  # the same in each file
        texts[OTHER_NAMES.get(target, target)] = [target_text for _, target_text in pairs]
    return texts


def flores_plus_texts(path: Path) -> dict[str, str]:
    """Read the texts of a language in FLORES+: JSONL, or Parquet as in its releases before 2025.

    Args:
        path (`Path`): The file.

    Returns:
        `dict[str, str]`: {id: text}.

    Raises:
        InputError: the file cannot be read, or has no columns `id` and `text`.
    """
    if path.suffix == ".parquet":
        return _parquet_texts(path)
    texts: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = json.loads(line)
            texts[str(row["id"])] = str(row["text"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: no JSON object with id and text ({error}); fetch the set again"
            ) from error
    return texts


def _parquet_texts(path: Path) -> dict[str, str]:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path, columns=["id", "text"])
    except (OSError, pyarrow.ArrowException, KeyError) as error:
        raise InputError(f"{path}: no Parquet file with columns id and text ({error}); fetch the set again") from error
    ids, texts = table["id"].to_pylist(), table["text"].to_pylist()
    return {str(row_id): text for row_id, text in zip(ids, texts, strict=True)}


def _pairs(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            row = json.loads(line)
            yield str(row["source"]), str(row["target"])
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}:{number}: no JSON object with source and target ({error}); fetch the set again"
            ) from error


def _from_source(source: Source) -> dict[str, list[str]]:
    """Return {language: texts}, under the set's names where `code_of` knows them."""
    contents = open_source(source)
    texts: dict[str, list[str]] = {}

    def add(name: str, text: str | None) -> None:
        code = source.code_of(name)
        if text is not None and code is not None:
            # The set's name for a language tells its regions apart, which have a list of texts each.
            texts.setdefault(name if code_of(name) == code else code, []).append(text)

    for unit in contents.units or ():
        for name, text in (*unit.texts.items(), *unit.further):
            add(name, text)
    for _, record in contents.records or ():
        for side in ("source", "target"):
            add(str(record.get(f"{side}_lang")), record.get(side))
    return texts
