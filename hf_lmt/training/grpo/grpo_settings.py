"""The settings of TRL's GRPOTrainer by a recipe, and what of them is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.recipes.reinforcement import AGGREGATION, NORMALIZED
from hf_lmt.training.grpo.reward_functions import RewardFunctions
from hf_lmt.training.watching.watched_figures import NAMES

DEFAULTS = {"num_generations_eval": 1}  # ours: the mean over the held-out rows is what counts, not their spread
FIXED = {"shuffle_dataset": False, "remove_unused_columns": False}
RECORDED = (
    "num_generations",
    "temperature",
    "top_p",
    "max_completion_length",
    "beta",
    "num_iterations",
    "steps_per_generation",
    "scale_rewards",
    "multi_objective_aggregation",
    "mask_truncated_completions",
    "use_vllm",
)
"""Settings that run.json has beside those of every training."""


def grpo_keys(training: Mapping[str, Any], model: Mapping[str, Any], rewards: RewardFunctions) -> dict[str, Any]:
    """Return the arguments of trl.GRPOConfig that follow from a recipe, beside where it writes.

    Several rewards are each brought to one scale in their group before they are summed, unless the recipe says
    otherwise (TRL's `multi_objective_aggregation`; arXiv 2601.05242).

    Args:
        training (`Mapping[str, Any]`): Keys of trl.GRPOConfig.
        model (`Mapping[str, Any]`): Keys of trl.ModelConfig.
        rewards (`RewardFunctions`): The functions.

    Returns:
        `dict[str, Any]`: Name -> value.
    """
    arguments = {**DEFAULTS, **training, **FIXED, "reward_weights": rewards.weights}
    if sum(weight != 0 for weight in rewards.weights) > 1:
        arguments.setdefault(AGGREGATION, NORMALIZED)
    if model.get("model_revision") not in (None, "main"):
        # the reference is loaded by name, and has to be the model that is trained
        arguments["model_init_kwargs"] = {"revision": model["model_revision"]}
    return arguments


def metrics_beside(rewards: RewardFunctions, metrics: Sequence[str]) -> dict[str, float]:
    """Return the keys of metrics of held-out rows that are not rewarded -> what a point is there.

    chrF++ is no such metric where chrF is rewarded, nor BLEU where BLEU is.

    Args:
        rewards (`RewardFunctions`): The functions.
        metrics (`Sequence[str]`): Metrics by which greedy translations are judged at each evaluation.

    Returns:
        `dict[str, float]`: As `reward_signs.reward_signs` reads it.
    """
    logged = [function.__name__ for function in rewards.functions]
    rewarded = {name for name, weight in zip(logged, rewards.weights, strict=True) if weight}
    beside = {f"eval_rewards/{name}/mean": 0.01 for name in logged if name not in rewarded}
    kinds = {name.removeprefix("gated_") for name in rewarded}
    return beside | {
        f"eval_{NAMES[metric]}_overall": 1.0
        for metric in metrics
        if metric != "ter" and NAMES[metric].removeprefix("sp") not in kinds
    }
