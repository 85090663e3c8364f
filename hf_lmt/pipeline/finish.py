"""The counts of all tasks as one record, and the finished folder."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_lmt.data.corpora.load import check_tally, report_counts
from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.mixture.mixture_report import report
from hf_lmt.data.prepare.preparation_record import complete_record
from hf_lmt.data.prepare.prepare import warn_of_gaps
from hf_lmt.data.prepare.prepared_card import draw_directions, write_prepared_card
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_lmt.data.prepare.prompt_check import check_prompts
from hf_lmt.data.prepare.stage_counts import by_group, count_stages
from hf_lmt.data.prepare.stages import check_left, check_named
from hf_lmt.pipeline.lowest_hashes import COUNTS, counted_rows
from hf_lmt.pipeline.mixing import mixture_record
from hf_lmt.pipeline.sharded_work import ShardedWork
from hf_miwv.common.executors.task_step import TaskStep
from hf_miwv.common.runs.folder import RECORD, put_in_place
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.workspace import Workspace

logger = logging.getLogger(__name__)


class Finish(TaskStep[ShardedWork]):
    """Put the finished folder in place, as the last task of a job that runs elsewhere.

    Args:
        work (`ShardedWork`): What every task of the run knows.
        output (`Path`): The folder to write.
        run (`PreparedRecord`): The record as it was begun.
        began (`float`): When the run began, in seconds since the epoch.
    """

    type = "💽 - WRITER"
    name = "folder"

    def __init__(self, work: ShardedWork, output: Path, run: PreparedRecord, began: float) -> None:
        super().__init__(work)
        self.output, self.record, self.began = output, run, began

    def _task(self, data: Any, rank: int) -> None:
        # Under the lock of the work folder, which stays: the log of this task is in it.
        workspace = Workspace(self.work.folder)
        finish(self.work, self.output, workspace, self.record, time.time() - self.began)
        workspace.leave()


def check_sources(work: ShardedWork) -> None:
    """Check what all parts of the sources gave together.

    Args:
        work (`ShardedWork`): The work; its parts have been read.

    Raises:
        InputError: A source lacks a language that it asks for, or holds no row; or a direction that was asked for
            by name is in no source.
    """
    row_counts: Counter[str] = Counter()
    for source, (tally, notes) in zip(work.recipe.sources, work.tallies(), strict=True):
        check_tally(source, tally, list(work.recipe.directions), notes)
        report_counts(source, tally.counts(notes))
    if work.recipe.named:
        from hf_lmt.data.hashing import direction_column
        from hf_lmt.pipeline.sharded_work import rows_in_blocks

        for part in range(len(work.parts)):
            rows = Dataset.from_file(str(work.rows_path(part))).select_columns(["source_lang", "target_lang"])
            for block in rows_in_blocks(rows):
                row_counts.update(direction_column(block).to_pylist())
        check_named(row_counts, work.recipe)


def finish(
    work: ShardedWork, output: Path, workspace: Workspace, run: PreparedRecord, seconds: float
) -> PreparedRecord:
    """Write card, picture and record beside the shards, and put them in place.

    Args:
        work (`ShardedWork`): The work; all stages are done.
        output (`Path`): The folder to write.
        workspace (`Workspace`): The work folder, locked.
        run (`PreparedRecord`): The record as it was begun.
        seconds (`float`): Since the run began.

    Returns:
        `PreparedRecord`: The whole record, as run.json has it.

    Raises:
        InputError: No row is left, or none of a direction that was asked for by name.
    """
    recipe = work.recipe
    left: dict[str, Counter[str]] = defaultdict(Counter)
    for counts in work.read_all_json("counts-joined"):
        for stage, rows in counts.items():
            left[stage].update(rows)
    for stage in ("curated_away", "capped", "downsampled"):
        for rows in work.read_all_json(f"rows-{stage}"):
            left[stage].update(rows)
    if recipe.downsampling is not None and recipe.downsampling.counts:
        for direction, number in sorted(counted_rows(work, COUNTS).items()):
            recipe.downsampling.warn_of_few(direction, number)
    check_left(left, recipe)
    shards = sorted((work.folder / "data").glob("*.parquet"))
    hinted: Counter[str] = Counter()
    if recipe.mixture is None:
        for rows in work.read_all_json("counts-hinted"):
            hinted.update(rows)
        first = Dataset.from_parquet(str(shards[0]), cache_dir=str(work.folder / "cache"))
        made = {
            "rows": left["downsampled"].total(),
            "prompt_check": check_prompts(first, recipe.training, recipe.prompting.thinking),
        }
    else:
        mixture = mixture_record(work)
        report(mixture)
        made = {"rows": mixture["rows"], "mixture": mixture}
    stages = count_stages(left, hinted)
    result_facts = {**made, "directions": stages, "groups": by_group(stages)}
    curation = {"steps": [_merged(step.name, work) for step in recipe.steps]} if recipe.steps else None
    run = complete_record(_with_counts(run, work), recipe, curation, result_facts, seconds)
    warn_of_gaps(run)

    def fill(draft: Path) -> None:
        (draft / "data").mkdir()
        for number, shard in enumerate(shards):
            # Linked and not moved: killed here, the same command finds its shards again.
            os.link(shard, draft / "data" / f"train-{number:05d}-of-{len(shards):05d}.parquet")
        (draft / RECORD).write_text(json_text(run, indent=2) + "\n", "utf-8")
        write_prepared_card(run, draw_directions(run["counts"]["directions"], draft), draft)

    put_in_place(output, workspace, fill)
    return run


def _with_counts(run: PreparedRecord, work: ShardedWork) -> PreparedRecord:
    """Put the counts of the sources where `start_record` has them when they are known at once."""
    data: list[Any] = []
    for facts, (tally, notes) in zip(run["data"], work.tallies(), strict=True):
        fields: Any = dict(facts)
        fingerprint = fields.pop("fingerprint")
        data.append({**fields, **tally.counts(notes), "fingerprint": fingerprint})
    return {**run, "data": data}


def _merged(name: str, work: ShardedWork) -> dict[str, Any]:
    """Sum the counts of a step over the tasks, in the form of `curate`."""
    counts = work.read_all_json(f"counts-{name}")
    reasons: Counter[str] = Counter()
    directions: dict[str, Counter[str]] = defaultdict(Counter)
    for part in counts:
        reasons.update(part["reasons"])
        for direction, rows in part["directions"].items():
            directions[direction].update(rows)
    return {
        "name": name,
        "rejected": reasons.total(),
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "directions": {direction: directions[direction] for direction in sorted(directions)},
        "notes": merged_notes(name, [part["notes"] for part in counts]),
    }


def merged_notes(name: str, notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge what a step notes in each task: counts of rows are summed, and facts of evaluation sets are one.

    Args:
        name (`str`): Name of the step.
        notes (`Sequence[Mapping[str, Any]]`): Its notes in each task.

    Returns:
        `dict[str, Any]`: The notes of all.
    """
    if name == EvaluationOverlap.name:
        return dict(notes[0])
    merged: dict[str, Any] = {}
    for part in notes:
        for key, value in part.items():
            if isinstance(value, Mapping):
                totals = Counter(merged.get(key, {}))
                totals.update(value)
                merged[key] = dict(totals)
            else:
                merged[key] = merged.get(key, 0) + value
    return merged
