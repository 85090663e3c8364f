"""trial(): rows, a model and methods in; a folder out that says whether choosing helped."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.folder import read_record, write_folder
from hf_miwv.common.runs.folder_run import FolderRun
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.common.trainer.trainable import trainable_source
from hf_miwv.judging.verdicts import Judge
from hf_miwv.training.sft_tuning import Tuning, try_out
from hf_miwv.training.training import score_before_tuning
from hf_miwv.trials.arms import arms_of
from hf_miwv.trials.held_out import divide_by_prompt, group_rows, question_rows
from hf_miwv.trials.measurements import judge_arms, loss_table, measurements_of_arms, tune_arms
from hf_miwv.trials.recording import complete_record, settings_of_arms, start_record
from hf_miwv.trials.trial_arguments import JUDGE, check_trial, scoring_of_methods, training_of_arms
from hf_miwv.trials.trial_page import write_trial_page
from hf_miwv.trials.trial_record import TrialRecord
from hf_miwv.trials.tuned_arms import LOSS, TASK, Common, measure_untuned

LORA = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear"}


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
    check_trial(dataset.column_names, methods, seeds, evaluate, equal, scoring, source_column, judge)
    pool, held = divide_by_prompt(dataset, held_out, seed, columns)
    common = Common(
        model=model,
        rows=dataset.select(pool),
        held_out=dataset.select(held),
        training=training_of_arms(training, len(pool), str(fraction), processes.world),
        scoring=scoring_of_methods(scoring, methods),
        questions=question_rows(dataset.select(held), judged_rows, seed, columns) if JUDGE in evaluate else None,
        tasks=[name.removeprefix(TASK) for name in evaluate if name.startswith(TASK)],
        lora=lora,
        loading=dict(loading or {}),
        columns=columns,
        equal=equal,
        max_new_tokens=max_new_tokens,
        root=workspace_of(output),
        progress=progress,
    )
    # What cannot be tuned is refused here, hours before the first training.
    tuning = Tuning(
        trainable_source(model), common.loading, common.training, lora, common.scoring.get("template"), columns
    )
    described = try_out(tuning)
    if judge is not None and judge.description.get("fingerprint") == described["fingerprint"]:
        raise InputError("--judge is the model that is tuned, which would judge itself; give another model")
    settings: dict[str, Any] = {"methods": list(methods), "fraction": str(fraction), "seeds": seeds}
    settings |= {"held_out": held_out, "seed": seed, "evaluate": list(evaluate)}
    settings |= {**settings_of_arms(common), "source_column": source_column, "judge": None}
    if judge is not None:
        settings["judge"] = {**judge.identity, "rows": judged_rows, "max_new_tokens": max_new_tokens}
    run = start_record(common, dataset, described, settings, origin, processes.world)
    if folder_run.is_finished(run["identity"]):
        return read_record(output) or TrialRecord()

    began = time.perf_counter()
    with folder_run.work(run["identity"]) if processes.first else nullcontext() as workspace:
        processes.agree(None)  # the first process claims the work before another looks into it
        # Scored once: the arms left take their rows from the same scores, where these would be rounded otherwise now.
        if read_record(common.scored) is None:
            score_before_tuning(common.rows, model, tuning, common.scoring, common.scored)
        untuned = measure_untuned(common, workspace, processes)
        trainings, measured = tune_arms(common, arms, seeds, workspace, processes)
        if workspace is not None:
            measurements = measurements_of_arms(measured, untuned, arms)
            if judge is not None:
                measurements[JUDGE] = judge_arms(common, arms, seeds, judge)
            primary = next(name for name in measurements if name.startswith(evaluate[0]))
            groups = group_rows(common.held_out, untuned["response_tokens"], source_column)
            seconds = time.perf_counter() - began
            run = complete_record(run, measurements, arms, trainings, groups, primary, seconds)
            table = loss_table(held, untuned, measured, arms)
            page = partial(write_trial_page, run, primary, measurements[primary])
            write_folder(output, workspace, table, run, page)
    processes.agree(None)  # nobody leaves before the output is there
    return read_record(output) or TrialRecord()
