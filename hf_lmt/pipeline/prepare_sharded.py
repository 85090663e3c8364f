"""`prepare` in many tasks, to the same rows in the same order as in one process."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import xxhash

from hf_lmt.data.corpora.parts import cut_source
from hf_lmt.data.curation.duplicates import Caps, Duplicates
from hf_lmt.data.curation.near_duplicates import NearDuplicates
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.preparation_record import start_record
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.pipeline.finish import Finish, check_sources, finish
from hf_lmt.pipeline.judge_rows import CurationFilter
from hf_lmt.pipeline.lowest_hashes import counts, source_caps
from hf_lmt.pipeline.mixing import ChooseRows, CountTokens, ReadTexts, WriteLines
from hf_lmt.pipeline.near_copies import NearCopies
from hf_lmt.pipeline.repeated_texts import caps, copies
from hf_lmt.pipeline.route import Route
from hf_lmt.pipeline.rows_left import CountRows
from hf_lmt.pipeline.sharded_work import PLAN, ShardedWork
from hf_lmt.pipeline.shards import DealRows, Thin, WriteShards
from hf_miwv.common.errors import InputError
from hf_miwv.common.executors.executor_settings import ExecutorSettings
from hf_miwv.common.executors.run_stages import Stage, run_stages
from hf_miwv.common.executors.same_code import running_code
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace

LOGS = "tasks"  # in the work folder: datatrove's logs and completion markers
QUEUED = "queued.json"  # in the work folder: jobs elsewhere may be at work in it

logger = logging.getLogger(__name__)


def prepare_sharded(
    recipe: DataRecipe,
    output: Path,
    settings: ExecutorSettings,
    *,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> PreparedRecord | None:
    """Write what `prepare` writes, in tasks: the same rows in the same order, whatever their number.

    Sources are cut into parts, as many as there are tasks. The files of Parquet are cut at other rows than those of
    `prepare`, and the same for any number of tasks. A run that was killed goes on; tasks that were done are not run
    again.

    Args:
        recipe (`DataRecipe`): The recipe, from `read_data_recipe`.
        output (`Path`): The folder to write, on a disk that all tasks can reach.
        settings (`ExecutorSettings`): Where the tasks run, and how many there are.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): `command_line`, for the record.
        progress (`bool`, *optional*, defaults to `True`): Show a bar for each stage.

    Returns:
        `PreparedRecord | None`: The record, as run.json has it; None where the tasks are queued elsewhere.

    Raises:
        InputError: As `prepare`; or a task fails, and which.
    """
    folder_run, began = FolderRun(output, overwrite), time.time()
    cuts = [cut_source(source, settings.tasks) for source in recipe.sources]
    fingerprints = [xxhash.xxh3_128_hexdigest(json_text(cut.state).encode()) for cut in cuts]
    run = start_record(recipe, [{} for _ in cuts], fingerprints, False, origin or {})
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or run
    parts = tuple((number, part) for number, cut in enumerate(cuts) for part in cut.parts)
    if len(parts) < settings.tasks:
        logger.warning(
            "parts to read: %d, for %d tasks, so %d read nothing: TMX, CSV, TSV and zipped files are one part each; "
            "give fewer tasks, or cut the files",
            len(parts),
            settings.tasks,
            settings.tasks - len(parts),
        )
    code = running_code()
    with folder_run.work({**run["identity"], "tasks": settings.tasks, "code": code}) as workspace:
        _check_queue(workspace)
        work = ShardedWork(workspace.folder.absolute(), recipe, settings.tasks, parts, code)
        workspace.write_json(PLAN, {"tasks": settings.tasks, "code": code, "parts": parts})
        stages, logs = stages_of(work), workspace.folder / LOGS
        if settings.kind == "slurm":
            last = Stage("finish", [Finish(work, output.absolute(), run, began)], 1, work.describe)
            run_stages([*stages, last], settings, logs, progress)
            workspace.write_json(QUEUED, {"at": datetime.now(UTC).isoformat(timespec="seconds")})
            workspace.leave()
            return None
        run_stages(stages[:1], settings, logs, progress)
        check_sources(work)
        run_stages(stages[1:], settings, logs, progress)
        return finish(work, output, workspace, run, time.time() - began)


def stages_of(work: ShardedWork) -> list[Stage]:
    """List the stages of a preparation; each waits for all tasks of the one before.

    Args:
        work (`ShardedWork`): What every task knows.

    Returns:
        `list[Stage]`: The stages, in their order.
    """
    recipe, route = work.recipe, Route(work)
    for step in recipe.steps:
        if isinstance(step, Duplicates):
            route.survey(copies())
        elif isinstance(step, NearDuplicates):
            route.survey([NearCopies(step.threshold)])
        elif isinstance(step, Caps):
            route.survey(caps(step))
        else:
            route.filter(CurationFilter(work, step))
    route.filter(CountRows(work, "curated_away"))
    if any(source.caps for source in recipe.sources):
        route.survey([source_caps(recipe)])
    route.filter(CountRows(work, "capped"))
    if recipe.downsampling is not None:
        route.filter(Thin(work, recipe.downsampling))
        if recipe.downsampling.counts:
            route.survey([counts(recipe.downsampling)])
    route.filter(CountRows(work, "downsampled"))
    last = [Stage("write-shards", [WriteShards(work)], work.tasks, work.describe)]
    if recipe.mixture is None:
        route.end_stage("prompt", DealRows(work))
        return [*route.stages, *last]
    route.stages.append(Stage("read-texts", [ReadTexts(work)], work.tasks, work.describe))
    file = route.write()
    route.end_stage("count-tokens", CountTokens(work))
    route.stages.append(Stage("choose-rows", [ChooseRows(work)], 1, work.describe))
    route.stages.append(Stage("write-lines", [WriteLines(work, file)], work.tasks, work.describe))
    return [*route.stages, *last]


def _check_queue(workspace: Workspace) -> None:
    if queued := workspace.read_json(QUEUED):
        raise InputError(
            f"{workspace.folder} holds work of tasks that were queued at {queued['at']} and may still be at work; "
            f"wait for them, or cancel them and remove {workspace.folder / QUEUED}: the same command then goes on"
        )
