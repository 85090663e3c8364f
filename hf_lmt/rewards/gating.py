"""Rewards together: a reward times gates, and several rewards summed on one scale."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence, Sized
from typing import Any, SupportsFloat

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
        values = np.maximum(reward_values(reward, completions, columns), 0.0)
        for single_gate in gates:
            values = values * reward_values(single_gate, completions, columns)
        return values.tolist()

    product.__name__ = product.__qualname__ = name or f"gated_{reward_name(reward)}"
    vars(product).update(reward=reward, gates=gates)  # for `named_rewards.reward_identity`
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
            single = reward_values(reward, completions, columns)
            for rows in groups:
                deviation = single[rows].std(ddof=1) if len(rows) > 1 else 0.0
                values[rows] += factor * (single[rows] - single[rows].mean()) / (deviation + SPREAD)
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


def reward_values(function: Reward, completions: Sequence[Completion], columns: dict[str, Any]) -> np.ndarray:
    """Call a reward and check what it gives.

    Args:
        function (`Reward`): The reward.
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        columns (`dict[str, Any]`): Columns of their rows, and whatever the trainer gives besides.

    Returns:
        `np.ndarray`: (N,) float64 values.

    Raises:
        InputError: It gives another number of values than there are completions, or one that is no finite number.
    """
    values = function(completions=completions, **columns)
    if not isinstance(values, Sized):
        raise InputError(
            f"reward {reward_name(function)} gave {type(values).__name__} for {len(completions):,} completions; "
            "it is to give a list of numbers, one for each"
        )
    if len(values) != len(completions):
        raise InputError(
            f"reward {reward_name(function)} gave {len(values):,} values for {len(completions):,} completions; "
            "it is to give one for each"
        )
    for row, value in enumerate(values):
        # None would be left out of its group, and shift the advantages of the others
        if not isinstance(value, SupportsFloat) or not math.isfinite(value):
            raise InputError(
                f"reward {reward_name(function)} gave {value!r} for completion {row}; it is to give a finite number, "
                "0 where a completion is worth nothing"
            )
    return np.array([float(value) for value in values], np.float64)


def reward_name(function: Reward) -> str:
    """Return the name of a reward, as a trainer logs it.

    Args:
        function (`Reward`): The reward.

    Returns:
        `str`: Its `__name__`, or the object as text where it has none.
    """
    return str(getattr(function, "__name__", function))
