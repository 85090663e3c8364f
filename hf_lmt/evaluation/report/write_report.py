"""`write_report`: the page and heat maps of evaluations, beside the figures or in a new folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluation_folder import Evaluation, read_evaluation
from hf_lmt.evaluation.report.example_lines import texts_of
from hf_lmt.evaluation.report.heat_maps import draw_heat_map
from hf_lmt.evaluation.report.report_figures import names_of
from hf_lmt.evaluation.report.report_page import PAGE, render_page
from hf_lmt.evaluation.sets.set_lines import Lines
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder import RECORD, check_output, check_unused, put_in_place, write_errors
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace, workspace_of

REACHABLE = "other machines can reach this page, and an evaluation set is not to be published"
PUSHABLE = "an evaluation's own folder can be pushed; hf-lmt report EVAL --output FOLDER shows them"


def write_report(folder: str | Path) -> Path:
    """Write index.html, heat_map.png and heat_map.svg into a folder that `evaluate` wrote.

    The page has no text of the evaluation set, so that the folder can still be pushed as it is;
    `write_reports` writes one with sources and references elsewhere. The same evaluation gives the
    same bytes.

    Args:
        folder (`str | Path`): The folder, on this machine.

    Returns:
        `Path`: The page.

    Raises:
        InputError: It is no evaluation, on the Hub, or cannot be written to.
    """
    if not Source.parse(folder).is_local:
        raise InputError(f"{folder} is on the Hub; give --output FOLDER for the page")
    evaluation = read_evaluation(folder)
    with (
        write_errors(evaluation.folder),
        tempfile.TemporaryDirectory(prefix=".report-", dir=evaluation.folder) as draft,
    ):
        _write_into(Path(draft), [evaluation], {}, PUSHABLE)
        for path in sorted(Path(draft).iterdir()):
            os.replace(path, evaluation.folder / path.name)
    return evaluation.folder / PAGE


def write_reports(
    folders: Sequence[str | Path],
    output: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Write the page and heat maps of one or several evaluations to a new folder.

    Where the evaluation set is at hand, the page shows sources and references beside the outputs,
    and says that it must not be published; else it says why it does not. Several evaluations stand
    side by side in their order; they may be of different directions, but of one set.

    Args:
        folders (`Sequence[str | Path]`): The evaluations.
        output (`Path`): The folder to write.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the command for run.json.

    Returns:
        `Path`: The page.

    Raises:
        InputError: A folder is no evaluation, they are of different sets, or `output` holds
            something or cannot be written.
    """
    from hf_miwv.common.runs.record import new_record

    evaluations = read_evaluations(folders)
    texts, why = _all_texts(evaluations)
    run = new_record("report", origin or {}, "hf_lmt")

    def fill(draft: Path) -> None:
        _write_into(draft, evaluations, texts, why)

    write_whole(output, overwrite, run, fill)
    return output / PAGE


def report_page(folders: Sequence[str | Path], with_texts: bool) -> str:
    """Render the page that `write_reports` writes, as text and without a file.

    Args:
        folders (`Sequence[str | Path]`): Evaluations of one set.
        with_texts (`bool`): Whether sources and references may be shown, where they are at hand.

    Returns:
        `str`: The page, as HTML.

    Raises:
        InputError: As `read_evaluations`.
    """
    evaluations = read_evaluations(folders)
    texts, why = _all_texts(evaluations) if with_texts else ({}, REACHABLE)
    with tempfile.TemporaryDirectory() as draft:
        _write_into(Path(draft), evaluations, texts, why)
        return (Path(draft) / PAGE).read_text("utf-8")


def _all_texts(evaluations: Sequence[Evaluation]) -> tuple[dict[Direction, Lines], str]:
    """Return sources and references of each direction of any; or none, and why."""
    texts, why = texts_of(evaluations[0])
    for other in evaluations[1:]:
        more, reason = texts_of(other)
        texts, why = {**more, **texts}, why or reason
    return texts, "" if texts else why


def read_evaluations(folders: Sequence[str | Path]) -> list[Evaluation]:
    """Read evaluations of one set.

    Args:
        folders (`Sequence[str | Path]`): Their folders.

    Returns:
        `list[Evaluation]`: The evaluations, in the same order.

    Raises:
        InputError: One cannot be read, or they are of different sets.
    """
    evaluations = [read_evaluation(folder) for folder in folders]
    first = evaluations[0]
    for other in evaluations[1:]:
        names = [evaluation.run["data"]["name"] for evaluation in (first, other)]
        if names[0] != names[1]:
            raise InputError(
                f"{first.name} is of the set {names[0]!r}, {other.name} of {names[1]!r}; give evaluations of one set"
            )
    return evaluations


def write_whole(output: Path, overwrite: bool, run: Mapping[str, Any], fill: Any) -> None:
    """Write a folder with run.json and what `fill(folder)` adds, as a whole or not at all.

    Args:
        output (`Path`): The folder to write.
        overwrite (`bool`): Replace `output` where it holds something.
        run (`Mapping[str, Any]`): The record, for run.json.
        fill (`Callable[[Path], None]`): Called with the draft of the folder, to add its files.

    Raises:
        InputError: `output` holds something and may not be replaced, or cannot be written.
    """
    check_new(output, overwrite, command_line=run.get("command_line"))

    def fill_all(draft: Path) -> None:
        (draft / RECORD).write_text(json_text(run, indent=2) + "\n", "utf-8")
        fill(draft)

    with Workspace(workspace_of(output)) as workspace:
        put_in_place(output, workspace, fill_all)


def check_new(
    output: Path,
    overwrite: bool,
    sources: Sequence[str | Path] = (),
    command_line: Sequence[str] | None = None,
) -> None:
    """Check that a folder can be written, before any work is done.

    Args:
        output (`Path`): The folder.
        overwrite (`bool`): Whether an earlier report in it is replaced.
        sources (`Sequence[str | Path]`, *optional*, defaults to `()`): Folders that are read and so not to be
            written to.
        command_line (`Sequence[str]`, *optional*): The command, for the message's advice.

    Raises:
        InputError: it cannot be written, holds something, or is one of the sources.
    """
    for source in (None, *sources):
        check_output(output, overwrite, None if source is None else Path(source).expanduser())
    check_unused(output, overwrite, command_line)


def _write_into(
    draft: Path,
    evaluations: Sequence[Evaluation],
    texts: Mapping[Direction, Lines],
    without_texts: str,
) -> None:
    several = len(evaluations) > 1
    pictures = {}
    for number, (name, evaluation) in enumerate(zip(names_of(evaluations), evaluations, strict=True), 1):
        file = f"heat_map_{number}" if several else "heat_map"
        draw_heat_map(evaluation, draft, file)
        title = f"Heat map of {name}" if several else "Heat map"
        pictures[title] = (draft / f"{file}.svg").read_bytes()
    page = render_page(evaluations, pictures, texts, without_texts)
    (draft / PAGE).write_text(page, "utf-8", newline="\n")
