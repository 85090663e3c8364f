"""An inspection as a folder: figures, table and picture, there as a whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_lmt.data.inspection.inspect import Inspection
from hf_lmt.data.inspection.inspection_picture import draw_inspection
from hf_lmt.data.inspection.inspection_table import as_text
from hf_miwv.common.runs.folder import RECORD, check_output, check_unused, put_in_place
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import Workspace, workspace_of

REPORT = "inspection.json"


def write_inspection(
    inspection: Inspection,
    output: Path,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write the folder `output`: inspection.json, inspection.txt (all directions), inspection.png.

    Beside them a run.json with versions and command line. The folder is there as a whole or not at
    all; an earlier inspection in it is replaced only with `overwrite`.

    Args:
        inspection (`Inspection`): The inspection.
        output (`Path`): The folder.
        overwrite (`bool`, *optional*, defaults to `False`): Whether an earlier inspection in it is replaced.
        origin (`Mapping[str, Any]`, *optional*): "command_line" and what else the record says about the run.

    Raises:
        InputError: `output` holds something, or cannot be written.
    """
    check_inspection_output(output, overwrite, (origin or {}).get("command_line"))
    run = {**new_record("inspect", origin or {}, "hf_lmt"), "rows": inspection.rows}

    def fill(draft: Path) -> None:
        for name, content in ((REPORT, as_json(inspection)), (RECORD, json_text(run, indent=2))):
            (draft / name).write_text(content + "\n", "utf-8")
        (draft / "inspection.txt").write_text(as_text(inspection, every=True), "utf-8")
        draw_inspection(inspection, draft)

    with Workspace(workspace_of(output)) as workspace:
        put_in_place(output, workspace, fill)


def check_inspection_output(output: Path, overwrite: bool, command_line: Sequence[str] | None = None) -> None:
    """Check that `output` can be written, before any work is done.

    Args:
        output (`Path`): The folder to write.
        overwrite (`bool`): Whether an earlier inspection in it is replaced.
        command_line (`Sequence[str]`, *optional*): The command, for the message's advice.

    Raises:
        InputError: it cannot be written, or holds something.
    """
    check_output(output, overwrite)
    check_unused(output, overwrite, command_line)


def as_json(inspection: Inspection) -> str:
    """Write an inspection as JSON text, indented.

    Args:
        inspection (`Inspection`): The inspection.

    Returns:
        `str`: The JSON text, without a line break at its end.
    """
    return json_text(inspection.as_dict(), indent=2)
