"""The folder of a comparison: numbers, pictures, page and run.json, whole or not at all."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.runs.folder import RECORD, put_in_place
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.record import new_record
from hf_miwv.comparing.comparison_page import write_page
from hf_miwv.comparing.comparison_pictures import draw_comparison

NUMBERS = "comparison.json"

logger = logging.getLogger(__name__)


def write_comparison(
    report: dict[str, Any],
    output: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a report of `comparison.compare` to the folder `output`.

    comparison.json (the report), comparison.html, the PNGs, and a run.json with versions, command
    line and the identity of the comparison; all but the command line is the same for the same
    comparison. It is a report and no data set, so `write_folder`, which writes rows, is not for it.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        output (`Path`): The folder to write.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the command for run.json ("command_line").

    Raises:
        InputError: `output` holds something else, or cannot be written.
    """
    folder_run = FolderRun(output, overwrite, holds="comparison.json")
    run = new_record("compare", origin or {})
    run["identity"] = {
        **identity_of(report),
        "hf_miwv": run["package"]["version"],
        **run["versions"],
    }
    if folder_run.is_finished(run["identity"]):
        return

    def fill(draft: Path) -> None:
        for name, content in ((NUMBERS, report), (RECORD, run)):
            text = json_text(content, indent=2)
            (draft / name).write_text(text + "\n", "utf-8")
        write_page(report, draw_comparison(report, draft), draft)

    with folder_run.work() as workspace:
        put_in_place(output, workspace, fill)


def identity_of(report: dict[str, Any]) -> dict[str, Any]:
    """Return all that the result depends on, under the names that a user is told when one differs.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.

    Returns:
        `dict[str, Any]`: The identity.
    """
    return {
        "scored folders": [[folder["name"], folder["fingerprint"]] for folder in report["folders"]],
        "fractions": list(report["fractions"]),
        "methods": list(report["rankings"]),
        "seed": report["seed"],
        "source column": report["sources"]["column"] if report["sources"] else None,
        "text columns": report["shown"],
    }
