"""The file that an evaluation of a step leaves on disk: JSON, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_lmt.training.watching.sample import Sample
from hf_lmt.training.watching.watched_figures import Figures, Values, group_means
from hf_miwv.common.runs.folder import write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.record import package_version

FORMAT = 1
FOLDER = "evaluations"
COPY = "evaluation.json"  # in a checkpoint


def evaluation_record(
    step: int,
    epoch: float | None,
    settings: Mapping[str, Any],
    sample: Sample,
    figures: Figures,
    values: Values,
    signs: list[str],
    seconds: float,
) -> dict[str, Any]:
    """Return the content of an evaluation's file.

    Args:
        step (`int`): Optimizer steps so far.
        epoch (`float | None`): Epochs so far.
        settings (`Mapping[str, Any]`): Settings of the evaluation.
        sample (`Sample`): The watched rows, of which counts and hash are recorded.
        figures (`Figures`): {direction: its figures}.
        values (`Values`): {direction: {logged name: value}}.
        signs (`list[str]`): Signs of degeneration, in words.
        seconds (`float`): Duration of the evaluation.

    Returns:
        `dict[str, Any]`: `step`, `epoch`; `settings` and `subset`, which rows by what hash; `directions`,
        everything counted of each; `groups`, {group: {name: mean, count, missing}}; `signs` of degeneration in
        words; `seconds`; `package` with its version.
    """
    return {
        "format": FORMAT,
        "step": step,
        "epoch": epoch,
        "settings": dict(settings),
        "subset": {**sample.counts, "sha256": sample.sha256},
        "groups": {
            group: {
                name: {"mean": figure.mean, "count": figure.count, "missing": list(map(str, figure.missing))}
                for name, figure in names.items()
            }
            for group, names in group_means(values).items()
        },
        "directions": {str(direction): direction_figures for direction, direction_figures in figures.items()},
        "signs": signs,
        "seconds": round(seconds, 3),
        "package": package_version(),
    }


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside, flush it to disk, rename it.

    Args:
        path (`Path`): The file.
        content (`bytes`): Its bytes.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)


def write_record(folder: Path, record: Mapping[str, Any], ended: bool) -> Path:
    """Write `folder`/evaluations/step-N.json; after the training has `ended`, final.json.

    Then the best model may have been loaded, which is not that of the last step.

    Args:
        folder (`Path`): The folder of the run.
        record (`Mapping[str, Any]`): The record of the evaluation.
        ended (`bool`): Whether the training has ended.

    Returns:
        `Path`: Path of the file.

    Raises:
        InputError: the disk is full, or the folder cannot be written.
    """
    path = folder / FOLDER / ("final.json" if ended else f"step-{record['step']}.json")
    write_whole(path, (json_text(record, indent=1) + "\n").encode())
    return path
