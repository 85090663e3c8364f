"""Tasks of lm-evaluation-harness, run on a loaded model; imported only when asked for (extra `trial`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.models import LoadedModel

# Examples in front of a question, as the Open LLM Leaderboard and arXiv 2511.07074 have them; others by the task.
FEW_SHOT = {"arc_challenge": 25, "hellaswag": 10, "mmlu": 5, "truthfulqa_mc2": 0}
METRICS = ("acc_norm", "acc", "exact_match")  # the first that a task has


def check_tasks(tasks: Sequence[str]) -> None:
    """Check that lm-eval is installed and knows the tasks, before any model is loaded.

    Args:
        tasks (`Sequence[str]`): Names of tasks, or YAML files that are called as the task in them.

    Raises:
        InputError: lm-eval is not installed, or a task is unknown.
    """
    manager = _task_manager(tasks)
    for task in filter(_is_file, tasks):
        if _name_of(task) not in manager.all_tasks:
            raise InputError(
                f"lm-eval:{task}: holds no task of that name; it must be there, and have `task: {_name_of(task)}`"
            )
    unknown = [task for task in tasks if _name_of(task) not in manager.all_tasks]
    if unknown:
        raise InputError(
            f"lm-eval:{','.join(unknown)}: lm-eval has no task of that name; `lm-eval ls tasks` lists them, and a "
            "YAML file of a task is taken, too"
        )


def task_scores(loaded: LoadedModel, tasks: Sequence[str], batch_size: int = 8) -> dict[str, list[float]]:
    """Run tasks on a model: the score of each of their questions, in the order of the questions.

    The score is accuracy by the length-normalized likelihood where the task has it, else plain accuracy or the
    task's first metric.

    Args:
        loaded (`LoadedModel`): The model with its tokenizer.
        tasks (`Sequence[str]`): Names of tasks, or YAML files.
        batch_size (`int`, *optional*, defaults to `8`): Questions of a forward pass.

    Returns:
        `dict[str, list[float]]`: Task -> the score of each question; of a group of tasks, each of its parts.
    """
    from lm_eval.evaluator import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, batch_size=batch_size)
    manager = _task_manager(tasks)
    scores: dict[str, list[float]] = {}
    for task in tasks:
        # One at a time: each has its number of examples in front.
        result: Any = simple_evaluate(
            model=model,
            tasks=[_name_of(task)],
            num_fewshot=FEW_SHOT.get(task),
            task_manager=manager,
            bootstrap_iters=0,
            log_samples=True,
            verbosity="ERROR",
        )
        for name, samples in result["samples"].items():
            scores[name] = [_score(sample) for sample in sorted(samples, key=lambda sample: sample["doc_id"])]
    return scores


def _score(sample: dict[str, Any]) -> float:
    names = [name for name in METRICS if name in sample] or sample.get("metrics", [])
    value = sample[names[0]] if names else np.nan
    return float(value) if isinstance(value, (int, float)) else np.nan


def _task_manager(tasks: Sequence[str]) -> Any:
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise InputError(
            f"lm-eval:{','.join(tasks)}: lm-eval is not installed; pip install 'hf-miwv-lmt[trial]'"
        ) from error
    folders = sorted({str(Path(task).absolute().parent) for task in tasks if _is_file(task)})
    return TaskManager(include_path=folders or None, verbosity="ERROR")


def _name_of(task: str) -> str:
    """Return the name that lm-eval knows a task by: of a YAML file the file's."""
    return Path(task).stem if _is_file(task) else task


def _is_file(task: str) -> bool:
    return task.endswith((".yaml", ".yml"))
