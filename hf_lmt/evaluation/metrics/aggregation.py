"""Means over groups of directions, as the paper's tables have them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hf_lmt.directions import DIRECTIONS, Direction
from hf_lmt.evaluation.metrics.judgeable import why_unreliable
from hf_lmt.languages import language
from hf_lmt.registry import PIVOTS, TIERS

COLUMNS = ("en2x", "x2en", "zh2x", "x2zh")


@dataclass(frozen=True, slots=True)
class GroupMean:
    """The macro mean of a metric over the directions of a group: each counts once.

    Attributes:
        mean (`float | None`): Over `count` directions; None where that is 0.
        count (`int`): Directions with a value that says something.
        missing (`tuple[Direction, ...]`): Directions without a value; never filled in.
        apart (`tuple[Direction, ...]`): Directions whose value is unreliable (`why_unreliable`), and so not in
            `mean`.
        mean_with_apart (`float | None`): Over `count` and those of `apart`, as the paper's own means are; None
            where there are none.
    """

    mean: float | None
    count: int
    missing: tuple[Direction, ...]
    apart: tuple[Direction, ...]
    mean_with_apart: float | None


def aggregate(
    per_direction: Mapping[Direction, Mapping[str, float | None]],
    expected: Iterable[Direction] = DIRECTIONS,
) -> dict[str, dict[str, GroupMean]]:
    """Average each metric over groups of directions: group -> metric -> mean.

    Groups: "en2x", "x2en", "zh2x", "x2zh" with 59 directions each, so English <-> Chinese is in
    two of them (arXiv 2511.07003); each of them by the tier of its other language, as "en2x/high";
    "zero_shot", the directions without English and Chinese; "overall", all with one of them, each
    once. A group without an expected direction is left out.

    Args:
        per_direction (`Mapping[Direction, Mapping[str, float | None]]`): Direction -> metric -> value;
            None or NaN is no value. BLEU into different languages is counted in different units
            (`Language.sacrebleu_tokenizer`), which a mean mixes, as everyone's does.
        expected (`Iterable[Direction]`, *optional*, defaults to `DIRECTIONS`): Directions that are
            expected; those of `per_direction` outside of them count as well.

    Returns:
        `dict[str, dict[str, GroupMean]]`: Group -> metric -> mean.
    """
    directions = dict.fromkeys([*expected, *per_direction])
    metrics = dict.fromkeys(name for values in per_direction.values() for name in values)
    members: dict[str, list[Direction]] = {}
    for direction in directions:
        for group in groups_of(direction):
            members.setdefault(group, []).append(direction)
    return {
        group: {metric: _mean(metric, members[group], per_direction) for metric in metrics}
        for group in _order()
        if group in members
    }


def groups_of(direction: Direction) -> list[str]:
    """List the groups that a direction belongs to; see `aggregate`.

    Args:
        direction (`Direction`): The direction.

    Returns:
        `list[str]`: Names of groups.
    """
    if not set(direction) & set(PIVOTS):
        return ["zero_shot"]
    groups = ["overall"]
    for pivot in PIVOTS:
        if direction.source == pivot:
            column, other = f"{pivot}2x", direction.target
        elif direction.target == pivot:
            column, other = f"x2{pivot}", direction.source
        else:
            continue
        groups += [column, f"{column}/{language(other).tier}"]
    return groups


def _order() -> list[str]:
    tiers = [f"{column}/{tier}" for column in COLUMNS for tier in TIERS]
    return [*COLUMNS, *tiers, "zero_shot", "overall"]


def _mean(
    metric: str,
    directions: Iterable[Direction],
    per_direction: Mapping[Direction, Mapping[str, float | None]],
) -> GroupMean:
    sure, apart, missing = {}, {}, []
    for direction in directions:
        value = per_direction.get(direction, {}).get(metric)
        if value is None or math.isnan(value):
            missing.append(direction)
        elif why_unreliable(metric, direction.target):
            apart[direction] = value
        else:
            sure[direction] = value
    return GroupMean(
        mean=_average([*sure.values()]),
        count=len(sure),
        missing=tuple(missing),
        apart=tuple(apart),
        mean_with_apart=_average([*sure.values(), *apart.values()]),
    )


def _average(values: list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
