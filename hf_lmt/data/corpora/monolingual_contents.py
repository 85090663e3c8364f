"""The kind of a source of texts, and its texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from hf_lmt.data.corpora.contents import HEAD, open_records, state_of_files
from hf_lmt.data.corpora.shapes import IDENTIFIER, Record, text_columns
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.corpora.text_files import LanguageFiles, files_of_flores, files_with_prefix, read_lines
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.source import file_format_of

KINDS = {
    "text": "plain text, one a line: a file, or files named after their languages",
    "documents": "a column text, and a column lang unless language is given",
    "table": "one column per language",
}
ROW_KEY_COLUMNS = ("row_key", "row_id", IDENTIFIER)


class Text(NamedTuple):
    """Hold a text in one language.

    Attributes:
        language (`str`): The language, as the source names it.
        text (`str | None`): The text; None where the record has none.
        row_key (`str`, *optional*): Id of the text in the source.
        corpus (`str`, *optional*): Name of its corpus, where the record has it.
    """

    language: str
    text: str | None
    row_key: str | None = None
    corpus: str | None = None


class Texts(NamedTuple):
    """Hold the texts of a source.

    Attributes:
        kind (`str`): One of KINDS, or "records" where it was detected.
        state (`list[str]`): What tells this content from another.
        texts (`Iterator[Text]`): The texts, read when they are iterated over.
    """

    kind: str
    state: list[str]
    texts: Iterator[Text]


def open_texts(source: Source, kind: str | None, language: str | None) -> Texts:
    """Detect the kind of the source, and open it.

    Args:
        source (`Source`): The source; its `path` may be a file, a folder or a Hub id.
        kind (`str | None`): One of KINDS; None to detect it.
        language (`str | None`): Code of the language that all texts are in; None where file names or records say
            it.

    Returns:
        `Texts`: The texts with their languages, read as they are asked for, and the state of what they are read
        from.

    Raises:
        InputError: The kind cannot be detected, it is not what `kind` says, or it does not say which
            language its texts are in.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"{source.name}: kind {kind!r}; {did_you_mean(kind, KINDS)}")
    path = Path(str(source.path)).expanduser()
    if kind == "text" or (kind is None and _is_plain(path, source)):
        files = _text_files(path, source, language)
        return Texts("text", [*files, *state_of_files(files.values())], _line_texts(files))
    state, records = open_records(source)
    # The kind is read from the first records, which go back before the others: a stream cannot be read twice.
    head = list(islice(records, HEAD))
    read = _reader([record for _, record in head], source, kind, language)
    texts = chain.from_iterable(read(*location_and_record) for location_and_record in chain(head, records))
    return Texts(kind or "records", state, texts)


def _is_plain(path: Path, source: Source) -> bool:
    if path.is_file() or path.name.endswith((".txt", ".txt.gz")):
        return file_format_of(path) is None
    if path.is_dir():
        names = [file.name for file in [*path.glob("*.*"), *path.glob("*/*.dev*")]]
        # The dev split of FLORES names its files after languages, without .txt.
        return any(name.removesuffix(".gz").endswith(".txt") for name in names) or any(
            ".dev" in name and source.code_of(name.partition(".")[0]) for name in names
        )
    return bool(files_with_prefix(path, source).files)


def _text_files(path: Path, source: Source, language: str | None) -> dict[str, Path]:
    """Return {language as the name has it: file}, of the asked language only."""
    if path.is_file():
        return {language or _language_of_name(path, source): path}
    if path.is_dir():
        files = _files_of_folder(path, source) or _with_others(files_of_flores(path, source.split, source))
    else:
        files = _with_others(files_with_prefix(path, source))
    if not files:
        raise InputError(f"{path}: no such file or folder, and no files named {path.name}.LANGUAGE")
    if language is None:
        return files
    asked = {name: file for name, file in files.items() if source.code_of(name) == language}
    if not asked:
        raise InputError(f"{path}: has no file in {language}; there are: {', '.join(files)}")
    return asked


def _with_others(language_files: LanguageFiles) -> dict[str, Path]:
    """Add the files of languages that LMT does not have, whose texts are counted."""
    return {**language_files.files, **language_files.others} if language_files.files else {}


def _language_of_name(path: Path, source: Source) -> str:
    """Return the part of a name that is a language: "ky" of ky.txt, news.ky, or either with .gz."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    for part in (name, name.rpartition(".")[2]):
        if source.code_of(part):
            return part
    raise InputError(
        f"{path}: does not say which language it is in: give language, or call it LANGUAGE.txt "
        "with a code of `hf-lmt languages`"
    )


def _files_of_folder(folder: Path, source: Source) -> dict[str, Path]:
    """Return {LANGUAGE: file} of the files named LANGUAGE.txt or LANGUAGE.txt.gz."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        if path.is_file() and name.endswith(".txt"):
            language = name.removesuffix(".txt")
            files[language] = _only(path, language, files, source)
    return files


def _only(path: Path, name: str, files: Mapping[str, Path], source: Source) -> Path:
    """Return the path, unless there is another file in its language."""
    for other, file in files.items():
        code = source.code_of(name)
        if other == name or (code and source.code_of(other) == code):
            raise InputError(f"{file} and {path} are both {name}; remove or rename one of them")
    return path


def _line_texts(files: Mapping[str, Path]) -> Iterator[Text]:
    for name, path in files.items():
        for line in read_lines(path):
            yield Text(name, line)


def _reader(
    head: list[Record], source: Source, kind: str | None, language: str | None
) -> Callable[[str, Record], Iterator[Text]]:
    """Return the function that makes texts of a record and its position."""
    columns = sorted({column for record in head for column in record})
    if kind == "documents" or (kind is None and "text" in columns):
        if "text" not in columns:
            raise _no_texts(source, columns)
        if "lang" not in columns and language is None:
            raise InputError(
                f"{source.name}: has a column text and no column lang; give language, the code of "
                "the language that the texts are in, or add the column"
            )
        return lambda location, record: _document(location, record, language)
    codes = _codes(head, source, language)
    if not codes:
        raise _no_texts(source, columns)
    return lambda location, record: _table_texts(location, record, codes)


def _codes(head: list[Record], source: Source, language: str | None) -> dict[str, str]:
    """Return {column: language} of a table: the asked one, or all that are there, LMT's or not."""
    # For one language the source is read as if it asked for that language
    # alone, so that no other column is checked.
    source_of_language = replace(source, languages=[language] if language else [])
    columns = text_columns(head, source_of_language)
    others = () if language or not columns.texts else columns.others
    return {**columns.texts, **{name: name for name in others}}


def _no_texts(source: Source, columns: list[str]) -> InputError:
    known = "; ".join(f"{kind}: {description}" for kind, description in KINDS.items())
    near = did_you_mean("text", columns) if columns else "known: (none)"
    return InputError(
        f"{source.name}: no column text, and none named after a language that is asked for "
        f"({near}); kinds of sources: {known}"
    )


def _document(location: str, record: Record, language: str | None) -> Iterator[Text]:
    name = record.get("lang") if "lang" in record else language
    yield Text(str(name), _text(location, record, "text"), _row_key(record), _corpus(record))


def _table_texts(location: str, record: Record, codes: Mapping[str, str]) -> Iterator[Text]:
    key = _row_key({name: value for name, value in record.items() if name not in codes})
    for column, code in codes.items():
        yield Text(code, _text(location, record, column), key, _corpus(record))


def _text(location: str, record: Record, column: str) -> str | None:
    text = record.get(column)
    if text is not None and not isinstance(text, str):
        raise InputError(f"{location}: {column} is {text!r:.60}, and must be text")
    return text


def _row_key(record: Record) -> str | None:
    keys = (record[name] for name in ROW_KEY_COLUMNS if record.get(name) not in (None, ""))
    return next(map(str, keys), None)


def _corpus(record: Record) -> str | None:
    corpus = record.get("corpus")
    return corpus if isinstance(corpus, str) and corpus else None
