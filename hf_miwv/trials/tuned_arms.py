"""One training of an arm, and all that is measured of the tuned model before it is removed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.common.models.models import load_model
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.common.trainer.trainable import release_memory
from hf_miwv.judging.answering import answer
from hf_miwv.selection.selection import select
from hf_miwv.training.training import train
from hf_miwv.trials.arms import Arm, steps_for_equal_tokens
from hf_miwv.trials.held_out import held_out_losses
from hf_miwv.trials.task_scores import task_scores
from hf_miwv.trials.trial_record import TunedArm

LOSS, TASK = "loss", "lm-eval:"


@dataclass(frozen=True)
class Common:
    """Hold what all arms of a trial have in common.

    Attributes:
        model (`str`): Name of the model to tune.
        rows (`Dataset`): The rows to choose from.
        held_out (`Dataset`): The rows held out.
        questions (`Dataset`, *optional*): Held-out prompts to answer, where a judge is asked.
        tasks (`Sequence[str]`): Tasks of lm-eval.
        training (`Mapping[str, Any]`): Arguments of trl.SFTConfig, `max_steps` among them.
        lora (`Mapping[str, Any]`, *optional*): Arguments of peft.LoraConfig; None tunes all weights.
        loading (`Mapping[str, Any]`): Arguments of `load_model`.
        scoring (`Mapping[str, Any]`): Arguments of `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of the data.
        equal (`str`): "steps" or "tokens".
        max_new_tokens (`int`): Tokens of an answer, at most.
        root (`Path`): Folder of the unfinished work.
        progress (`bool`): Show bars.
    """

    model: str
    rows: Dataset
    held_out: Dataset
    questions: Dataset | None
    tasks: Sequence[str]
    training: Mapping[str, Any]
    lora: Mapping[str, Any] | None
    loading: Mapping[str, Any]
    scoring: Mapping[str, Any]
    columns: Mapping[str, str] | None
    equal: str
    max_new_tokens: int
    root: Path
    progress: bool

    @property
    def scored(self) -> Path:
        """Return the folder of the scored rows, which all arms choose from."""
        return self.root / "scored"

    def answers(self, arm: Arm, seed: int) -> Path:
        """Return the file of an arm's answers.

        Args:
            arm (`Arm`): The arm.
            seed (`int`): Its seed.

        Returns:
            `Path`: The file.
        """
        return self.root / "answers" / f"{arm.folder(seed)}.jsonl"


def tune_and_measure(
    common: Common, arm: Arm, seed: int, workspace: Workspace | None, processes: Processes
) -> tuple[TunedArm, dict[str, np.ndarray]]:
    """Tune the model on an arm's rows with a seed, measure it, and remove it; done once, also after a kill.

    Args:
        common (`Common`): What all arms have in common.
        arm (`Arm`): The arm.
        seed (`int`): Seed of the training, and of a random choice.
        workspace (`Workspace`, *optional*): Where the result is kept; the first process has it.
        processes (`Processes`): The processes at this job.

    Returns:
        `tuple[TunedArm, dict[str, np.ndarray]]`: Facts of the training, and the values of `measure`.
    """
    name = f"{arm.folder(seed)}.json"
    if (done := _kept(name, workspace, processes)) is not None:
        return done["tuned"], _as_arrays(done["measured"])
    folder = common.root / "arms" / arm.folder(seed)
    selection = {**arm.selection, "seed": seed}
    chosen = select(common.scored, **selection)
    response_tokens = float(np.mean(chosen["response_tokens"]))
    steps = common.training["max_steps"]
    if common.equal == "tokens":
        of_pool = float(np.mean(select(common.scored, method="length", fraction=1)["response_tokens"]))
        steps = steps_for_equal_tokens(steps, response_tokens, of_pool)
    run = train(
        common.rows,
        common.model,
        output_dir=folder,
        scored=common.scored,
        selection=selection,
        training={**common.training, "max_steps": steps, "save_steps": steps, "seed": seed},
        lora=common.lora,
        loading=common.loading,
        scoring=common.scoring,
        columns=common.columns,
        overwrite=True,  # only ever ours
    )
    measured = measure(common, str(folder), processes, common.answers(arm, seed))
    tuned: TunedArm = {
        "seed": seed,
        "rows": len(chosen),
        "steps": run["steps"],
        "tokens": run["rows"]["tokens"],
        "response_tokens": response_tokens,
    }
    if workspace is not None:
        workspace.write_json(name, {"tuned": tuned, "measured": _as_lists(measured)})
        shutil.rmtree(folder, ignore_errors=True)
    processes.agree(None)  # nobody looks for the next arm's rows while this one is removed
    return tuned, measured


def measure_untuned(common: Common, workspace: Workspace | None, processes: Processes) -> dict[str, np.ndarray]:
    """Measure the model before any tuning; done once, also after a kill.

    Args:
        common (`Common`): What all arms have in common.
        workspace (`Workspace`, *optional*): Where the result is kept; the first process has it.
        processes (`Processes`): The processes at this job.

    Returns:
        `dict[str, np.ndarray]`: The values of `measure`.
    """
    if (done := _kept("untuned.json", workspace, processes)) is not None:
        return _as_arrays(done)
    measured = measure(common, common.model, processes)
    if workspace is not None:
        workspace.write_json("untuned.json", _as_lists(measured))
    return measured


def measure(common: Common, source: str, processes: Processes, answers: Path | None = None) -> dict[str, np.ndarray]:
    """Load a model and measure all that the trial asks of it.

    Args:
        common (`Common`): What all arms have in common.
        source (`str`): The model: a name or a folder.
        processes (`Processes`): The processes at this job.
        answers (`Path`, *optional*): The file for its answers, where there are questions.

    Returns:
        `dict[str, np.ndarray]`: "loss": (R,) nats per response token of the held-out rows; "response_tokens": (R,);
        "lm-eval:TASK": (Q,) scores of its questions.
    """
    loaded = load_model(source, **common.loading)
    losses, tokens = held_out_losses(
        loaded,
        common.held_out,
        common.root / "losses",
        processes,
        template=common.scoring.get("template"),
        columns=common.columns,
        max_length=common.scoring.get("max_length"),
        date=((read_record(common.scored) or {}).get("template") or {}).get("date"),
        progress=common.progress,
    )
    measured = {LOSS: losses, "response_tokens": tokens.astype(np.float64)}
    # Tasks and answers are not dealt out: the first process runs them, the others wait.
    if processes.first and common.tasks:
        scores = task_scores(loaded, common.tasks)
        measured |= {f"{TASK}{name}": np.array(values) for name, values in scores.items()}
    if processes.first and answers is not None and common.questions is not None:
        answers.parent.mkdir(exist_ok=True)
        answer(
            common.questions,
            loaded,
            answers,
            source="held-out rows",
            template=common.scoring.get("template"),
            max_new_tokens=common.max_new_tokens,
            overwrite=True,
            progress=common.progress,
        )
    del loaded
    release_memory()  # the next model needs the room
    return processes.agree(measured)


def _kept(name: str, workspace: Workspace | None, processes: Processes) -> Any:
    return processes.agree(None if workspace is None else workspace.read_json(name))


def _as_lists(measured: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in measured.items()}


def _as_arrays(lists: Mapping[str, Sequence[float | None]]) -> dict[str, np.ndarray]:
    # A value that is not finite is null in JSON.
    return {name: np.array(values, dtype=np.float64) for name, values in lists.items()}
