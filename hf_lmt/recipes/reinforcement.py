"""The keys of stage grpo in a recipe: which rewards, how many completions, and what cannot be together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_keys import GRPO, OF_GRPO, TopKeys
from hf_lmt.rewards.named_rewards import OVERLAP, PACKAGE, make_reward
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.recipes.batch import ACCUMULATION, DEFAULT_PER_DEVICE, PER_DEVICE
from hf_miwv.common.recipes.fields import field_hints
from hf_miwv.common.recipes.values import fault_of

NUM_GENERATIONS = 8  # TRL's default, and the paper's
MAX_COMPLETION_LENGTH = 256  # TRL's default
SWAMPED = 10.0  # times the scale of another reward; ours
AGGREGATION, NORMALIZED, SUMMED = "multi_objective_aggregation", "normalize_then_sum", "sum_then_normalize"


@dataclass(frozen=True)
class RewardSettings:
    """A reward of a recipe; a name alone stands for `{reward: NAME}`.

    Args:
        reward (`str`): A name of `hf_lmt.rewards`, or the dotted path of a function.
        model (`str`, *optional*): COMET model, folder or OWNER/NAME, in place of COMET-22 or CometKiwi-22.
        dtype (`str`, *optional*): Of that model's encoder; bfloat16 on an accelerator, float32 on a CPU.
        device (`str`, *optional*): Where it lies; by default the device of each process.
        base_url (`str`, *optional*): Address of `hf-lmt serve-comet`, whose model scores in place of one in the
            processes of the training; without model, dtype and device.
    """

    reward: str
    model: str | None = None
    dtype: str | None = None
    device: str | None = None
    base_url: str | None = None


@dataclass(frozen=True)
class Reinforcement:
    """Settings of what stage grpo is rewarded for.

    Attributes:
        rewards (`tuple[RewardSettings, ...]`): The rewards in the order of the recipe, at least one.
        watched (`tuple[RewardSettings, ...]`): Rewards that are logged beside them, with weight 0.
        max_prompt_length (`int`): Tokens of a prompt, at most.
        max_steps_without_spread (`int`): Steps after one another in which no group has two different rewards, before
            the training stops.
    """

    rewards: tuple[RewardSettings, ...]
    watched: tuple[RewardSettings, ...]
    max_prompt_length: int
    max_steps_without_spread: int


@dataclass(frozen=True)
class Rollouts:
    """How many completions TRL makes, by the recipe and the launch.

    Attributes:
        step (`int`): Completions of an optimizer step.
        generated (`int`): Completions of a generation, which may serve several steps.
        at_once (`int`): Completions of a generation on each device.
        generations (`int`): Completions of a prompt.
        batches (`int`): Batches of a device, which a generation is cut into.
        iterations (`int`): How often each completion is learned from.
    """

    step: int
    generated: int
    at_once: int
    generations: int
    batches: int
    iterations: int

    @property
    def prompts(self) -> int:
        """Return the prompts of a generation."""
        return self.generated // self.generations

    @property
    def passes(self) -> int:
        """Return the batches of a device after which TRL generates anew."""
        return self.batches * self.iterations


def rollouts_of(training: Mapping[str, Any], processes: int) -> Rollouts:
    """Count completions as trl.GRPOConfig does.

    Args:
        training (`Mapping[str, Any]`): Keys of trl.GRPOConfig, the accumulation among them.
        processes (`int`): Of the whole run.

    Returns:
        `Rollouts`: The counts; `generated` need not be a multiple of `generations`, which is a fault.
    """
    each = training.get(PER_DEVICE, DEFAULT_PER_DEVICE)
    accumulation = training.get(ACCUMULATION, 1)
    size = training.get("generation_batch_size")
    batches = training.get("steps_per_generation") or (size // (each * processes) if size else accumulation)
    return Rollouts(
        step=processes * each * accumulation,
        generated=size or processes * each * batches,
        at_once=each * batches,
        generations=training.get("num_generations", NUM_GENERATIONS),
        batches=batches,
        iterations=training.get("num_iterations", 1),
    )


def longest_rollout(reinforcement: Reinforcement, training: Mapping[str, Any]) -> int:
    """Return the tokens of the longest prompt and the longest completion together.

    Args:
        reinforcement (`Reinforcement`): The keys of stage grpo that are ours.
        training (`Mapping[str, Any]`): The recipe's keys about training, `max_completion_length` among them where
            given.

    Returns:
        `int`: Tokens.
    """
    return reinforcement.max_prompt_length + (training.get("max_completion_length") or MAX_COMPLETION_LENGTH)


def read_reinforcement(content: Mapping[Any, Any], top: Mapping[str, Any], faults: list[str]) -> Reinforcement | None:
    """Read the keys of stage grpo; None in other stages.

    Args:
        content (`Mapping[Any, Any]`): The recipe.
        top (`Mapping[str, Any]`): Its keys of ours, those whose values are right.
        faults (`list[str]`): All that is wrong is added to it.

    Returns:
        `Reinforcement | None`: The keys; only to be used where there are no faults.
    """
    if top.get("stage") != GRPO:
        faults += [f"{name} has no effect without stage: {GRPO}; leave it out" for name in OF_GRPO if name in content]
        return None
    if not top.get("rewards"):
        faults.append("rewards is missing: a list of functions to be rewarded by, such as [gated_comet]")
    rewards = _rewards("rewards", top.get("rewards") or (), faults)
    watched = top.get("watched_rewards")
    if watched is None and not any(settings.reward.removeprefix(f"{PACKAGE}.") in OVERLAP for settings in rewards):
        watched = ["chrf"]
    for name in ("max_prompt_length", "max_steps_without_spread"):
        if top.get(name, 1) < 1:
            faults.append(f"{name} {top[name]}: give 1 or more")
    return Reinforcement(
        rewards,
        _rewards("watched_rewards", watched or (), faults),
        top.get("max_prompt_length", TopKeys.max_prompt_length),
        top.get("max_steps_without_spread", TopKeys.max_steps_without_spread),
    )


def _rewards(key: str, entries: Sequence[Any], faults: list[str]) -> tuple[RewardSettings, ...]:
    """Read a list of rewards; each function has to be there."""
    hints, rewards = field_hints(RewardSettings), []
    for entry in entries:
        fields = {"reward": entry} if isinstance(entry, str) else entry
        wrong = [f"unknown key {name!r}; {did_you_mean(name, hints)}" for name in fields if name not in hints]
        wrong += [fault for name in fields if name in hints and (fault := fault_of(name, fields[name], hints[name]))]
        if "reward" not in fields:
            wrong.append("reward is missing: the name of a function")
        if not wrong:
            settings = RewardSettings(**fields)
            try:
                make_reward(settings.reward, settings.model, settings.dtype, settings.device, settings.base_url)
                rewards.append(settings)
            except InputError as error:
                wrong.append(str(error))
        faults += [f"{key}: {fault}" for fault in wrong]
    names = [settings.reward for settings in rewards]
    faults += [f"{key}: {name} is there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    return tuple(rewards)


def reinforcement_faults(
    reinforcement: Reinforcement, training: Mapping[str, Any], evaluation: Mapping[str, Any], launch: Launch
) -> list[str]:
    """List what cannot be together in stage grpo, though each key by itself may.

    Args:
        reinforcement (`Reinforcement`): The keys of the stage.
        training (`Mapping[str, Any]`): Keys of trl.GRPOConfig, the accumulation among them.
        evaluation (`Mapping[str, Any]`): The section `evaluation`.
        launch (`Launch`): How many processes there are.

    Returns:
        `list[str]`: A line for each fault.
    """
    if any(training.get(name, 1) in (0, None) for name in (PER_DEVICE, ACCUMULATION, "num_iterations")):
        return [f"{PER_DEVICE}, {ACCUMULATION} and num_iterations: give whole numbers, 1 or more"]
    rollouts = rollouts_of(training, launch.processes)
    faults = _generation_faults(rollouts, training)
    faults += _weight_faults(reinforcement, training)
    if training.get("use_vllm") and find_spec("vllm") is None and training.get("vllm_mode") != "server":
        faults.append(
            "use_vllm needs the package vllm, which is not installed; run pip install 'trl[vllm]', or leave it out: "
            "transformers generates then"
        )
    if training.get("eval_strategy", "no") != "no" and evaluation:
        each = training.get("per_device_eval_batch_size", DEFAULT_PER_DEVICE)
        generations = training.get("num_generations_eval") or 1
        if (each * launch.processes) % generations:
            faults.append(
                f"per_device_eval_batch_size {each} x {launch.processes} processes is no multiple of "
                f"num_generations_eval {generations}; give a multiple of it"
            )
    return faults


def _generation_faults(rollouts: Rollouts, training: Mapping[str, Any]) -> list[str]:
    """Check that groups are whole, and that a killed run finds the same completions again."""
    faults = []
    if training.get("generation_batch_size") and training.get("steps_per_generation"):
        return ["give one of generation_batch_size and steps_per_generation"]
    if rollouts.generations < 2:
        return [f"num_generations {rollouts.generations}: a group needs 2 or more completions to be compared"]
    if rollouts.generated % rollouts.generations:
        nearest = max(1, round(rollouts.generated / rollouts.generations)) * rollouts.generations
        faults.append(
            f"a generation of {rollouts.generated} completions is no multiple of num_generations "
            f"{rollouts.generations}, so that a prompt's completions would not be together; give "
            f"global_batch_size: {nearest}, or another num_generations"
        )
    accumulation, save_steps = training.get(ACCUMULATION, 1), training.get("save_steps", 500)
    if isinstance(save_steps, float) and not save_steps.is_integer():
        aligned = rollouts.passes == accumulation
    else:
        aligned = (int(save_steps) * accumulation) % rollouts.passes == 0
    if not aligned and training.get("save_strategy", "steps") == "steps":
        steps = rollouts.passes // math.gcd(rollouts.passes, accumulation)
        faults.append(
            f"save_steps {save_steps}: completions are made for {steps} steps together (steps_per_generation x "
            "num_iterations), and a run killed between them would make others; give a multiple of "
            f"{steps}"
        )
    return faults


def _weight_faults(reinforcement: Reinforcement, training: Mapping[str, Any]) -> list[str]:
    """Check that several rewards are on one scale, or are brought to one in the group."""
    names = [settings.reward for settings in reinforcement.rewards]
    weights = training.get("reward_weights") or [1.0] * len(names)
    if len(weights) != len(names):
        return [f"reward_weights {weights} for {len(names)} rewards; give one for each"]
    if all(weight == 0 for weight in weights):
        return [f"reward_weights {weights}: nothing would be rewarded; watched_rewards are for what is only logged"]
    counted = {name: abs(weight) for name, weight in zip(names, weights, strict=True) if weight}
    if training.get(AGGREGATION, NORMALIZED) != SUMMED or len(counted) < 2:
        return []
    unknown = [name for name in counted if not name.startswith(f"{PACKAGE}.") and "." in name]
    smallest, largest = min(counted.items(), key=_weight), max(counted.items(), key=_weight)
    if unknown:
        reason = f"the scale of {unknown[0]} is not known, and a larger one would swamp the others"
    elif largest[1] >= SWAMPED * smallest[1]:
        reason = f"{largest[0]} with weight {largest[1]:g} would swamp {smallest[0]} with weight {smallest[1]:g}"
    else:
        return []
    return [f"{AGGREGATION}: {SUMMED}: {reason}; give {NORMALIZED}, which brings each to one scale in its group"]


def _weight(counted: tuple[str, float]) -> float:
    return counted[1]
