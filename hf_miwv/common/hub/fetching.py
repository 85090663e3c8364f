"""A pushed folder, back from the Hub with its run.json and all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.folder_contents import CARD
from hf_miwv.common.hub.hub_card import config_names, default_config
from hf_miwv.common.hub.manifest import NAME, read_manifest
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import RECORD, read_record

WORDS = {"dataset": "data set", "model": "model"}


def fetch_folder(source: Source | str | Path, *, kind: str = "dataset") -> Path:
    """Return a local folder as it is; one on the Hub as a copy in the client's cache.

    `datasets` and `transformers` load rows and weights by id on their own; this is for readers of
    what lies beside them (run.json, scores.json, adapters).

    Args:
        source (`Source | str | Path`): The folder, or its id on the Hub; of several configurations the
            default one is fetched where none is named.
        kind (`str`, *optional*, defaults to `"dataset"`): Kind of the repository: "dataset" or "model".

    Returns:
        `Path`: The folder.

    Raises:
        InputError: It is neither here nor on the Hub, or cannot be had from there.
    """
    source = Source.parse(source)
    if source.is_local:
        return source.path
    if "/" not in source.id:
        raise InputError(f"{source}: no such folder here, and no Hub id (owner/name)")
    from huggingface_hub import snapshot_download

    subfolder, others = _locate_config(source, kind)
    # Only the files of this configuration: the others may be many gigabytes of rows.
    wanted: dict[str, Any] = {"ignore_patterns": [f"{other}/*" for other in others]}
    if subfolder:
        wanted = {"allow_patterns": f"{subfolder}/*"}
    try:
        copy = snapshot_download(source.id, repo_type=kind, revision=source.revision, **wanted)
    except Exception as error:  # the client raises many kinds
        raise hub_error(WORDS[kind], source.id, error) from error
    return Path(copy) / subfolder


def fetch_written(source: Source | str | Path) -> Path | None:
    """Fetch a folder of rows with a run.json, as `fetch_folder` does.

    Args:
        source (`Source | str | Path`): The folder, or its id on the Hub.

    Returns:
        `Path | None`: The folder; None for a data set of others on the Hub.

    Raises:
        InputError: as `fetch_folder`.
    """
    source = Source.parse(source)
    if not source.is_local:
        subfolder, _ = _locate_config(source, "dataset", strict=False)
        if _file(source, "dataset", f"{subfolder}/{RECORD}" if subfolder else RECORD) is None:
            return None
    return fetch_folder(source)


def read_record_of(source: Source) -> dict[str, Any] | None:
    """Read the run.json of a folder here, or of a data set on the Hub.

    Args:
        source (`Source`): The folder or data set.

    Returns:
        `dict[str, Any] | None`: The record; None where it does not exist, or cannot be had.
    """
    if source.is_local:
        return read_record(source.path)
    try:
        file = _file(source, "dataset", RECORD)
    except InputError:
        return None
    return None if file is None else read_record(file.parent)


def _locate_config(source: Source, kind: str, strict: bool = True) -> tuple[str, list[str]]:
    """Return the folder of a configuration ("" for the whole repository), and those of the others.

    pushed.json says which configurations have a folder of their own.
    """
    card, account = (_file(source, kind, path) if kind == "dataset" else None for path in (CARD, NAME))
    text = card.read_text("utf-8") if card else None
    manifest = read_manifest(account.read_bytes() if account else None, source.id)
    folders = [folder for folder in manifest if folder]
    wanted = source.config or default_config(text)
    known = {*config_names(text), *folders}
    if wanted is not None and wanted not in known and strict:
        hint = f"; {did_you_mean(wanted, sorted(known))}" if known else ""
        raise InputError(f"data set {source.id!r}: has no configuration {wanted!r}{hint}")
    subfolder = wanted if wanted in folders else ""
    return subfolder or "", [folder for folder in folders if folder != subfolder]


def _file(source: Source, kind: str, path: str) -> Path | None:
    """Fetch one file of a repository into the client's cache; None where it has none of that name."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(source.id, path, repo_type=kind, revision=source.revision))
    # A subclass of EntryNotFoundError that means "offline, and not in the cache", not "no such file".
    except LocalEntryNotFoundError as error:
        raise hub_error(WORDS[kind], source.id, error) from error
    except EntryNotFoundError:
        return None
    except Exception as error:  # the client raises many kinds
        raise hub_error(WORDS[kind], source.id, error) from error
