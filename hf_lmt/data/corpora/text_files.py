"""Plain text, line by line: files side by side, FLORES folders, and lines with tabs.

A line ends at a line feed, with or without a carriage return before it; other line separators of
Unicode belong to the text. A byte order mark at the start of a file is not text.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from hf_lmt.data.corpora.sources import Source
from hf_lmt.language_codes import code_of, is_language_name
from hf_miwv.common.errors import InputError, did_you_mean

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unzipped where it ends in .gz.

    Args:
        path (`Path`): The file.

    Yields:
        `IO[bytes]`: The open file; it is closed afterwards.

    Raises:
        InputError: it cannot be read, or is a damaged gzip file.
    """
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as file:
            yield file
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: damaged gzip file ({error}); make or fetch it again") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a UTF-8 text file, without their ends.

    Args:
        path (`Path`): The file.

    Yields:
        `str`: The next line.

    Raises:
        InputError: The file cannot be read, is empty, or is not UTF-8 (line named).
    """
    number = 0
    with open_bytes(path) as file:
        # Read as bytes and split at line feeds: text mode would also split
        # at separators that belong to a sentence.
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(BYTE_ORDER_MARK)
            try:
                yield line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}:{number}: not UTF-8 (byte 0x{line[error.start]:02x}); save the whole file as UTF-8"
                ) from error
    if not number:
        raise InputError(f"{path}: the file is empty; give one with at least one line")


def lines_from(path: Path, first_byte: int, last_byte: int) -> Iterator[str]:
    """Yield the lines that begin in a range of bytes of a UTF-8 text file, without their ends.

    Ranges that follow one another give each line once, wherever they cut.

    Args:
        path (`Path`): The file, not zipped.
        first_byte (`int`): Where the range begins.
        last_byte (`int`): Where it ends, exclusive.

    Yields:
        `str`: The lines.

    Raises:
        InputError: The file cannot be read or is not UTF-8; the line is named by its byte.
    """
    with open_bytes(path) as file:
        # A line that begins at the very first byte of the range is ours: so look at the byte before it.
        if first_byte:
            file.seek(first_byte - 1)
            file.readline()
        position = file.tell()
        while position < last_byte and (line := file.readline()):
            text = line if position else line.removeprefix(BYTE_ORDER_MARK)
            try:
                yield text.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{path}: the line at byte {position:,} is not UTF-8 (byte 0x{text[error.start]:02x}); "
                    "save the whole file as UTF-8"
                ) from error
            position += len(line)


def aligned_lines(files: Mapping[str, Path]) -> Iterator[dict[str, str]]:
    """Yield {language: text} for each line of files that are translations of one another.

    Args:
        files (`Mapping[str, Path]`): {language: file}.

    Yields:
        `dict[str, str]`: The next line of each.

    Raises:
        InputError: Before the first line, where the numbers of lines differ (both named).
    """
    # The files are read twice, because a shift would pair every sentence behind it with a wrong one.
    counts = {path: count_lines(path) for path in files.values()}
    first, *others = counts
    for path in others:
        if counts[path] != counts[first]:
            raise InputError(
                f"{first} and {path} are misaligned: they have {counts[first]:,} and "
                f"{counts[path]:,} lines; line n of one must translate line n of the other"
            )
    for texts in zip(*(read_lines(path) for path in files.values()), strict=True):
        yield dict(zip(files, texts, strict=True))


def separated_lines(path: Path) -> Iterator[list[str]]:
    """Yield the cells of each line of a TSV file; quotation marks are text.

    Args:
        path (`Path`): The file.

    Yields:
        `list[str]`: The cells of the next line.

    Raises:
        InputError: A line has another number of cells than the first.
    """
    width = None
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split("\t")
        width = width or len(cells)
        if len(cells) != width:
            raise InputError(
                f"{path}:{number}: has {len(cells)} cells, and the first line has {width}; "
                "put one tab between texts, and none inside"
            )
        yield cells


class LanguageFiles(NamedTuple):
    """Files side by side.

    Attributes:
        files (`dict[str, Path]`): {code: file}.
        others (`dict[str, Path]`): {name: file} of languages that LMT does not have.
    """

    files: dict[str, Path]
    others: dict[str, Path]


def files_with_prefix(prefix: Path, source: Source | None = None) -> LanguageFiles:
    """List the files named PREFIX.LANGUAGE or PREFIX.LANGUAGE.gz.

    Args:
        prefix (`Path`): Folder, and how the names begin.
        source (`Source`, *optional*): Says what names mean that LMT does not know, and which of two names
            is read.

    Returns:
        `LanguageFiles`: The files by language.

    Raises:
        InputError: Two files are in one language.
    """
    named = []
    for path in sorted(prefix.parent.glob("*")) if prefix.parent.is_dir() else []:
        if path.name.startswith(f"{prefix.name}.") and path.is_file():
            named.append((path.name.removeprefix(f"{prefix.name}.").removesuffix(".gz"), path))
    return _by_language(named, source)


def files_of_flores(folder: Path, split: str | None, source: Source | None = None) -> LanguageFiles:
    """List the files of a FLORES folder: LANGUAGE.SPLIT in it or in the folders in it.

    Args:
        folder (`Path`): The folder.
        split (`str | None`): The split; None where there is but one.
        source (`Source`, *optional*): As in `files_with_prefix`.

    Returns:
        `LanguageFiles`: The files by language.

    Raises:
        InputError: A split that does not exist, or none where there are several; two files are
            in one language.
    """
    paths = [path for path in [*folder.glob("*.*"), *folder.glob("*/*.*")] if path.is_file()]
    parts = [(*path.name.partition(".")[::2], path) for path in sorted(paths)]
    splits = sorted({ending for name, ending, _ in parts if _code(name, source) is not None})
    if not splits:
        raise InputError(f"{folder}: has no files named LANGUAGE.SPLIT, as in eng_Latn.dev")
    if split is None and len(splits) > 1:
        raise InputError(f"{folder}: has the splits {', '.join(splits)}; choose one with split")
    if split is not None and split not in splits:
        raise InputError(f"{folder}: has no split {split!r}; {did_you_mean(split, splits)}")
    wanted = split or splits[0]
    return _by_language([(name, path) for name, ending, path in parts if ending == wanted], source)


def count_lines(path: Path) -> int:
    """Count the lines of a file.

    Args:
        path (`Path`): The file, unzipped where it ends in .gz.

    Returns:
        `int`: The number of line feeds, and one more for a last line without.

    Raises:
        InputError: it cannot be read.
    """
    with open_bytes(path) as file:
        return sum(1 for _ in file)


def _code(name: str, source: Source | None) -> str | None:
    return code_of(name) if source is None else source.code_of(name)


def _by_language(named: Iterable[tuple[str, Path]], source: Source | None) -> LanguageFiles:
    """Turn names as the files have them to codes; names that are no language's are passed over."""
    language_files = LanguageFiles({}, {})
    names: dict[str, str] = {}
    for name, path in named:
        code = _code(name, source)
        if code is None:
            if is_language_name(name):
                language_files.others[name] = path
            continue
        if source is not None and not source.is_chosen(name):
            continue
        if code in language_files.files:
            raise InputError(
                f"{language_files.files[code]} and {path} are both {code}; remove or rename one of them, or "
                f"say which to read with --languages {code}={names[code]} "
                f"(languages: {{{code}: {names[code]}}})"
            )
        language_files.files[code], names[code] = path, name
    return language_files
