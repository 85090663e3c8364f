"""The scope of a finding: a group of directions as in `aggregation`, or one direction."""

from __future__ import annotations

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.diagnosis.evaluation_changes import Changes, Measured
from hf_lmt.evaluation.metrics.aggregation import COLUMNS, groups_of
from hf_lmt.registry import PIVOTS


def changes_of(scope: str, measured: Measured) -> Changes:
    """Look up the changes of a scope.

    Args:
        scope (`str`): A group or a direction.
        measured (`Measured`): The changes of all groups and directions.

    Returns:
        `Changes`: {measure: change}; empty where the scope is not among those measured.
    """
    if scope in measured.groups:
        return measured.groups[scope].changes
    return measured.directions.get(scope, {})


def wider(scope: str) -> list[str]:
    """List the groups that a tier or a direction is part of.

    Args:
        scope (`str`): A group, with or without a tier, or a direction.

    Returns:
        `list[str]`: Names of groups; none for a group without a tier.
    """
    if "-" in scope:
        return groups_of(parse_direction(scope))
    return scope.split("/")[:1] if "/" in scope else []


def opposite_of(scope: str) -> str | None:
    """Return the scope in the opposite direction.

    >>> opposite_of("x2zh/low"), opposite_of("en-kk")
    ('zh2x/low', 'kk-en')

    Args:
        scope (`str`): A group or a direction.

    Returns:
        `str | None`: The scope; None for a group without English and Chinese.
    """
    if "-" in scope:
        return str(parse_direction(scope).opposite)
    column, slash, tier = scope.partition("/")
    if column not in COLUMNS:
        return None
    first, last = column.split("2")
    return f"{last}2{first}{slash}{tier}"


def pivot_into(scope: str) -> str | None:
    """Return English or Chinese, where the scope leads into it.

    Args:
        scope (`str`): A group or a direction.

    Returns:
        `str | None`: "en" or "zh"; None where it leads elsewhere.
    """
    if "-" in scope:
        target = parse_direction(scope).target
        return target if target in PIVOTS else None
    return next((code for code in PIVOTS if scope.startswith(f"x2{code}")), None)


def scope_words(scope: str) -> str:
    """Describe a scope in words.

    >>> scope_words("x2zh/low"), scope_words("kk-en")
    ('X->zh (low)', 'kk-en')

    Args:
        scope (`str`): A group or a direction.

    Returns:
        `str`: The words.
    """
    if scope in ("overall", "zero_shot"):
        return {"overall": "all directions", "zero_shot": "zero-shot directions"}[scope]
    if "-" in scope:
        return scope
    column, _, tier = scope.partition("/")
    words = "->".join("X" if side == "x" else side for side in column.split("2"))
    return f"{words} ({tier})" if tier else words
