"""`hf-lmt curate` in order: read, curate, write a folder with card, record and picture."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.row_folder import write_parts
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.contamination import contents_of_sets
from hf_lmt.data.curation.curate import Curated, curate
from hf_lmt.data.curation.curation_picture import PICTURE, draw_directions
from hf_lmt.data.curation.curation_report import card_text
from hf_lmt.data.curation.curation_settings import settings_of
from hf_lmt.data.curation.step import Step
from hf_lmt.directions import DIRECTIONS, Direction
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import Workspace

logger = logging.getLogger(__name__)


def curate_source(
    source: Source,
    output: Path,
    steps: Sequence[Step],
    *,
    directions: Sequence[Direction] = DIRECTIONS,
    keep_rejects: bool = False,
    overwrite: bool = False,
    command_line: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Read a source, curate it, write a folder; return its run.json.

    The folder holds the rows that stay (`data/`), those that go if asked for (`rejects/`), a card,
    a picture and run.json. A folder that is this run's result is left as it is; a killed run
    starts over and comes to the same bytes, but for "timing".

    Args:
        source (`Source`): The source to read.
        output (`Path`): The folder to write.
        steps (`Sequence[Step]`): The steps, in the order in which rows pass them.
        directions (`Sequence[Direction]`, *optional*, defaults to `DIRECTIONS`): The directions to read, all by
            default.
        keep_rejects (`bool`, *optional*, defaults to `False`): Whether the rows that go are written, too, with
            their reasons.
        overwrite (`bool`, *optional*, defaults to `False`): Whether another run's result in `output` is replaced.
        command_line (`Sequence[str]`, *optional*): The command to record in run.json.

    Returns:
        `dict[str, Any]`: The record of the run, of the earlier one where it is finished.

    Raises:
        InputError: as `check_output`, `load` and `curate`; or `output` holds another run's result.
    """
    local = Path(source.path) if isinstance(source.path, str) else None
    folder_run = FolderRun(output, overwrite, inputs=[local if local and local.exists() else None])
    for step in steps:
        step.load()
    loaded = load(source, directions)
    run = _record(source, loaded.rows, loaded.counts, steps, keep_rejects, command_line)
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or {}
    started = time.perf_counter()
    with folder_run.work() as workspace:
        curated = curate(loaded.rows, steps, keep_rejects=keep_rejects)
        run = _complete(run, curated, time.perf_counter() - started)
        _write(output, workspace, curated, run)
    logger.info("written: %s", output)
    return run


def _record(
    source: Source,
    rows: Dataset,
    counts: Mapping[str, Any],
    steps: Sequence[Step],
    keep_rejects: bool,
    command_line: Sequence[str] | None,
) -> dict[str, Any]:
    """Begin the record with what is known before the first step, and the run's "identity"."""
    settings = json.loads(json.dumps(settings_of(steps), default=str))  # as run.json gives it back
    run: dict[str, Any] = {
        **new_record("curate", {"command_line": list(command_line) if command_line else None}, "hf_lmt")
    }
    run["data"] = {
        "source": source.name,
        **{name: getattr(source, name) for name in ("kind", "split", "config", "revision")},
        "license": source.license,
        "fingerprint": content_fingerprint(rows),
        "counts": dict(counts),
    }
    run["settings"] = {"steps": settings, "keep_rejects": keep_rejects}
    run["identity"] = {
        "data": run["data"]["fingerprint"],
        **{f"step {name}": values for name, values in settings.items()},
        "evaluation sets": contents_of_sets(steps),
        "rejects": "kept" if keep_rejects else "not kept",
        "hf_lmt": run["package"]["version"],
        **run["versions"],
    }
    return run


def _complete(run: dict[str, Any], curated: Curated, seconds: float) -> dict[str, Any]:
    checked = run["settings"]["steps"].get("contamination", {}).get("sets")
    return {
        **run,
        "contamination": "checked" if checked else "not checked",
        "counts": curated.counts,
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
        },
    }


def _write(output: Path, workspace: Workspace, curated: Curated, run: dict[str, Any]) -> None:
    parts = {"curated": curated.rows}
    if curated.rejects is not None:
        parts["rejects"] = curated.rejects

    def decorate(folder: Path) -> None:
        draw_directions(run["counts"]["directions"], folder / PICTURE)
        sizes = {name: len(rows) for name, rows in parts.items()}
        (folder / "README.md").write_text(card_text(run, sizes), encoding="utf-8", newline="\n")

    write_parts(output, workspace, parts, run, decorate)
