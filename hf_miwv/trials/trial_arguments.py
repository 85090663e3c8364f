"""The arguments of a trial: checked, and completed by what its methods need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.judging.verdicts import Judge
from hf_miwv.results.methods import LOW, TARGET_METHODS, needed_columns
from hf_miwv.scoring.rating_judge import check_rating_judge
from hf_miwv.scoring.scorers import check_scorers
from hf_miwv.selection.method_defaults import needs_embeddings
from hf_miwv.trials.arms import LEAST_SEEDS, steps_of_arms
from hf_miwv.trials.task_scores import check_tasks
from hf_miwv.trials.tuned_arms import LOSS, TASK

JUDGE = "judge"
EQUAL = ("steps", "tokens")
# Epochs, schedule and decay are the paper's (arXiv 2511.07074); rate and batch, for adapters and few rows, are ours.
TRAINING = {
    "learning_rate": 2e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.03,
    "weight_decay": 0.0,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
}


def check_trial(
    column_names: Sequence[str],
    methods: Sequence[str],
    seeds: int,
    evaluate: Sequence[str],
    equal: str,
    scoring: Mapping[str, Any] | None,
    source_column: str | None,
    judge: Judge | None,
) -> None:
    """Check the arguments of `trial`, with the columns of its data set.

    Args:
        column_names (`Sequence[str]`): Columns of the data set.
        methods (`Sequence[str]`): This and all others as in `trial`.
        seeds (`int`): Trainings of each arm.
        evaluate (`Sequence[str]`): What is measured.
        equal (`str`): What all arms have in common.
        scoring (`Mapping[str, Any]`, *optional*): Arguments of `score`.
        source_column (`str`, *optional*): Column by which losses are shown, too.
        judge (`Judge`, *optional*): Who judges answers.

    Raises:
        InputError: One of them cannot be used.
    """
    for name in evaluate:
        if name not in (LOSS, JUDGE) and not name.startswith(TASK):
            hint = did_you_mean(name, (LOSS, JUDGE, f"{TASK}arc_easy"))
            raise InputError(f"--evaluate {name}: is no measurement of ours; {hint}")
    if not evaluate:
        raise InputError("--evaluate: nothing to measure; give loss")
    if tasks := [name.removeprefix(TASK) for name in evaluate if name.startswith(TASK)]:
        check_tasks(tasks)
    if equal not in EQUAL:
        raise InputError(f"--equal {equal}: {did_you_mean(equal, EQUAL)}")
    if seeds < LEAST_SEEDS:
        raise InputError(f"--seeds {seeds}: from one training there is no interval; give {LEAST_SEEDS} or more")
    if (JUDGE in evaluate) != (judge is not None):
        raise InputError("--evaluate judge and --judge belong together: who judges, and that it is to be done")
    if source_column is not None and source_column not in column_names:
        raise InputError(f"--source-column {source_column}: {did_you_mean(source_column, column_names)}")
    asks_target = [method for method in methods if method.removesuffix(LOW) in TARGET_METHODS]
    if asks_target and not (scoring or {}).get("demonstrations_from"):
        raise InputError(f"--methods {asks_target[0]}: needs a target set; give --demonstrations-from TARGET")


def training_of_arms(training: Mapping[str, Any] | None, rows: int, fraction: str, processes: int) -> dict[str, Any]:
    """Complete the arguments of trl.SFTConfig: all arms are tuned for the same number of steps.

    Args:
        training (`Mapping[str, Any]`, *optional*): Arguments over those of TRAINING.
        rows (`int`): Rows to choose from.
        fraction (`str`): Share of them that is kept.
        processes (`int`): Processes that train together.

    Returns:
        `dict[str, Any]`: The arguments, with `max_steps` for the epochs.

    Raises:
        InputError: The chosen rows are fewer than those of one step.
    """
    settings = {**TRAINING, **(training or {}), "save_total_limit": 1, "report_to": "none"}
    batch = settings["per_device_train_batch_size"] * settings.get("gradient_accumulation_steps", 1) * processes
    settings["max_steps"] = steps_of_arms(rows, fraction, settings.pop("num_train_epochs"), batch)
    return settings


def scoring_of_methods(scoring: Mapping[str, Any] | None, methods: Sequence[str]) -> dict[str, Any]:
    """Complete the arguments of `score` by the columns that the methods need.

    Args:
        scoring (`Mapping[str, Any]`, *optional*): Arguments of `score`.
        methods (`Sequence[str]`): Methods of `select`.

    Returns:
        `dict[str, Any]`: The arguments.

    Raises:
        InputError: A scorer or judge of a method is missing.
    """
    also = {name for method in methods for name in needed_columns(method)}
    completed = {**(scoring or {}), "also": sorted({*(scoring or {}).get("also", ()), *also})}
    if any(needs_embeddings(method, None) for method in methods):
        completed["keep_embeddings"] = True
    check_scorers(completed["also"], completed)
    check_rating_judge(completed["also"], completed)
    return completed
