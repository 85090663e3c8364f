"""From the tokens that are there to the budget of each language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hf_lmt.data.mixture.budget import fill, largest_total, temperature_weights
from hf_lmt.data.mixture.mixture_lines import PARTS, part_and_language
from hf_lmt.data.mixture.mixture_settings import Settings
from hf_miwv.common.errors import InputError

MISSING = {
    "monolingual": "no texts in one language",
    "zh": "no translations between Chinese and another language",
    "en": "no translations between English and another language",
}


@dataclass(frozen=True)
class Plan:
    """Hold the tokens of each group (`mixture_lines.group_of`).

    Attributes:
        masses (`Mapping[int, int]`): {group: tokens there are}.
        asked (`Mapping[int, float]`): {group: tokens by temperature alone}.
        budgets (`Mapping[int, float]`): {group: tokens to be taken}.
        shares (`Mapping[str, float]`): {part: share}, with a sum of 1.
        total (`int`): Tokens of the mixture.
        largest (`int`): Tokens that there can be at most with these shares.
    """

    masses: Mapping[int, int]
    asked: Mapping[int, float]
    budgets: Mapping[int, float]
    shares: Mapping[str, float]
    total: int
    largest: int


def plan_budgets(groups: Mapping[int, np.ndarray], tokens: np.ndarray, settings: Settings) -> Plan:
    """Plan the budget of each group of the parts that are asked for.

    Args:
        groups (`Mapping[int, np.ndarray]`): Group -> positions of its rows.
        tokens (`np.ndarray`): (N,) tokens of each row.
        settings (`Settings`): The checked settings of `mix`.

    Returns:
        `Plan`: Tokens by group.

    Raises:
        InputError: A part that is asked for has no rows, or there are fewer tokens than asked for.
    """
    masses = {group: int(tokens[positions].sum(dtype=np.int64)) for group, positions in groups.items()}
    of_part = {
        part: [group for group in sorted(masses) if part_and_language(group)[0] == part]
        for part in PARTS
        if settings.shares[part] > 0
    }
    capacities = {part: settings.repeat * sum(masses[group] for group in groups) for part, groups in of_part.items()}
    largest = _largest(capacities, settings)
    total = largest if settings.tokens is None else settings.tokens
    asked: dict[int, float] = {}
    budgets: dict[int, float] = {}
    for part, part_groups in of_part.items():
        part_masses = np.array([masses[group] for group in part_groups], np.float64)
        weights = temperature_weights(part_masses, settings.temperature)
        budget = settings.shares[part] * total
        filled = fill(weights, settings.repeat * part_masses, budget)
        asked |= zip(part_groups, (budget * weights).tolist(), strict=True)
        budgets |= zip(part_groups, filled.tolist(), strict=True)
    return Plan(masses, asked, budgets, settings.shares, total, largest)


def _largest(capacities: Mapping[str, float], settings: Settings) -> int:
    for part, capacity in capacities.items():
        if not capacity:
            raise InputError(
                f"part {part}: {MISSING[part]}, and its share is {settings.shares[part]:.3g}; give "
                f"some, or shares {{{part}: 0}}"
            )
    largest = int(largest_total(capacities, settings.shares))
    if settings.tokens is not None and settings.tokens > largest:
        part = min(capacities, key=lambda name: capacities[name] / settings.shares[name])
        needed = settings.shares[part] * settings.tokens
        available = capacities[part] / settings.repeat
        raise InputError(
            f"tokens {settings.tokens:,}: part {part} would need {needed:,.0f} and has "
            f"{available:,.0f}, each usable {settings.repeat:g} times; give tokens {largest:,} or "
            f"fewer, more rows of this part, a smaller share, or repeat "
            f"{np.ceil(needed / available * 100) / 100:g} or more"
        )
    return largest
