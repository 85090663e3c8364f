"""How many tokens each part of a mixture gets, and of it each language."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def temperature_weights(masses: np.ndarray, temperature: float) -> np.ndarray:
    """Compute the shares of temperature sampling.

        p_l = (m_l / sum m)^(1/T) / sum_k (m_k / sum m)^(1/T)

    T = 1 samples as the data lie, a higher T nearer to even. The form is that of Arivazhagan et al.
    2019 (arXiv 1907.05019, section 5) and, as alpha = 1/T, of mT5 (arXiv 2010.11934).

    Args:
        masses (`np.ndarray`): (L,) tokens by language, all above 0.
        temperature (`float`): T, above 0.

    Returns:
        `np.ndarray`: (L,) shares, with a sum of 1.
    """
    powers = (masses / masses.sum()) ** (1 / temperature)
    return powers / powers.sum()


def fill(weights: np.ndarray, capacities: np.ndarray, budget: float) -> np.ndarray:
    """Spread a budget over languages by weight, each up to what it has.

        b_l = min(c_l, level x p_l),   with the level at which sum b_l = budget

    What the full languages cannot take goes to the others, by their weights (water-filling). A
    larger budget gives no language less. Equal to handing the surplus on again and again until
    there is none; here the level is computed at once, by the order in which languages run full.

    Args:
        weights (`np.ndarray`): (L,) p_l, all above 0.
        capacities (`np.ndarray`): (L,) c_l in tokens, above 0.
        budget (`float`): Tokens, 0 or more; all is used where it is above the sum of capacities.

    Returns:
        `np.ndarray`: (L,) tokens by language, b_l.
    """
    # Raise the level from 0: languages run full in the order of c / p. The level that uses the budget lies
    # before the first language at which the full ones and the open ones together would use as much.
    full_at = capacities / weights  # the level at which each language runs full
    order = np.argsort(full_at, kind="stable")
    filled = np.concatenate([[0.0], np.cumsum(capacities[order])])[:-1]  # to those full before
    open_weight = np.cumsum(weights[order][::-1])[::-1]  # of the language and those after it
    reached = filled + full_at[order] * open_weight >= budget
    if not reached.any():
        return capacities.astype(np.float64)
    first = int(reached.argmax())
    level = (budget - filled[first]) / open_weight[first]
    budgets = np.minimum(capacities, level * weights)
    budgets[order[:first]] = capacities[order[:first]]
    return budgets


def largest_total(capacities: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """Compute the most tokens of a mixture with exactly these shares: min over parts of c / share.

    Args:
        capacities (`Mapping[str, float]`): Part -> tokens that it has.
        shares (`Mapping[str, float]`): Part -> share of the mixture, with a sum of 1; those at 0 set no
            limit.

    Returns:
        `float`: Tokens.
    """
    return min(capacities[part] / share for part, share in shares.items() if share > 0)
