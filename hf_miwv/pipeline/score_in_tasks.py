"""`score` in many tasks, to the rows and scores of one process."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.executors.executor_settings import ExecutorSettings
from hf_miwv.common.executors.run_stages import run_stages
from hf_miwv.common.executors.same_code import running_code
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.processes import Processes
from hf_miwv.pipeline.scoring_stages import stages_of
from hf_miwv.pipeline.scoring_tasks import PLAN, ScoringTasks, TaskJourney
from hf_miwv.prompts.run_date import parse_date, run_date
from hf_miwv.rows.columns import check_columns
from hf_miwv.rows.schema import ALPAGASUS, DEITA, KCENTER, recognize
from hf_miwv.scoring.make_journey import make_journey
from hf_miwv.scoring.rating_judge import check_rating_judge
from hf_miwv.scoring.score_arguments import check_rows, check_settings
from hf_miwv.scoring.scorers import check_scorers
from hf_miwv.scoring.scoring import score, write_scored

LOGS = "tasks"  # in the work folder: datatrove's logs and completion markers
# Methods that are no map over rows and passes, with the reason.
NOT_IN_TASKS = {
    KCENTER: "the hidden states that it goes by stay in the process that has run the rows",
    DEITA: "its scorers are loaded by one process, one after the other",
    ALPAGASUS: "its judge is asked by one process, which writes the replies down",
}
# Arguments of `score` that say where rows and results are, and not how rows are scored.
OUTSIDE = (
    *("dataset", "model", "split", "config", "data_revision", "field", "output_dir", "date", "overwrite"),
    *("columns", "overwrite_columns", "origin", "progress", "demonstrations_from", "demonstrations_split"),
)

logger = logging.getLogger(__name__)


def score_in_tasks(
    source: Source,
    model: str,
    output: Path,
    executor: ExecutorSettings,
    *,
    origin: Mapping[str, Any],
    columns: Mapping[str, str] | None = None,
    overwrite: bool = False,
    overwrite_columns: bool = False,
    date: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> Dataset:
    """Score the rows of a source in tasks, and write what `score` writes.

    Chunks of rows are embedded by task; neighbors are searched for by shares of the rows, exactly or in the graphs of
    an index, of which each task has built some; rows and neighbors whose passes share tokens are scored by one task.
    Each task loads models and tokenizes all rows. Neighbors do not depend on the number of tasks; batches of other
    rows round the losses otherwise, as other processes do.

    Args:
        source (`Source`): The rows.
        model (`str`): The causal language model.
        output (`Path`): The folder to write.
        executor (`ExecutorSettings`): Where the tasks run.
        origin (`Mapping[str, Any]`): Facts for run.json of where the rows come from.
        columns (`Mapping[str, str]`, *optional*): As in `score`.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output` where it holds something.
        overwrite_columns (`bool`, *optional*, defaults to `False`): As in `score`.
        date (`str`, *optional*): As in `score`.
        progress (`bool`, *optional*, defaults to `True`): Show bars.
        **settings (`Any`): Further arguments of `score`.

    Returns:
        `Dataset`: The scored rows.

    Raises:
        InputError: as `score`; another executor than "local"; or a task fails, and which.
    """
    if executor.kind != "local":
        raise InputError(
            f"--executor {executor.kind}: rows are scored in tasks on one machine so far; give local:TASKS, or begin "
            "the command by `accelerate launch` for several GPUs or machines"
        )
    settings = _with_defaults(settings)
    for name in settings["also"]:
        if name in NOT_IN_TASKS:
            raise InputError(
                f"--also {name}: is not measured in tasks, because {NOT_IN_TASKS[name]}; leave --executor or this "
                "method out"
            )
    check_scorers(settings["also"], settings)
    check_rating_judge(settings["also"], settings)
    names = ("pooling", "embed_text", "batch_tokens", "also", "unreadable_rows")
    check_settings(*(settings[name] for name in names))
    folder_run = FolderRun(output, overwrite, inputs=[source.local_path])
    dataset = read_dataset(source)
    check_rows(dataset, settings["neighbors"])
    today = parse_date(date)
    dataset = check_columns(dataset, overwrite_columns)
    shape = recognize(dataset.column_names, columns, dataset[0])
    journey, run = make_journey(
        dataset,
        shape,
        model,
        None,
        settings,
        origin=origin,
        today=today or (lambda tokenizer: run_date(tokenizer, output, overwrite, Processes())),
        processes=Processes(),
        progress=progress,
    )
    if folder_run.is_finished(run["identity"]):
        return read_dataset(str(output))
    code = running_code()
    with folder_run.work({**run["identity"], "tasks": executor.tasks, "code": code}) as workspace:
        workspace.write_json(PLAN, {"tasks": executor.tasks, "code": code})
        tasks = ScoringTasks(
            *(source, model, settings, columns, overwrite_columns, dict(origin), journey.prompts.date),
            *(workspace.folder.absolute(), executor.tasks, code),
        )
        run_stages(stages_of(tasks, journey.search), executor, workspace.folder / LOGS, progress)
        task_journey = TaskJourney.of(journey, tasks)
        scored = write_scored(task_journey, run, output, workspace)
    if journey.search == "index":  # of which the tasks have told only their own logs
        search = task_journey.stages["neighbors"]
        logger.info("neighbors by an index: recall %.3f on %d rows", search["recall"], search["recall_sample"])
    return scored


def _with_defaults(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of `score` that say how rows are scored."""
    parameters = inspect.signature(score).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items() if name not in OUTSIDE}
    return {**defaults, **settings}
