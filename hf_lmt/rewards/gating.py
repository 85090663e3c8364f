"""Rewards together: a reward times gates, and several rewards summed on one scale."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from hf_lmt.rewards.reward_columns import Completion, Reward, check_columns
from hf_miwv.common.errors import InputError

SPREAD = 1e-4  # added to a group's standard deviation, as TRL does


def gated(reward: Reward, *gates: Reward, name: str | None = None) -> Reward:
    """Multiply a reward by gates.

        max(reward, 0) * product of the gates

    A completion that fails gets 0 and not None: within a group it is then worse than the others. Rewards below
    0, which COMET has for a few bad translations, count as 0, or failing would be better than they are.

    Args:
        reward (`Reward`): completions and columns -> (N,) values.
        *gates (`Reward`): completions and columns -> (N,) 0.0 or 1.0.
        name (`str`, *optional*): As the trainer logs it; by default gated_ and the reward's.

    Returns:
        `Reward`: The product, (N,) of at least 0. Raises InputError where one of the functions gives another
        number of values than there are completions, or one that is no number.
    """

    def product(completions: Sequence[Completion], **columns: Any) -> list[float]:
        values = np.maximum(_values(reward, completions, columns), 0.0)
        for single_gate in gates:
            values = values * _values(single_gate, completions, columns)
        return values.tolist()

    product.__name__ = product.__qualname__ = name or f"gated_{_name(reward)}"
    return product


def combined(*rewards: Reward, weights: Sequence[float] | None = None, name: str = "combined") -> Reward:
    """Sum several rewards, each normalized within its group first.

        sum over rewards r of w_r * (r_i - mean of r in the group) / (deviation of r in the group + 0.0001)

    Summed as they are, a reward of a large scale would swamp the others (arXiv 2601.05242; TRL's
    `multi_objective_aggregation="normalize_then_sum"` does the same for several reward functions). A group are
    the completions of one prompt: equal `prompts`, else equal source, source_lang and target_lang. Give gated
    rewards: the gates of each count before it is normalized.

    Args:
        *rewards (`Reward`): Two or more.
        weights (`Sequence[float]`, *optional*): Of each, by default 1.
        name (`str`, *optional*, defaults to `"combined"`): As the trainer logs it.

    Returns:
        `Reward`: The sum, (N,) around 0.

    Raises:
        InputError: Weights are not as many as rewards, or one is no finite number.
    """
    factors = [1.0] * len(rewards) if weights is None else list(weights)
    if len(factors) != len(rewards) or not rewards or not all(map(math.isfinite, factors)):
        raise InputError(f"{name}: weights {factors} for {len(rewards)} rewards; give one finite number for each")

    def total(completions: Sequence[Completion], **columns: Any) -> list[float]:
        groups = _groups(name, len(completions), columns)
        values = np.zeros(len(completions))
        for reward, factor in zip(rewards, factors, strict=True):
            reward_values = _values(reward, completions, columns)
            for rows in groups:
                deviation = reward_values[rows].std(ddof=1) if len(rows) > 1 else 0.0
                values[rows] += factor * (reward_values[rows] - reward_values[rows].mean()) / (deviation + SPREAD)
        return values.tolist()

    total.__name__ = total.__qualname__ = name
    return total


def _groups(name: str, count: int, columns: dict[str, Any]) -> list[list[int]]:
    keys: Sequence[Any]
    if columns.get("prompts") is not None:
        keys = [str(prompt) for prompt in columns["prompts"]]
    else:
        read = {key: columns.get(key) for key in ("source", "source_lang", "target_lang")}
        check_columns(name, count, **read)
        keys = list(zip(*(values or () for values in read.values()), strict=True))
    groups: dict[Any, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    return list(groups.values())


def _values(function: Reward, completions: Sequence[Completion], columns: dict[str, Any]) -> np.ndarray:
    """Call a reward and check what it gives: (N,) float64."""
    values = function(completions=completions, **columns)
    if len(values) != len(completions):
        raise InputError(
            f"reward {_name(function)} gave {len(values):,} values for {len(completions):,} completions; "
            "it is to give one for each"
        )
    wrong = next((row for row, value in enumerate(values) if value is None or not math.isfinite(value)), None)
    if wrong is not None:
        raise InputError(
            f"reward {_name(function)} gave {values[wrong]!r} for completion {wrong}; it is to give a finite number"
        )
    return np.array(values, np.float64)


def _name(function: Reward) -> str:
    return str(getattr(function, "__name__", function))
