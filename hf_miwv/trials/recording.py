"""The record of a trial, as it begins and with its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from datasets import Dataset

from hf_miwv.common.runs.fingerprints import content_fingerprint
from hf_miwv.common.runs.record import new_record
from hf_miwv.scoring.scorers import prompt_identity
from hf_miwv.scoring.target_set import target_identity
from hf_miwv.trials.arms import Arm
from hf_miwv.trials.trial_arguments import JUDGE
from hf_miwv.trials.trial_record import TrialRecord, TunedArm
from hf_miwv.trials.trial_report import (
    Measured,
    compare_arms,
    describe_measurement,
    detectable_difference,
    means_by_group,
    verdict_in_words,
)
from hf_miwv.trials.tuned_arms import LOSS, Common


def settings_of_arms(common: Common) -> dict[str, Any]:
    """List the settings that all arms have in common.

    Args:
        common (`Common`): What all arms have in common.

    Returns:
        `dict[str, Any]`: The settings by name.
    """
    return {
        "equal": common.equal,
        "training": common.training,
        "lora": None if common.lora is None else dict(common.lora),
        "loading": dict(common.loading),
        "scoring": common.scoring,
        "columns": None if common.columns is None else dict(common.columns),
    }


def start_record(
    common: Common,
    dataset: Dataset,
    described: Mapping[str, Any],
    settings: Mapping[str, Any],
    origin: Mapping[str, Any],
    processes: int,
) -> TrialRecord:
    """Begin the record with what is known before anything is scored, and the run's "identity".

    Args:
        common (`Common`): What all arms have in common.
        dataset (`Dataset`): All rows.
        described (`Mapping[str, Any]`): Facts of the model, its fingerprint among them.
        settings (`Mapping[str, Any]`): Arguments of `trial` that decide about the result.
        origin (`Mapping[str, Any]`): Facts of the data and the command.
        processes (`int`): Processes at this job.

    Returns:
        `TrialRecord`: The record.
    """
    run: TrialRecord = {**new_record("trial", origin)}
    run["data"] = {
        "source": origin.get("source"),
        "rows": len(dataset),
        "to_choose_from": len(common.rows),
        "held_out": len(common.held_out),
        "fingerprint": content_fingerprint(dataset),
    }
    run["model"] = {"source": common.model, **described}
    run["settings"] = dict(settings)
    run["identity"] = {
        "data set": run["data"]["fingerprint"],
        **target_identity(common.scoring, common.columns, common.rows),
        **prompt_identity(common.scoring["also"], common.scoring),
        "model": described["fingerprint"],
        **run["settings"],
        "processes": processes,
        "device": described["device"],
        "hf_miwv": run["package"]["version"],
        **run["versions"],
    }
    return run


def complete_record(
    run: TrialRecord,
    measurements: Mapping[str, Measured],
    arms: Sequence[Arm],
    trainings: Mapping[str, list[TunedArm]],
    groups: Mapping[str, Sequence[str]],
    primary: str,
    seconds: float,
) -> TrialRecord:
    """Complete the record with comparisons, what could have been seen, and the verdict.

    Args:
        run (`TrialRecord`): The record as it was begun.
        measurements (`Mapping[str, Measured]`): The measurements by name.
        arms (`Sequence[Arm]`): The arms.
        trainings (`Mapping[str, list[TunedArm]]`): Facts of the trainings of each arm.
        groups (`Mapping[str, Sequence[str]]`): By kind, the (R,) group of each held-out row.
        primary (`str`): Name of the measurement that the verdict is about.
        seconds (`float`): How long the trial took.

    Returns:
        `TrialRecord`: The complete record.
    """
    comparisons = [compared for name in measurements for compared in compare_arms(name, measurements[name], arms)]
    power = [detectable_difference(name, values, arms) for name, values in measurements.items() if name != JUDGE]
    return {
        **run,
        "measurements": {name: describe_measurement(values) for name, values in measurements.items()},
        "arms": {
            arm.name: {
                "control": arm.control,
                "trainings": trainings[arm.name],
                "means": {
                    name: float(values.values[arm.name][:, values.usable()].mean())
                    for name, values in measurements.items()
                },
            }
            for arm in arms
        },
        "comparisons": comparisons,
        "groups": {kind: means_by_group(measurements[LOSS], arms, labels) for kind, labels in groups.items()},
        "power": power,
        "verdict": verdict_in_words(
            [compared for compared in comparisons if compared["measurement"] == primary],
            next((seen for seen in power if seen["measurement"] == primary), None),
        ),
        "timing": {
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": {"trial": round(seconds, 3)},
        },
    }
