"""Every arm tuned and measured, with every seed: as arrays to compare, and as a table of losses."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.judge_answers import judge_answers
from hf_miwv.judging.verdicts import Judge
from hf_miwv.trials.arms import Arm
from hf_miwv.trials.trial_record import TunedArm
from hf_miwv.trials.trial_report import Measured
from hf_miwv.trials.tuned_arms import LOSS, Common, tune_and_measure

OUTCOMES = {"win": 1.0, "tie": 0.0, "lose": -1.0}

logger = logging.getLogger(__name__)


def tune_arms(
    common: Common, arms: Sequence[Arm], seeds: int, workspace: Workspace | None, processes: Processes
) -> tuple[dict[str, list[TunedArm]], dict[str, list[dict[str, np.ndarray]]]]:
    """Tune and measure every arm with every seed; what an earlier run has done is taken from its work.

    Args:
        common (`Common`): What all arms have in common.
        arms (`Sequence[Arm]`): The arms.
        seeds (`int`): Trainings of each arm.
        workspace (`Workspace`, *optional*): Where results are kept; the first process has it.
        processes (`Processes`): The processes at this job.

    Returns:
        `tuple[dict[str, list[TunedArm]], dict[str, list[dict[str, np.ndarray]]]]`: By the name of the arm, facts and
        values of its trainings, one of each seed.
    """
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


def measurements_of_arms(
    measured: Mapping[str, Sequence[Mapping[str, np.ndarray]]], untuned: Mapping[str, np.ndarray], arms: Sequence[Arm]
) -> dict[str, Measured]:
    """Put the loss, then the tasks, into one array of each arm: (seeds, rows or questions).

    Args:
        measured (`Mapping[str, Sequence[Mapping[str, np.ndarray]]]`): Values of each arm, one of each seed.
        untuned (`Mapping[str, np.ndarray]`): Values of the model before any tuning.
        arms (`Sequence[Arm]`): The arms.

    Returns:
        `dict[str, Measured]`: The measurements by name.
    """
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


def judge_arms(common: Common, arms: Sequence[Arm], seeds: int, judge: Judge) -> Measured:
    """Let the judge compare each method's answers with its control's: 1 for a win, 0 for a tie, -1 for a loss.

    Args:
        common (`Common`): What all arms have in common.
        arms (`Sequence[Arm]`): The arms, whose answers are written.
        seeds (`int`): Trainings of each arm.
        judge (`Judge`): Who judges.

    Returns:
        `Measured`: The measurement.
    """
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


def loss_table(
    held: np.ndarray,
    untuned: Mapping[str, np.ndarray],
    measured: Mapping[str, Sequence[Mapping[str, np.ndarray]]],
    arms: Sequence[Arm],
) -> Dataset:
    """Tabulate the losses of each held-out row: of the untuned model, and of each arm with each seed.

    Args:
        held (`np.ndarray`): (R,) int64 positions of the held-out rows.
        untuned (`Mapping[str, np.ndarray]`): Values of the model before any tuning.
        measured (`Mapping[str, Sequence[Mapping[str, np.ndarray]]]`): Values of each arm, one of each seed.
        arms (`Sequence[Arm]`): The arms.

    Returns:
        `Dataset`: R rows; a row without a loss is null.
    """
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
