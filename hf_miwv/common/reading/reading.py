"""DATA, as written on the command line, to a `datasets.Dataset` with all columns and rows.

DATA is a file, a folder, or the id of a data set on the Hub. What is here comes before the Hub.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.csv_files import csv_options
from hf_miwv.common.reading.diagnosis import check_repository, diagnose_file, diagnose_hub, reason
from hf_miwv.common.reading.json_files import tell_layout
from hf_miwv.common.reading.source import FILE_FORMATS, Source, file_format_of

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

Splits = TypeVar("Splits")  # of rows by name, on disk or as streams

ARROW_FOLDER_FILES = ("state.json", "dataset_dict.json")  # written by save_to_disk


def read_dataset(source: Source | str | os.PathLike[str]) -> Dataset:
    """Read the rows of a file, a folder or a Hub data set, in their order, with all columns.

    Files: JSON, JSON Lines, CSV and TSV, each also gzipped, Parquet and Arrow. Folders: what
    `save_to_disk` wrote, or what `datasets.load_dataset` opens. JSON values arrive as they stand in
    the file, also where their types differ from row to row inside a column; columns that a row
    lacks are null. CSV cells are always strings, and empty ones "".

    Args:
        source (`Source | str | PathLike`): The source, or its path or id on the Hub.

    Returns:
        `Dataset`: The rows.

    Raises:
        InputError: everything that cannot be read, with file and line where there are any.
    """
    source = Source.parse(source)
    if not source.id:
        raise InputError("no data set given; give a file, a folder, or a Hub data set (OWNER/NAME)")
    splits = read_splits(source, _read_file, _read_folder, _load)
    if source.split is None:
        dataset = splits[default_split(splits, source.id)]
    else:
        dataset = take_slice(splits, source.id, source.split)
    if len(dataset) == 0:
        description = f"no rows in split {source.split!r}" if source.split else "no rows"
        raise InputError(f"{source}: holds {description}; give a data set with at least one")
    return dataset


def read_splits(
    source: Source,
    read_file: Callable[[Path, str | None], Splits],
    read_folder: Callable[[Path, Source], Splits],
    load: Callable[..., Splits],
) -> Splits:
    """Read all splits of a source: a file or a folder that is here, or a data set on the Hub.

    Args:
        source (`Source`): The source.
        read_file (`Callable[[Path, str | None], Splits]`): Reads a file, and of JSON the rows under a key.
        read_folder (`Callable[[Path, Source], Splits]`): Reads a folder, with the options of the source.
        load (`Callable[..., Splits]`): Reads a data set of the Hub by its id, `name`, `revision` and `field`.

    Returns:
        `Splits`: What they return.

    Raises:
        InputError: no such file or folder, a revision for one, a configuration for a file, an id that is the name of
            a file format, or a data set that the Hub does not give.
    """
    path = source.path
    if not source.is_local:
        if source.id in {*FILE_FORMATS.values(), "text"}:  # of which the library would read what lies here
            raise InputError(f"{source.id!r} is a file format; give a file, a folder, or OWNER/NAME")
        try:
            return load(source.id, name=source.config, revision=source.revision, field=source.field)
        except InputError:
            raise
        except Exception as error:  # the library raises many kinds
            diagnose_hub(source, error)
    if not path.exists():
        raise InputError(_missing_message(path))
    if source.revision is not None:
        raise InputError(f"--revision {source.revision}: is for Hub data sets, and {path} is here; omit it")
    if path.is_dir():
        return read_folder(path, source)
    if source.config is not None:
        raise InputError(f"--config {source.config}: is for Hub data sets and folders; omit it for {path}")
    return read_file(path, source.field)


def _missing_message(path: Path) -> str:
    siblings = [child.name for child in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, siblings)
    hint = did_you_mean(path.name, near) if near else "a Hub data set is written OWNER/NAME"
    return f"{path}: no such file or folder; {hint}"


def check_file(path: Path, field: str | None = None) -> str:
    """Choose the library's builder for a file.

    Args:
        path (`Path`): A file that exists.
        field (`str`, *optional*): Key under which the rows of a JSON document lie.

    Returns:
        `str`: "json", "csv", "parquet" or "arrow".

    Raises:
        InputError: an ending that is not known, no permission to read, an empty file, or a `field` for a file
            that is not JSON.
    """
    file_format = file_format_of(path)
    if file_format is None:
        raise InputError(
            f"{path}: unknown file ending {path.suffix!r}; known: {', '.join(FILE_FORMATS)}, "
            "and text files with .gz after it"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: you have no permission to read this file; change its mode")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; give one with at least one row")
    if field is not None and file_format != "json":
        raise InputError(f"--field {field}: is for JSON files; omit it for {path}")
    return file_format


def _read_file(path: Path, field: str | None = None) -> DatasetDict:
    file_format = check_file(path, field)
    try:
        with quiet_library():
            options: dict[str, Any] = {"shown": str(path), "field": field}
            if file_format == "csv":
                options |= csv_options(path)
            if file_format == "json":
                tell_layout(path, field)
            return _load(file_format, data_files=glob.escape(str(path)), **options)
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds, even StopIteration
        diagnose_file(path, file_format, error)


def _load(path: str, **options: Any) -> DatasetDict:
    """Load all splits as `load_dataset` has them, empty ones included; all text checked to be UTF-8."""
    from datasets import Dataset, DatasetDict

    from hf_miwv.common.reading.builders import open_builder

    builder = open_builder(path, **options)
    try:
        builder.download_and_prepare()
    except Exception as error:  # ours are wrapped, where they arise while rows are written
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise
    splits = DatasetDict()
    for name, info in builder.info.splits.items():  # load_dataset fails where one has no rows
        splits[name] = builder.as_dataset(name) if info.num_examples else Dataset.from_dict({})
        splits[name].data.validate(full=True)
    return splits


@contextmanager
def quiet_library() -> Iterator[None]:
    """Silence the library's log lines about a file that it cannot read: our message follows.

    Yields:
        `None`: Nothing; the verbosity is as before behind the block.
    """
    import datasets

    verbosity = datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)


def _read_folder(path: Path, source: Source) -> DatasetDict:
    saved = any((path / name).is_file() for name in ARROW_FOLDER_FILES)
    for option, value in (("config", source.config), ("field", source.field)):
        if saved and value is not None:
            raise InputError(f"--{option} {value}: {path} was written by save_to_disk and has none")
    try:
        with quiet_library():
            if saved:
                return _load_saved(path)
            options = {"name": source.config, "field": source.field, "cache_dir": _folder_cache(path)}
            return _load(str(path.resolve()), **options)
    except InputError:
        raise
    except Exception as error:  # the library raises many kinds
        check_repository(str(path), source.config, error)
        # Read file by file, the one that is at fault names itself with its line.
        for file in sorted(path.rglob("*")):
            if file.is_file() and file_format_of(file) is not None:
                _read_file(file)
        raise InputError(
            f"{path}: the folder cannot be read as a data set ({reason(error)}); give one of its files instead"
        ) from error


def _folder_cache(path: Path) -> str:
    """Return a cache folder for this folder as it stands.

    The library (5.2) knows a folder whose card declares `configs:` by its name alone, and would hand out
    the rows of an earlier one of that name.
    """
    from datasets import config

    return str(Path(config.HF_DATASETS_CACHE) / f"local-{state_of(path)}")


def state_of(path: Path) -> str:
    """Hash a file or folder as it stands: where it is, and the names, sizes and times of its files.

    Args:
        path (`Path`): The file or folder.

    Returns:
        `str`: 16 hexadecimal digits.
    """
    import xxhash

    digest = xxhash.xxh3_64(str(path.resolve()).encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        stat = file.stat()
        digest.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()


def _load_saved(path: Path) -> DatasetDict:
    from datasets import Dataset, DatasetDict, load_from_disk

    saved = load_from_disk(str(path))
    return DatasetDict(train=saved) if isinstance(saved, Dataset) else saved


def default_split(splits: Iterable[str], source: str) -> str:
    """Choose the split "train", or the only one.

    Args:
        splits (`Iterable[str]`): Names of the splits.
        source (`str`): The data set, for the message.

    Returns:
        `str`: Name of the split.

    Raises:
        InputError: there are several, and none is "train".
    """
    names = list(splits)
    if "train" not in names and len(names) > 1:
        raise InputError(f"{source}: has the splits {', '.join(names)}; choose one with --split")
    return "train" if "train" in names else names[0]


def take_slice(splits: DatasetDict, source: str, split: str) -> Dataset:
    """Take a split by name or by the library's slices: train[:100], train[10%:20%], train+test.

    Args:
        splits (`DatasetDict`): All splits.
        source (`str`): The data set, for messages.
        split (`str`): Name or slice.

    Returns:
        `Dataset`: The rows.

    Raises:
        InputError: no such split, or not a slice.
    """
    from datasets import ReadInstruction, concatenate_datasets

    sizes = {name: len(dataset) for name, dataset in splits.items()}
    try:
        parts = ReadInstruction.from_spec(split).to_absolute(sizes)
    except (ValueError, AssertionError) as error:
        if "Unknown split" in str(error):
            hint = did_you_mean(split.partition("[")[0], splits)
            raise InputError(f"{source}: has no split {split!r}; {hint}") from error
        name = next(iter(splits))
        forms = f"{name}, {name}[:100] or {name}[:10%]"
        raise InputError(f"{source}: --split {split!r} is not a split; write {forms}") from error
    return concatenate_datasets([splits[part.splitname].select(range(part.from_, part.to)) for part in parts])
