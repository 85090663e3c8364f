"""trial(): rows, a model and methods in; a folder out that says whether choosing helped."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.folder import read_record, write_folder
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.common.trainer.trainable import trainable_source
from hf_miwv.judging.judge_answers import judge_answers
from hf_miwv.judging.verdicts import Judge
from hf_miwv.results.methods import LOW, TARGET_METHODS, needed_columns
from hf_miwv.scoring.rating_judge import check_rating_judge
from hf_miwv.scoring.scorers import check_scorers, prompt_identity
from hf_miwv.scoring.target_set import target_identity
from hf_miwv.selection.method_defaults import needs_embeddings
from hf_miwv.training.sft_tuning import Tuning, try_out
from hf_miwv.training.training import score_before_tuning
from hf_miwv.trials.arms import LEAST_SEEDS, Arm, arms_of, steps_of_arms
from hf_miwv.trials.held_out import divide_by_prompt, length_groups, question_rows
from hf_miwv.trials.task_scores import check_tasks
from hf_miwv.trials.trial_page import write_trial_page
from hf_miwv.trials.trial_record import TrialRecord, TunedArm
from hf_miwv.trials.trial_report import (
    Measured,
    compare_arms,
    describe_measurement,
    detectable_difference,
    means_by_group,
    verdict_in_words,
)
from hf_miwv.trials.tuned_arms import LOSS, TASK, Common, measure_untuned, tune_and_measure

JUDGE = "judge"
EQUAL = ("steps", "tokens")
LORA = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}
# Epochs, schedule and decay are the paper's (arXiv 2511.07074); rate and batch, for adapters and few rows, are ours.
TRAINING = {
    "learning_rate": 2e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.03,
    "weight_decay": 0.0,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
}
OUTCOMES = {"win": 1.0, "tie": 0.0, "lose": -1.0}

logger = logging.getLogger(__name__)


def trial(
    dataset: Dataset,
    model: str,
    *,
    methods: Sequence[str],
    output_dir: str | Path,
    fraction: float | str = "0.05",
    seeds: int = 3,
    held_out: float = 0.2,
    seed: int = 0,
    evaluate: Sequence[str] = (LOSS,),
    equal: str = "steps",
    training: Mapping[str, Any] | None = None,
    lora: Mapping[str, Any] | None = LORA,
    loading: Mapping[str, Any] | None = None,
    scoring: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    source_column: str | None = None,
    judge: Judge | None = None,
    judged_rows: int = 50,
    max_new_tokens: int = 512,
    overwrite: bool = False,
    origin: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> TrialRecord:
    """Find out whether choosing rows by these methods helps this model on these rows.

    Holds out rows by a hash of the prompt, scores the others once, and tunes the model on the choice of each method
    with every seed, each for the same number of steps, and on random rows beside it. Each method is compared with
    its control (see `arms_of`), paired over held-out rows and seeds; the p-values of the methods are corrected
    together by Holm's rule. Killed at any moment, the same call goes on: what is tuned and measured stays.

    Args:
        dataset (`Dataset`): Rows of a known shape, as in `score`.
        model (`str`): Name of the causal LM: a Hub id, a folder or a GGUF file.
        methods (`Sequence[str]`): Methods of `select`; `random` or `random_by_length` must be among them.
        output_dir (`str | Path`): A folder to write: trial.html, a picture, run.json with all numbers, and the
            losses of the held-out rows as a data set. The tuned models are not kept.
        fraction (`float | str`, *optional*, defaults to `"0.05"`): Share of the rows to choose from that is kept.
        seeds (`int`, *optional*, defaults to `3`): Trainings of each arm; its number is the seed of the training
            and of the random choice. At least 2.
        held_out (`float`, *optional*, defaults to `0.2`): Share of the rows that is held out.
        seed (`int`, *optional*, defaults to `0`): Seed of the hash by which rows are held out.
        evaluate (`Sequence[str]`, *optional*): "loss": L(y|x) of the held-out rows, mean nats per response token,
            always measured; "judge": answers to held-out prompts, each method's against its control's;
            "lm-eval:TASK": a task of lm-evaluation-harness. The first is the primary one.
        equal (`str`, *optional*, defaults to `"steps"`): What all arms have in common: optimizer "steps", or
            response "tokens".
        training (`Mapping[str, Any]`, *optional*): Arguments of trl.SFTConfig, over those of TRAINING.
        lora (`Mapping[str, Any]`, *optional*): Arguments of peft.LoraConfig; None tunes all weights.
        loading (`Mapping[str, Any]`, *optional*): Arguments of `load_model`.
        scoring (`Mapping[str, Any]`, *optional*): Arguments of `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.
        source_column (`str`, *optional*): Column by which held-out losses are shown, too.
        judge (`Judge`, *optional*): Who judges answers, for "judge".
        judged_rows (`int`, *optional*, defaults to `50`): Held-out prompts that are answered.
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of an answer, at most.
        overwrite (`bool`, *optional*, defaults to `False`): Replace `output_dir` where it holds something.
        origin (`Mapping[str, Any]`, *optional*): Facts of the data and the command for run.json.
        progress (`bool`, *optional*, defaults to `True`): Show bars.

    Returns:
        `TrialRecord`: The record, as run.json has it: `comparisons` and `verdict` are what one asks for.

    Raises:
        InputError: An argument that cannot be used, fewer seeds than 2, fewer chosen rows than one step takes, a
            judge that is the tuned model.
    """
    output, processes, origin = Path(output_dir), Processes.launched(), origin or {}
    folder_run = FolderRun(output, overwrite, processes=processes)
    arms = arms_of(methods, str(fraction))
    _check(evaluate, equal, seeds, judge)
    if source_column is not None and source_column not in dataset.column_names:
        raise InputError(f"--source-column {source_column}: {did_you_mean(source_column, dataset.column_names)}")
    asks_target = [method for method in methods if method.removesuffix(LOW) in TARGET_METHODS]
    if asks_target and not (scoring or {}).get("demonstrations_from"):
        raise InputError(f"--methods {asks_target[0]}: needs a target set; give --demonstrations-from TARGET")
    pool, held = divide_by_prompt(dataset, held_out, seed, columns)
    settings = {**TRAINING, **(training or {}), "save_total_limit": 1, "report_to": "none"}
    batch = settings["per_device_train_batch_size"] * settings.get("gradient_accumulation_steps", 1) * processes.world
    settings["max_steps"] = steps_of_arms(len(pool), str(fraction), settings.pop("num_train_epochs"), batch)
    also = {name for method in methods for name in needed_columns(method)}
    scoring = {**(scoring or {}), "also": sorted({*(scoring or {}).get("also", ()), *also})}
    if any(needs_embeddings(method, None) for method in methods):
        scoring["keep_embeddings"] = True
    check_scorers(scoring["also"], scoring)
    check_rating_judge(scoring["also"], scoring)
    questions = question_rows(dataset.select(held), judged_rows, seed, columns) if JUDGE in evaluate else None
    common = Common(
        model=model,
        rows=dataset.select(pool),
        held_out=dataset.select(held),
        questions=questions,
        tasks=[name.removeprefix(TASK) for name in evaluate if name.startswith(TASK)],
        training=settings,
        lora=lora,
        loading=dict(loading or {}),
        scoring=scoring,
        columns=columns,
        equal=equal,
        max_new_tokens=max_new_tokens,
        root=workspace_of(output),
        progress=progress,
    )
    tuning = Tuning(trainable_source(model), common.loading, settings, lora, scoring.get("template"), columns)
    described = try_out(tuning)
    if judge is not None and judge.description.get("fingerprint") == described["fingerprint"]:
        raise InputError("--judge is the model that is tuned, which would judge itself; give another model")
    run: TrialRecord = {**new_record("trial", origin)}
    run["data"] = {
        "source": origin.get("source"),
        "rows": len(dataset),
        "to_choose_from": len(pool),
        "held_out": len(held),
        "fingerprint": content_fingerprint(dataset),
    }
    run["model"] = {"source": model, **described}
    run["settings"] = {
        "methods": list(methods),
        "fraction": str(fraction),
        "seeds": seeds,
        "held_out": held_out,
        "seed": seed,
        "evaluate": list(evaluate),
        "equal": equal,
        "training": settings,
        "lora": None if lora is None else dict(lora),
        "loading": dict(common.loading),
        "scoring": scoring,
        "columns": None if columns is None else dict(columns),
        "source_column": source_column,
        "judge": None if judge is None else {**judge.identity, "rows": judged_rows, "max_new_tokens": max_new_tokens},
    }
    run["identity"] = {
        "data set": run["data"]["fingerprint"],
        **target_identity(scoring, columns, common.rows),
        **prompt_identity(scoring["also"], scoring),
        "model": described["fingerprint"],
        **run["settings"],
        "processes": processes.world,
        "hf_miwv": run["package"]["version"],
        **run["versions"],
    }
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or TrialRecord()
    began = time.perf_counter()
    with folder_run.work(run["identity"]) if processes.first else nullcontext() as workspace:
        processes.agree(None)  # the first process claims the work before another looks into it
        score_before_tuning(common.rows, model, tuning, scoring, common.scored, overwrite=True)
        untuned = measure_untuned(common, workspace, processes)
        trainings, measured = _tune_arms(common, arms, seeds, workspace, processes)
        if workspace is not None:
            measurements = _measurements(measured, untuned, arms)
            if judge is not None and questions is not None:
                measurements[JUDGE] = _judged(common, arms, seeds, judge)
            names = [name for wanted in evaluate for name in measurements if name.startswith(wanted)]
            primary = measurements[names[0]]
            run["measurements"] = {name: describe_measurement(values) for name, values in measurements.items()}
            run["arms"] = {
                arm.name: {
                    "control": arm.control,
                    "trainings": trainings[arm.name],
                    "means": {
                        name: float(values.values[arm.name][:, values.usable()].mean())
                        for name, values in measurements.items()
                    },
                }
                for arm in arms
            }
            run["comparisons"] = [
                compared for name in measurements for compared in compare_arms(name, measurements[name], arms)
            ]
            run["groups"] = {
                kind: means_by_group(measurements[LOSS], arms, labels)
                for kind, labels in _groups(common.held_out, untuned["response_tokens"], source_column).items()
            }
            run["power"] = [
                detectable_difference(name, values, arms) for name, values in measurements.items() if name != JUDGE
            ]
            of_primary = [compared for compared in run["comparisons"] if compared["measurement"] == names[0]]
            seen = next((part for part in run["power"] if part["measurement"] == names[0]), None)
            run["verdict"] = verdict_in_words(of_primary, seen)
            run["timing"] = {
                "finished": datetime.now(UTC).isoformat(timespec="seconds"),
                "seconds": {"trial": round(time.perf_counter() - began, 3)},
            }
            table = _loss_table(held, untuned, measured, arms)
            write_folder(
                output, workspace, table, run, lambda folder: write_trial_page(run, names[0], primary, folder)
            )
    processes.agree(None)  # nobody leaves before the output is there
    return read_record(output) or TrialRecord()


def _check(evaluate: Sequence[str], equal: str, seeds: int, judge: Judge | None) -> None:
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


def _tune_arms(
    common: Common, arms: Sequence[Arm], seeds: int, workspace: Workspace | None, processes: Processes
) -> tuple[dict[str, list[TunedArm]], dict[str, list[dict[str, np.ndarray]]]]:
    """Return facts and measurements of each arm by name, one of each seed."""
    trainings: dict[str, list[TunedArm]] = {arm.name: [] for arm in arms}
    measured: dict[str, list[dict[str, np.ndarray]]] = {arm.name: [] for arm in arms}
    for number, arm in enumerate(arms, start=1):
        for seed in range(seeds):
            if processes.first:
                logger.info("arm %d of %d: %s, seed %d of %d", number, len(arms), arm.name, seed + 1, seeds)
            tuned, values = tune_and_measure(common, arm, seed, workspace, processes)
            trainings[arm.name].append(tuned)
            measured[arm.name].append(values)
    return trainings, measured


def _measurements(
    measured: Mapping[str, Sequence[Mapping[str, np.ndarray]]], untuned: Mapping[str, np.ndarray], arms: Sequence[Arm]
) -> dict[str, Measured]:
    """Put the loss, then the tasks, into one array of each arm: (seeds, rows or questions)."""
    names = [name for name in untuned if name != "response_tokens"]
    return {
        name: Measured(
            {arm.name: np.stack([values[name] for values in measured[arm.name]]) for arm in arms},
            untuned[name],
            lower_is_better=name == LOSS,
            unit="nats per response token" if name == LOSS else "share of the questions",
        )
        for name in names
    }


def _judged(common: Common, arms: Sequence[Arm], seeds: int, judge: Judge) -> Measured:
    """Let the judge compare each method's answers with its control's: 1 for a win, 0 for a tie, -1 for a loss."""
    values = {arm.name: np.zeros((seeds, len(common.questions or ()))) for arm in arms}
    controls = {arm.name: arm for arm in arms}
    for arm in arms:
        if arm.control is None:
            continue
        for seed in range(seeds):
            folder = common.root / "judged" / arm.folder(seed)
            control = common.answers(controls[arm.control], seed)
            judge_answers(common.answers(arm, seed), control, judge, folder, overwrite=True, progress=common.progress)
            outcomes = read_dataset(folder)["outcome"]
            # A pair without a verdict has no value, and is left out of every comparison.
            values[arm.name][seed] = [OUTCOMES.get(outcome, np.nan) for outcome in outcomes]
    return Measured(values, None, lower_is_better=False, unit="wins less losses, as a share of the pairs")


def _groups(held_out: Dataset, tokens: np.ndarray, source_column: str | None) -> dict[str, list[str]]:
    groups = {"length": length_groups(tokens)}
    if source_column is not None:
        groups[source_column] = [str(value) for value in held_out[source_column]]
    return groups


def _loss_table(
    held: np.ndarray,
    untuned: Mapping[str, np.ndarray],
    measured: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    arms: Sequence[Arm],
) -> Dataset:
    """Tabulate the losses of each held-out row: of the untuned model, and of each arm with each seed."""
    columns: dict[str, Any] = {
        "row": held,
        "response_tokens": untuned["response_tokens"].astype(np.int64),
        "loss_untuned": untuned[LOSS],
    }
    for arm in arms:
        for seed, values in enumerate(measured[arm.name]):
            columns[f"loss_{arm.name}_{seed}"] = values[LOSS]
    # A row without a loss is null, as everywhere else.
    nulls = {
        name: [None if isinstance(value, float) and np.isnan(value) else value for value in values.tolist()]
        for name, values in columns.items()
    }
    return Dataset.from_dict(nulls)
