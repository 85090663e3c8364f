"""`prepare`: a recipe to a folder of rows, whole or not at all."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.preparation_record import complete_record, start_record
from hf_lmt.data.prepare.prepared_card import draw_directions, write_prepared_card
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.data.prepare.pretraining_rows import mix_rows
from hf_lmt.data.prepare.prompt_check import check_prompts
from hf_lmt.data.prepare.stage_counts import Counts, by_group, count_stages
from hf_lmt.data.prepare.stages import Kept, Running, choose, gather, load_sources, prompt
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import (
    read_record,
    write_folder,
)
from hf_miwv.common.runs.folder_run import FolderRun

logger = logging.getLogger(__name__)


def prepare(
    recipe: DataRecipe,
    output: Path,
    *,
    num_proc: int = 1,
    overwrite: bool = False,
    keep_rejects: bool = False,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> PreparedRecord:
    """Write the rows that the recipe asks for to the folder `output`, and return its run.json.

    Sources are read in the asked directions and joined with the sentences that may be hints; used
    by their weights; curated; capped; thinned by StrategicDownsampling; and prompted by
    ParallelMultilingualPrompting. With `mixture`, they are mixed with monolingual texts instead of
    the last two. Rows stand in the order of hash(seed, "order", direction, row_key), so that the
    order of files and lines cannot matter, nor `num_proc`. A run that was killed goes on from its
    last whole stage, to the same bytes.

    The folder holds data/train-*.parquet, which `load_dataset(output)` opens and TRL's SFTTrainer
    takes as they are, a card, a picture and run.json; with `keep_rejects` also rejects/*.parquet,
    what curation took, with `rejected_by` and `reason`. At most a few arrays of 8 bytes for each
    row are held in memory.

    Args:
        recipe (`DataRecipe`): The recipe, from `read_data_recipe`.
        output (`Path`): The folder to write.
        num_proc (`int`, *optional*, defaults to `1`): Processes for joins and prompts; the rest is one
            process's work.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        keep_rejects (`bool`, *optional*, defaults to `False`): Write the rows that curation took, too.
        origin (`Mapping[str, Any]`, *optional*): `command_line`, for the record.
        progress (`bool`, *optional*, defaults to `True`): Show bars for long stages.

    Returns:
        `PreparedRecord`: The record of the run, as run.json has it.

    Raises:
        InputError: The folder cannot be written; what loading, curation or the steps report; a
            direction asked for by name has no row at the end (of a glob it is a warning); no row
            is left, with what took how many.
    """
    if isinstance(num_proc, bool) or not isinstance(num_proc, int) or num_proc < 1:
        raise InputError(f"num_proc {num_proc!r}: give a number of processes, 1 or more")
    folder_run = FolderRun(output, overwrite)
    began = time.monotonic()
    for step in recipe.steps:
        step.load()  # what cannot be had shows before the corpora are read
    loaded = load_sources(recipe)
    run = start_record(recipe, loaded.counts, loaded.ordered.fingerprints, keep_rejects, origin or {})
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or run
    with folder_run.work(run["identity"]) as workspace:
        running = Running(workspace, num_proc, progress)
        gather(loaded, running)
        del loaded  # what is not mapped into memory any more, counts no more
        kept = choose(recipe, running, keep_rejects)
        rows, result_facts = _make(kept, recipe, running)
        run = complete_record(run, recipe, kept.curation, result_facts, time.monotonic() - began)
        warn_of_gaps(run)
        write_folder(output, workspace, rows, run, lambda folder: _decorate(folder, run, kept))
    return run


def _make(kept: Kept, recipe: DataRecipe, running: Running) -> tuple[Dataset, dict[str, Any]]:
    """Make the rows of the folder, and the record of their making."""
    if recipe.mixture is not None:
        rows, counts = mix_rows(kept.rows, recipe, running)
        stages = count_stages(kept.left, Counter())
        return rows, {**_counted(rows, stages), "mixture": counts}
    rows, hinted = prompt(kept.rows, recipe, running)
    stages = count_stages(kept.left, hinted)
    checked = check_prompts(rows, recipe.training, recipe.prompting.thinking)
    return rows, {**_counted(rows, stages), "prompt_check": checked}


def _counted(rows: Dataset, stages: Counts) -> dict[str, Any]:
    return {"rows": len(rows), "directions": stages, "groups": by_group(stages)}


def _decorate(folder: Path, run: PreparedRecord, kept: Kept) -> None:
    if kept.rejects is not None:
        (folder / "rejects").mkdir()
        kept.rejects.to_parquet(str(folder / "rejects" / "rejects.parquet"))
    write_prepared_card(run, draw_directions(run["counts"]["directions"], folder), folder)


def warn_of_gaps(run: PreparedRecord) -> None:
    """Warn of asked directions without a row, and of rows that were not compared with evaluation sets.

    Args:
        run (`PreparedRecord`): The record of the run.
    """
    empty = run["counts"]["directions_without_rows"]
    if empty:
        shown = ", ".join(empty[:12]) + (", ..." if len(empty) > 12 else "")
        logger.warning("%s asked directions have no row: %s", len(empty), shown)
    if run["contamination"] == "not checked":
        logger.warning("overlap with evaluation sets is not checked; run.json and the card say so")
