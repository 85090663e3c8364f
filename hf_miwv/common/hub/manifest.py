"""pushed.json: which files of a repository come from here, so that no other is ever removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.folder_contents import LocalFile
from hf_miwv.common.runs.json_text import json_text

NAME = "pushed.json"
FORMAT = 1
Manifest = dict[str, dict[str, list[str]]]
"""Configuration ("" for a folder pushed as a whole) -> path -> the names that the Hub may have
for the content: SHA-256, and git's own where the file is small."""


def read_manifest(content: bytes | None, repository: str) -> Manifest:
    """Read the files pushed so far; empty where the repository has no such file.

    Args:
        content (`bytes`, *optional*): The file; None where the repository has none.
        repository (`str`): OWNER/NAME, for the message.

    Returns:
        `Manifest`: The files.

    Raises:
        InputError: it is damaged, or of another format.
    """
    if content is None:
        return {}
    try:
        value: dict[str, Any] = json.loads(content)
        if value["format"] != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return {name: dict(files) for name, files in value["pushed"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{repository}: its {NAME} cannot be read ({error}), so it is not known which files "
            "were pushed from here; remove it on the Hub, and files that are gone will stay"
        ) from error


def write_manifest(manifest: Manifest) -> bytes:
    """Return the manifest file's bytes; equal pushes have equal bytes.

    Args:
        manifest (`Manifest`): The files pushed so far, with those of this push.

    Returns:
        `bytes`: The file.
    """
    content = {
        "about": "Files written by hf-miwv or hf-lmt push, which may replace and remove them.",
        "format": FORMAT,
        "pushed": manifest,
    }
    return (json_text(content, indent=1, sort_keys=True) + "\n").encode()


def names_of(file: LocalFile) -> list[str]:
    """List the names that the Hub may have for a file's content.

    Args:
        file (`LocalFile`): The file.

    Returns:
        `list[str]`: SHA-256, and for a small file its name in git.
    """
    return [file.sha256] if file.blob is None else [file.sha256, file.blob]


def removable_paths(earlier: Mapping[str, list[str]], paths: set[str], remote_names: Mapping[str, str]) -> list[str]:
    """List paths that were pushed before, are not now, and still hold the pushed content.

    Args:
        earlier (`Mapping[str, list[str]]`): The manifest's files.
        paths (`set[str]`): Paths of this push.
        remote_names (`Mapping[str, str]`): Path -> name of the content on the Hub; content that somebody else
            has written since is theirs.

    Returns:
        `list[str]`: The paths, in order.
    """
    return sorted(path for path, names in earlier.items() if path not in paths and remote_names.get(path) in names)
