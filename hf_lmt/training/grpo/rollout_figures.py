"""The completions of a generation in figures, by group of directions: rewards, spread, gates, behavior."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.aggregation import COLUMNS, groups_of
from hf_lmt.evaluation.metrics.behavior import behavior_rates

NO_SPREAD = "rollouts/no_spread"
GROUPS = (*COLUMNS, "zero_shot")
SAME = 1e-8  # of two rewards, as torch.isclose has it, by which TRL looks


class Rollout(NamedTuple):
    """Hold what a completion shows.

    Attributes:
        direction (`Direction`): The direction.
        tokens (`int`): Tokens of the completion.
        off_target (`bool`): Whether it is in another script than the target language.
        fan_in (`bool`): Whether it also answers another source.
        gates (`dict[str, bool]`): {gate: whether it let the completion pass}.
    """

    direction: Direction
    tokens: int
    off_target: bool
    fan_in: bool
    gates: dict[str, bool]


def describe_rollouts(
    directions: Sequence[Direction],
    sources: Sequence[str],
    texts: Sequence[str],
    tokens: Sequence[int],
    references: Sequence[str] | None,
    gates: dict[str, Sequence[bool]],
) -> list[Rollout]:
    """Describe the completions of one process, by the measures of `behavior_rates`.

    Args:
        directions (`Sequence[Direction]`): (N,) directions.
        sources (`Sequence[str]`): (N,) source texts.
        texts (`Sequence[str]`): (N,) completions.
        tokens (`Sequence[int]`): (N,) lengths of the completions.
        references (`Sequence[str]`, *optional*): (N,) references.
        gates (`dict[str, Sequence[bool]]`): Gate -> (N,) whether it lets the completion pass.

    Returns:
        `list[Rollout]`: (N,) descriptions.
    """
    rows_of: dict[Direction, list[int]] = defaultdict(list)
    for row, direction in enumerate(directions):
        rows_of[direction].append(row)
    off_target, fan_in = np.zeros(len(texts), bool), np.zeros(len(texts), bool)
    for direction, rows in rows_of.items():
        rates = behavior_rates(
            [sources[row] for row in rows],
            [texts[row] for row in rows],
            direction,
            None if references is None else [references[row] for row in rows],
        )
        off_target[rows] = rates["off_target_script"].flags
        fan_in[rows] = rates["fan_in"].flags
    return [
        Rollout(
            direction,
            tokens[row],
            bool(off_target[row]),
            bool(fan_in[row]),
            {name: passed[row] for name, passed in gates.items()},
        )
        for row, direction in enumerate(directions)
    ]


def without_spread(rewards: np.ndarray, generations: int) -> np.ndarray:
    """Find the groups whose completions all have the same reward, and so no advantage.

        max(reward in the group) - min(reward in the group) <= 1e-8    for each reward

    TRL's `frac_reward_zero_std` is not that where it normalizes several rewards before it sums them: there it looks
    at the spread over the whole batch.

    Args:
        rewards (`np.ndarray`): (N, R) rewards; the completions of a prompt stand together.
        generations (`int`): G, completions of each prompt.

    Returns:
        `np.ndarray`: (N / G,) bool.
    """
    grouped = rewards.reshape(-1, generations, rewards.shape[1])
    return (np.ptp(grouped, axis=1) <= SAME).all(axis=1)


def rollout_figures(
    rollouts: Sequence[Rollout], rewards: np.ndarray, weights: Sequence[float], generations: int
) -> dict[str, float]:
    """Return the numbers to log of a generation.

    `rollouts/reward/en2x`, `.../length/en2x` (tokens), `.../off_target/en2x` (another script),
    `.../fan_in/en2x` (the answer to another source, too), `.../gate/NAME/en2x` (the share that passes) are means over
    the completions of a group of directions; `.../no_spread/en2x` is the share of its prompts whose completions all
    have the same reward. Without a group, `rollouts/no_spread`, `off_target` and `fan_in` are over all.

    Args:
        rollouts (`Sequence[Rollout]`): (N,) completions of all processes; those of a prompt stand together.
        rewards (`np.ndarray`): (N, R) rewards.
        weights (`Sequence[float]`): (R,) weights; 0 for what is only watched.
        generations (`int`): Completions of each prompt; with 1 there is no spread to speak of.

    Returns:
        `dict[str, float]`: Name -> number.
    """
    factors = np.array(weights, float)
    columns: dict[str, np.ndarray] = {
        "reward": rewards @ factors,
        "length": np.array([rollout.tokens for rollout in rollouts], float),
        "off_target": np.array([rollout.off_target for rollout in rollouts], float),
        "fan_in": np.array([rollout.fan_in for rollout in rollouts], float),
    }
    for name in rollouts[0].gates:
        columns[f"gate/{name}"] = np.array([rollout.gates[name] for rollout in rollouts], float)
    figures = {f"rollouts/{name}": float(columns[name].mean()) for name in ("off_target", "fan_in")}
    if generations > 1:
        flat = without_spread(rewards[:, factors != 0], generations)
        columns["no_spread"] = np.repeat(flat, generations).astype(float)
        figures[NO_SPREAD] = float(flat.mean())
    groups = [groups_of(rollout.direction) for rollout in rollouts]
    for group in GROUPS:
        members = np.array([group in names for names in groups])
        if members.any():
            figures |= {f"rollouts/{name}/{group}": float(values[members].mean()) for name, values in columns.items()}
    return figures
