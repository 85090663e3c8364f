"""Methods on scored folders -> rankings of the same rows, and how alike these are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hf_miwv.common.errors import InputError
from hf_miwv.comparing.matched_rows import Scored
from hf_miwv.results.methods import LOW, METHODS, RANDOM, check_method, method_scores
from hf_miwv.results.statistics import rank_correlation


class Ranking(NamedTuple):
    """Hold the rows as one method orders them, by one folder.

    Attributes:
        name (`str`): Name of the ranking.
        folder (`Scored`): The scored rows.
        method (`str`): One of METHODS.
        scores (`np.ndarray`): (N,) float64, nan for none.
    """

    name: str
    folder: Scored
    method: str
    scores: np.ndarray


def check_methods(methods: Sequence[str] | None, seed: int) -> None:
    """Check a list of methods, and the seed of the random choice.

    Args:
        methods (`Sequence[str]`, *optional*): The methods; None for the default ones.
        seed (`int`): The seed.

    Raises:
        InputError: the list is empty or has a name that is unknown or stands there twice; or a seed that the
            random choice cannot take.
    """
    check_method(RANDOM, seed)
    if methods is None:
        return
    if not methods:
        raise InputError(f"no method is given; known: {', '.join(METHODS)}")
    for method, times in Counter(methods).items():
        check_method(method)
        if times > 1:
            raise InputError(f"method {method!r} is given {times} times; give each once")


def rank(
    folders: Sequence[Scored], methods: Sequence[str] | None, seed: int
) -> tuple[list[Ranking], list[dict[str, str]]]:
    """Rank the rows by every method on every folder.

    Args:
        folders (`Sequence[Scored]`): The scored folders.
        methods (`Sequence[str]`, *optional*): The methods; None for all that the columns allow.
        seed (`int`): Seed of the random choice.

    Returns:
        `tuple[list[Ranking], list[dict[str, str]]]`: The rankings, and the default methods that are left out,
        with folder and reason.

    Raises:
        InputError: a method that is asked for cannot be had of a folder.
    """
    method_names = methods or [*(name for name in METHODS if not name.endswith(LOW)), f"miwv{LOW}"]
    rankings: list[Ranking] = []
    left_out = []
    for folder in folders:
        for method in method_names:
            # A random choice depends on no scores, so one stands for all folders.
            if method == RANDOM and folder is not folders[0]:
                continue
            alone = len(folders) == 1 or method == RANDOM
            name = method if alone else f"{folder.name}: {method}"
            try:
                rankings.append(Ranking(name, folder, method, _scores(folder, method, seed)))
            except InputError as error:
                # One that was asked for is an error; one of the defaults is left out, with its reason.
                if methods:
                    raise InputError(f"{folder.name}: {error}") from error
                left_out.append({"folder": folder.name, "method": method, "reason": str(error)})
    if not rankings:
        raise InputError(f"{folders[0].name}: no row has a score, so there is nothing to compare")
    return rankings, left_out


def _scores(folder: Scored, method: str, seed: int) -> np.ndarray:
    scores = method_scores(folder.dataset, method, seed=seed)
    if not np.isfinite(scores).any():
        raise InputError(f"no row has a score by {method}")
    return scores


def correlations(rankings: Sequence[Ranking]) -> dict[str, dict[str, dict[str, Any]]]:
    """Compute Spearman's rank correlation of each two rankings over the rows that both score.

    Args:
        rankings (`Sequence[Ranking]`): The rankings.

    Returns:
        `dict[str, dict[str, dict[str, Any]]]`: "correlation" and "rows", each by ranking and ranking; a
        correlation is None where `rank_correlation` is.
    """
    finite = {ranking.name: np.isfinite(ranking.scores) for ranking in rankings}
    return {
        "correlation": {
            ranking.name: {other.name: rank_correlation(ranking.scores, other.scores) for other in rankings}
            for ranking in rankings
        },
        "rows": {
            ranking: {other: int((finite[ranking] & finite[other]).sum()) for other in finite} for ranking in finite
        },
    }
