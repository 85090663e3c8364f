"""Signs in the log of a training by rewards: nothing to learn from, or a reward that is gamed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.training.grpo.rollout_figures import NO_SPREAD
from hf_lmt.training.watching.degeneration import FALL

REWARD = "eval_reward"
RISE = 0.005  # of the held-out reward, from which it counts as risen; ours
SHUT = 0.02  # the share that a gate lets pass, at or under which it is named; ours

Entry = Mapping[str, Any]  # of a Trainer's log_history: names to numbers, and "step"


def reward_curve(history: Sequence[Entry]) -> list[dict[str, Any]]:
    """List what a training by rewards logged at each step, for its record.

    Args:
        history (`Sequence[Entry]`): `log_history` of a trainer's state.

    Returns:
        `list[dict[str, Any]]`: `step`, `reward`, `reward_std`, `kl`, rewards by function, the figures of
        `rollout_figures` and the rates of gates, of each entry.
    """
    names = ("step", "reward", "reward_std", "kl", "completions/mean_length", "completions/clipped_ratio")
    heads = ("rewards/", "rollouts/", "gate/")
    return [
        {name: value for name, value in entry.items() if name in names or name.startswith(heads)}
        for entry in history
        if "reward" in entry
    ]


def steps_without_spread(history: Sequence[Entry]) -> int:
    """Count the steps up to the last logged one in which no group had two different rewards.

    Args:
        history (`Sequence[Entry]`): `log_history`; with `logging_steps` over 1 an entry stands for several steps.

    Returns:
        `int`: Steps since the last entry with spread, or since the beginning.
    """
    logged = [entry for entry in history if NO_SPREAD in entry]
    if not logged:
        return 0
    spread = [entry["step"] for entry in logged if entry[NO_SPREAD] < 1]
    return int(logged[-1]["step"] - max(spread, default=0))


def explain_no_spread(entry: Entry, steps: int, generations: int) -> str:
    """Say that nothing is learned, and what to change, by the last entry of the log.

    Args:
        entry (`Entry`): The numbers of the last logged step.
        steps (`int`): Steps without spread.
        generations (`int`): Completions of each prompt.

    Returns:
        `str`: The message.
    """
    gates = {name.removeprefix("gate/"): value for name, value in entry.items() if name.startswith("gate/")}
    shut = {name: value for name, value in sorted(gates.items(), key=lambda gate: gate[1]) if value <= SHUT}
    finding = (
        f"in {steps} steps up to step {entry['step']} the {generations} completions of every prompt had the same "
        f"reward ({entry.get('reward', float('nan')):.3g} on average), so that nothing is learned"
    )
    if shut:
        rates = ", ".join(f"{name} lets {value:.1%} pass" for name, value in shut.items())
        return (
            f"{finding}: {rates}. Start from a model that translates already (stage sft), give a larger "
            "max_completion_length, or another reward"
        )
    return (
        f"{finding}. Give a higher temperature (now completions may be all alike), more num_generations, harder rows, "
        "or a reward that differs between translations that are nearly as good"
    )


def reward_signs(history: Sequence[Entry], latest: Entry, beside: Mapping[str, float]) -> list[str]:
    """Describe in words where the held-out reward rises and a metric beside it falls.

        metric(best so far) - metric(now) >= FALL  and  reward(now) - reward(then) >= RISE

    FALL is 2 points of chrF++ or BLEU, as for directional degeneration; RISE 0.005. Both are ours.

    Args:
        history (`Sequence[Entry]`): Entries of earlier evaluations; others are passed over.
        latest (`Entry`): The numbers of this one.
        beside (`Mapping[str, float]`): Keys of metrics that are not rewarded -> what a point is there: 1 on a scale
            to 100, 0.01 on a scale to 1.

    Returns:
        `list[str]`: A line for each metric that falls.
    """
    signs = []
    for key, point in beside.items():
        if key not in latest or REWARD not in latest:
            continue
        # an evaluation's own numbers and TRL's may stand in two entries of the same step
        by_step: dict[int, dict[str, float]] = {}
        for entry in history:
            by_step.setdefault(entry.get("step", 0), {}).update(entry)
        known = {step: entry for step, entry in by_step.items() if key in entry and REWARD in entry}
        if not known:
            continue
        step, before = max(known.items(), key=lambda item: item[1][key])
        fall, rise = before[key] - latest[key], latest[REWARD] - before[REWARD]
        if fall >= FALL * point and rise >= RISE:
            name = key.removeprefix("eval_").removeprefix("rewards/").removesuffix("/mean")
            signs.append(
                f"the reward rises and the metric beside it falls: since step {step} the held-out reward rose by "
                f"{rise:.3f} to {latest[REWARD]:.3f}, while {name} fell by {fall:.3g} to {latest[key]:.3g}; the model "
                "may have learned to please the reward: look at its translations, add gates, raise beta, or stop at "
                f"step {step}"
            )
    return signs
