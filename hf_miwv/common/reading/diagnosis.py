"""Why a data set could not be read, in words: which file, which line, and what to do about it.

The `datasets` library reads first, and what it says when it fails seldom names the line. JSON is
not read by it: see `hf_miwv.common.reading.json_files`.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NoReturn

from hf_miwv.common.errors import InputError, did_you_mean, error_chain
from hf_miwv.common.reading.json_files import check_utf8
from hf_miwv.common.reading.source import Source

LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


def reason(error: BaseException) -> str:
    """Put the first cause of an error of the library on one line.

    Args:
        error (`BaseException`): The error, with its chain of causes.

    Returns:
        `str`: The text of the first cause, at most 300 characters; its type where it has no text.
    """
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else text[:297] + "..."


def diagnose_file(path: Path, file_format: str, error: Exception) -> NoReturn:
    """Raise an error that says why the library could not read this file.

    Args:
        path (`Path`): The file.
        file_format (`str`): Name of the library's builder that read it, such as "csv".
        error (`Exception`): The error of the library.

    Raises:
        InputError: always.
    """
    if file_format in ("csv", "json"):
        check_utf8(path)
    if type(error.__cause__).__name__ == "SchemaInferenceError":
        raise InputError(f"{path}: holds no rows; give a data set with at least one")
    advice = "the file is damaged, or is something else; make or fetch it again"
    if file_format == "csv":
        advice = "check the quotes around cells that hold separators or line breaks"
    raise InputError(f"{path}: cannot be read as {file_format} ({reason(error)}); {advice}")


def check_repository(source: str, config: str | None, error: Exception) -> None:
    """Check for the faults that folders and Hub data sets share.

    Args:
        source (`str`): The folder or the id, for messages.
        config (`str`, *optional*): The configuration that was asked for.
        error (`Exception`): The error of the library.

    Raises:
        InputError: a configuration is missing or unknown, a loading script would have to run, or there are
            no data files.
    """
    text = str(error)
    listed = re.search(r"(?:available configs|Available): (\[.*?\])", text)
    if listed and config is None:
        raise InputError(
            f"{source}: has several configurations; choose one with --config: "
            + ", ".join(ast.literal_eval(listed[1]))
        )
    if listed:
        hint = did_you_mean(str(config), ast.literal_eval(listed[1]))
        raise InputError(f"{source}: has no configuration {config!r}; {hint}")
    if "scripts are no longer supported" in text:
        raise InputError(
            f"{source}: needs its loading script run, which is not supported (there is no "
            "trust_remote_code); on the Hub, its converted files may be there with "
            "--revision refs/convert/parquet"
        )
    if type(error).__name__ in ("EmptyDatasetError", "DataFilesNotFoundError"):
        raise InputError(f"{source}: holds no data files; give one with JSON, CSV or Parquet files")


def diagnose_hub(source: Source, error: Exception) -> NoReturn:
    """Raise an error that says why the library could not read this Hub data set.

    Args:
        source (`Source`): The data set.
        error (`Exception`): The error of the library or of `huggingface_hub`.

    Raises:
        InputError: always.
    """
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    check_repository(source.id, source.config, error)
    status = next((e for e in error_chain(error) if isinstance(e, HfHubHTTPError)), None)
    if isinstance(error, HFValidationError):
        raise InputError(
            f"{source.id!r} is no file or folder here, and cannot be the id of a Hub data set; "
            "write NAME or OWNER/NAME"
        )
    if isinstance(error, DatasetNotFoundError):
        raise InputError(_missing_dataset_message(source, error))
    if isinstance(error, ConnectionError):
        raise InputError(_unreachable_message(source))
    if status is not None:
        raise InputError(_status_message(source, status.response.status_code))
    raise InputError(f"{source}: the Hub data set cannot be read ({reason(error)})")


def _missing_dataset_message(source: Source, error: Exception) -> str:
    from datasets import config

    if str(error).startswith("Revision"):
        return f"{source}: has no revision {source.revision!r}; give a branch, tag or commit of it"
    if "gated" in str(error):
        page = f"{config.HF_ENDPOINT}/datasets/{source}"
        return f"{source}: is gated on the Hub; ask for access at {page}, then {LOG_IN}"
    return (
        f"{source}: no file or folder of this name here, and no such data set on the Hub, "
        f"or it is private; check the name (OWNER/NAME), or {LOG_IN}"
    )


def _unreachable_message(source: Source) -> str:
    from datasets import config

    if config.HF_HUB_OFFLINE:
        return (
            f"{source}: no file or folder of this name here, and as a Hub data set it is not in "
            "the cache, while HF_HUB_OFFLINE forbids fetching it; unset it, or give a local file"
        )
    return (
        f"{source}: no file or folder of this name here, and the Hub at {config.HF_ENDPOINT} "
        "cannot be reached; check the network, or give a local file"
    )


def _status_message(source: Source, status: int) -> str:
    if status in (401, 403):
        return f"{source}: the Hub refuses access (status {status}); {LOG_IN}"
    return f"{source}: the Hub answered with status {status}; try again later"
