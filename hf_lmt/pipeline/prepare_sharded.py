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
from hf_lmt.data.curation.duplicates import Duplicates
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.preparation_record import start_record
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.pipeline.copies import DropCopies, FindCopies, WriteJudged
from hf_lmt.pipeline.finish import Finish, check_sources, finish
from hf_lmt.pipeline.judge_rows import CurationFilter, JoinedRows
from hf_lmt.pipeline.read_rows import ChooseHints, OfferHints, ReadRows
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

    Sources are cut into parts, as many as there are tasks. What needs one process (near duplicates, caps, counts of
    downsampling, mixtures) is refused. The files of Parquet are cut at other rows than those of `prepare`, and the
    same for any number of tasks. A run that was killed goes on; tasks that were done are not run again.

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
        InputError: What cannot be done in tasks; as `prepare`; or a task fails, and which.
    """
    check_shardable(recipe)
    folder_run, began = FolderRun(output, overwrite), time.time()
    cuts = [cut_source(source, settings.tasks) for source in recipe.sources]
    fingerprints = [xxhash.xxh3_128_hexdigest(json_text(cut.state).encode()) for cut in cuts]
    run = start_record(recipe, [{} for _ in cuts], fingerprints, False, origin or {})
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or run
    parts = tuple((number, part) for number, cut in enumerate(cuts) for part in cut.parts)
    if len(parts) < settings.tasks:
        logger.warning(
            "parts to read: %d, for %d tasks, so %d tasks read nothing: TMX, TSV and zipped files are one part each; "
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
    names = [step.name for step in work.recipe.steps]
    has_copies = Duplicates.name in names
    cut = names.index(Duplicates.name) if has_copies else len(names)
    before = [CurationFilter(work, step) for step in work.recipe.steps[:cut]]
    after = [CurationFilter(work, step) for step in work.recipe.steps[cut + 1 :]]
    steps: dict[str, list[Any]] = {
        "read": [ReadRows(work)],
        "offer-hints": [OfferHints(work)],
        "choose-hints": [ChooseHints(work)],
        "curate": [JoinedRows(work), *before, WriteJudged(work)],
        **({"find-copies": [FindCopies(work)]} if has_copies else {}),
        "prompt": [DropCopies(work, has_copies), *after, Thin(work), DealRows(work)],
        "write-shards": [WriteShards(work)],
    }
    return [Stage(name, of_stage, work.tasks, work.describe) for name, of_stage in steps.items()]


def check_shardable(recipe: DataRecipe) -> None:
    """Check that the recipe asks for nothing that has to see all rows at once.

    Args:
        recipe (`DataRecipe`): The recipe.

    Raises:
        InputError: What it asks for and tasks cannot do; all of it, with what to do instead.
    """
    faults = []
    instead = {
        "near_duplicates": "compares each row of a direction with all others; leave it out here (near_duplicates: "
        "false), and run `hf-lmt curate` with it on the rows of each direction afterwards",
        "caps": "counts rows of a text in all tasks; leave it out here, and run `hf-lmt curate` with it on the result",
    }
    faults += [f"curation: {step.name}: {instead[step.name]}" for step in recipe.steps if step.name in instead]
    faults += [
        f"data: {source.name}: caps: are counted over all tasks; give the source a weight instead"
        for source in recipe.sources
        if source.caps
    ]
    if recipe.downsampling is not None and recipe.downsampling.counts:
        faults.append("downsampling: counts: are taken of all rows at once; give rates instead")
    if recipe.mixture is not None:
        faults.append("mixture: tokens are budgeted over all rows at once; prepare it without --executor")
    if faults:
        raise InputError.of_faults("--executor", faults)


def _check_queue(workspace: Workspace) -> None:
    if queued := workspace.read_json(QUEUED):
        raise InputError(
            f"{workspace.folder} holds work of tasks that were queued at {queued['at']} and may still be at work; "
            f"wait for them, or cancel them and remove {workspace.folder / QUEUED}: the same command then goes on"
        )
