"""A folder of translation rows in one or several parts, that `load_dataset` opens by its card."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.cards.parts import run_digest, size_category
from hf_miwv.common.runs.folder import write_folder
from hf_miwv.common.runs.workspace import Workspace

LICENSE = re.compile(r"[a-z0-9][a-z0-9.-]*")  # as the Hub names them
UNKNOWN = "unknown"  # its name for one that nobody has recorded


def write_parts(
    output: Path,
    workspace: Workspace,
    parts: Mapping[str, Dataset],
    run: Mapping[str, Any],
    decorate: Callable[[Path], None],
) -> None:
    """Write what `write_folder` does, with the first part in `data/` and each other one in a folder of its name.

    A part without rows is left out. `decorate(folder)` writes the card, whose front matter is that
    of `front_matter`, and pictures.

    Args:
        output (`Path`): The folder to write.
        workspace (`Workspace`): The run's workspace, in which the folder is made before it appears.
        parts (`Mapping[str, Dataset]`): Name of each part -> its rows.
        run (`Mapping[str, Any]`): The record that run.json holds.
        decorate (`Callable[[Path], None]`): Called with the draft of the folder, to write card and pictures.
    """
    (_, first), *others = parts.items()

    def decorate_all(folder: Path) -> None:
        for name, rows in others:
            if len(rows):
                (folder / name).mkdir()
                rows.to_parquet(str(folder / name / "train-00000-of-00001.parquet"))
        decorate(folder)

    write_folder(output, workspace, first, dict(run), decorate_all)


def front_matter(
    run: Mapping[str, Any],
    title: str,
    tags: Sequence[str],
    parts: Mapping[str, int],
    directions: Iterable[str],
    licenses: Iterable[str | None],
) -> str:
    """Write the YAML block at the head of a card, which says where the parts lie; the first is default.

    Args:
        run (`Mapping[str, Any]`): The run.json; a digest of it keeps `load_dataset` from opening an
            earlier folder of the same name.
        title (`str`): Title of the data set.
        tags (`Sequence[str]`): Tags for the Hub.
        parts (`Mapping[str, int]`): Name -> rows, as for `write_parts`.
        directions (`Iterable[str]`): Directions of the rows, for the languages.
        licenses (`Iterable[str | None]`): License of each source, None where it is not recorded.

    Returns:
        `str`: The block, with its lines of dashes.
    """
    import yaml

    first, *others = [name for name, rows in parts.items() if rows]
    folders = {first: "data", **{name: name for name in others}}
    content = {
        "pretty_name": title,
        "language": sorted({code for name in directions for code in name.split("-")}),
        "task_categories": ["translation"],
        "tags": list(tags),
        "size_categories": [size_category(parts[first])],
        "configs": [
            {
                "config_name": name,
                "description": f"run {run_digest(dict(run))}",
                "data_files": [{"split": "train", "path": f"{folder}/train-*.parquet"}],
                # Without a default, `load_dataset` would refuse a folder of several configurations.
                **({"default": True} if name == first and others else {}),
            }
            for name, folder in folders.items()
        ],
    }
    if named := license_names(licenses):
        content["license"] = named
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)}---"


def license_names(licenses: Iterable[str | None]) -> list[str]:
    """List the licenses of all sources for the metadata, each once, by the Hub's names.

    What is recorded in other words stands in the card's text alone, and counts here, like what is
    not recorded, as "unknown": else the rest would be taken for the license of the whole. Empty
    where nothing is known of any.

    >>> license_names(["cc-by-4.0", None, "cc-by-4.0"]), license_names([None])
    (['cc-by-4.0', 'unknown'], [])

    Args:
        licenses (`Iterable[str | None]`): The licenses of the sources, None where one is not recorded.

    Returns:
        `list[str]`: The names in alphabetical order.
    """
    named = {
        license_name if license_name and LICENSE.fullmatch(license_name) else UNKNOWN for license_name in licenses
    }
    return sorted(named) if named != {UNKNOWN} else []
