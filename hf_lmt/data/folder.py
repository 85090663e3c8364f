"""A folder of translation rows in one or several parts, that `load_dataset` opens by its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.card import run_digest, size_category
from hf_miwv.folder import write_folder
from hf_miwv.workspace import Workspace


def write_parts(
    output: Path,
    workspace: Workspace,
    parts: Mapping[str, Dataset],
    run: Mapping[str, Any],
    decorate: Callable[[Path], None],
) -> None:
    """`write_folder`, with the first part in `data/` and each other one in a folder of its name.

    A part without rows is left out. `decorate(folder)` writes the card, whose front matter is that
    of `front_matter`, and pictures.
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
    run: Mapping[str, Any], title: str, tags: Sequence[str], parts: Mapping[str, int]
) -> str:
    """The YAML block at the head of a card, which says where the parts lie; the first is default.

    Args:
        run: the run.json; a digest of it keeps `load_dataset` from opening an earlier folder of
            the same name.
        title: of the data set.
        tags: for the Hub.
        parts: name -> rows, as for `write_parts`.
    """
    import yaml

    first, *others = [name for name, rows in parts.items() if rows]
    folders = {first: "data", **{name: name for name in others}}
    content = {
        "pretty_name": title,
        "task_categories": ["translation"],
        "tags": list(tags),
        "size_categories": [size_category(parts[first])],
        "configs": [
            {
                "config_name": name,
                "description": f"run {run_digest(dict(run))}",
                "data_files": [{"split": "train", "path": f"{folder}/train-*.parquet"}],
                **({"default": True} if name == first and others else {}),
            }
            for name, folder in folders.items()
        ],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=10**6)}---"
