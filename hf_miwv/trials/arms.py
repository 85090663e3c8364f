"""The arms of a trial: which rows each is tuned on, which arm it is compared with, for how many steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from hf_miwv.common.errors import InputError
from hf_miwv.results.methods import RANDOM, RANDOM_BY_LENGTH, check_method

LEAST_SEEDS = 2  # of one seed there is no spread, and so no interval


class Arm(NamedTuple):
    """Name a way to choose rows, which is tuned once for each seed.

    Attributes:
        name (`str`): A method; of the random rows that have the lengths of a method's choice
            `random_by_length:METHOD`.
        selection (`Mapping[str, Any]`): Arguments of `select`, without the seed.
        control (`str`, *optional*): Name of the arm that this one is compared with; None of a control.
    """

    name: str
    selection: Mapping[str, Any]
    control: str | None

    def folder(self, seed: int) -> str:
        """Return the name of the folder in which the arm is tuned with a seed.

        Args:
            seed (`int`): The seed.

        Returns:
            `str`: The name.
        """
        return f"{self.name.replace(':', '-')}-{seed}"


def arms_of(methods: Sequence[str], fraction: str) -> list[Arm]:
    """List the arms of a trial, those that are compared first.

    Where `random_by_length` is among the methods, each other method that is not random is compared with random
    rows of the same lengths as its own choice: length alone moves losses. Else it is compared with `random`.
    The comparison is fixed here, before anything is scored.

    Args:
        methods (`Sequence[str]`): Methods of `select`, `random` or `random_by_length` among them.
        fraction (`str`): Share of the rows that each arm keeps.

    Returns:
        `list[Arm]`: The arms.

    Raises:
        InputError: An unknown method, one that is named twice, or nothing to compare with, or nothing to compare.
    """
    for method in methods:
        check_method(method)
        if methods.count(method) > 1:
            raise InputError(f"--methods: {method} is named {methods.count(method)} times; name it once")
    chance = [method for method in methods if method in (RANDOM, RANDOM_BY_LENGTH)]
    compared = [method for method in methods if method not in chance]
    if not chance:
        raise InputError(
            f"--methods {','.join(methods)}: nothing to compare with; add {RANDOM}, or {RANDOM_BY_LENGTH} (random "
            "rows of the same lengths)"
        )
    if not compared:
        raise InputError(f"--methods {','.join(methods)}: only random rows; add a method, such as miwv")
    by_length = RANDOM_BY_LENGTH in chance
    arms = [
        Arm(method, {"method": method, "fraction": fraction}, f"{RANDOM_BY_LENGTH}:{method}" if by_length else RANDOM)
        for method in compared
    ]
    if RANDOM in chance:
        arms.append(Arm(RANDOM, {"method": RANDOM, "fraction": fraction}, None))
    if by_length:
        arms += [
            Arm(
                f"{RANDOM_BY_LENGTH}:{method}",
                {"method": RANDOM_BY_LENGTH, "like": method, "fraction": fraction},
                None,
            )
            for method in compared
        ]
    return arms


def steps_of_arms(rows: int, fraction: str, epochs: float, batch: int) -> int:
    """Count the optimizer steps of every arm: ceil(epochs x floor(rows x fraction) / batch).

    Args:
        rows (`int`): Rows to choose from.
        fraction (`str`): Share of them that is kept.
        epochs (`float`): Times that the chosen rows are seen.
        batch (`int`): Rows of a step, over all processes.

    Returns:
        `int`: The steps.

    Raises:
        InputError: The chosen rows are fewer than those of one step.
    """
    chosen = int(rows * Decimal(fraction))
    if chosen < batch:
        raise InputError(
            f"{fraction} of {rows} rows is {chosen}, fewer than the {batch} of one step: nothing could be told apart; "
            "give more rows, a higher --fraction, or a smaller --per-device-train-batch-size"
        )
    return math.ceil(epochs * chosen / batch)


def steps_for_equal_tokens(steps: int, tokens: float, tokens_of_pool: float) -> int:
    """Count the steps in which an arm sees as many response tokens as random rows do in `steps`.

    round(steps x mean response tokens of the pool / mean response tokens of the arm's rows), at least 1 (ours).

    Args:
        steps (`int`): Steps of random rows.
        tokens (`float`): Mean response tokens of the arm's rows.
        tokens_of_pool (`float`): Mean response tokens of all rows that can be chosen.

    Returns:
        `int`: The steps.

    >>> steps_for_equal_tokens(100, 80.0, 40.0)
    50
    """
    return max(1, round(steps * tokens_of_pool / tokens))
