"""The verdict: which kind of failure or gain a change is, where, and by which measures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from hf_lmt.evaluation.diagnosis.evaluation_changes import Changes, Measured
from hf_lmt.evaluation.diagnosis.scopes import changes_of, opposite_of, pivot_into, wider
from hf_lmt.evaluation.diagnosis.thresholds import ROWS, counts_alone, counts_as_change
from hf_lmt.evaluation.diagnosis.words import evidence, mend
from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.evaluation.metrics.confidence import Comparison
from hf_lmt.registry import TIERS

BEHAVIOR = {
    "degeneration": ("fan_in", "unrelated"),
    "off_target": ("off_target_script", "off_target_language"),
    "copying": ("copy",),
    "empty_output": ("blank",),
    "over_generation": ("over_length", "repetition"),
}
"""Kind of failure -> the measures that show it, any of them."""
ALARMS = ("directional_degeneration", *BEHAVIOR, "loss")
KINDS = (*ALARMS, "improvement", "no_change")


class Finding(NamedTuple):
    """Hold one statement of a diagnosis.

    Attributes:
        kind (`str`): One of KINDS.
        where (`tuple[str, ...]`): Groups as in `aggregation`, or directions, the worst first.
        evidence (`str`): The figures, in words.
        mend (`str`): Advice; empty where there is nothing to do.
    """

    kind: str
    where: tuple[str, ...]
    evidence: str
    mend: str

    @property
    def alarm(self) -> bool:
        """Return whether the finding is a failure."""
        return self.kind in ALARMS


def judge(
    measured: Measured, compared: bool, training: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Finding]:
    """List the findings, failures first, the widest scope first; one that says so where nothing changed.

    Looked at are the groups en2x, x2en, zh2x, x2zh and zero_shot, then each by tier, then each
    direction of 20 lines or more. What holds for a group is not said again of its parts. A loss of
    quality is put down to what the outputs show; where they show nothing, it is a plain one.
    "degeneration" into English or Chinese is directional, unless the opposite directions show it as
    well.

    Args:
        measured (`Measured`): Of `evaluation_changes.compare`.
        compared (`bool`): There are two evaluations.
        training (`Mapping[str, Mapping[str, Any]]`, *optional*): As `training_rows.sources_behind_targets` has it.

    Returns:
        `list[Finding]`: The findings, one at least.
    """
    scopes_of_kind: dict[str, set[str]] = {}
    kinds_and_scopes: list[tuple[str, tuple[str, ...]]] = []
    directions_of_kind: dict[str, list[str]] = {}
    changed_directions: dict[str, list[str]] = {}
    for scope, changes, is_direction in _scopes(measured):
        for kind in kinds_of(changes, is_direction, compared, measured.margin):
            changed_directions.setdefault(kind, []).extend([scope] if is_direction else [])
            # Scopes come widest first: a wider one that has the kind speaks for its parts.
            if scopes_of_kind.setdefault(kind, set()) & set(wider(scope)):
                continue
            scopes_of_kind[kind].add(scope)
            kind = _directional(kind, scope, measured, is_direction, compared)
            if is_direction:
                directions_of_kind.setdefault(kind, []).append(scope)
            else:
                kinds_and_scopes.append((kind, (scope,)))
    kinds_and_scopes += [
        (kind, tuple(_worst_first(kind, names, measured))) for kind, names in directions_of_kind.items()
    ]
    kinds_and_scopes.sort(key=lambda kind_and_scopes: KINDS.index(kind_and_scopes[0]))
    if not kinds_and_scopes:
        kinds_and_scopes = [("no_change", ("overall" if "overall" in measured.groups else "zero_shot",))]
    return [
        Finding(
            kind,
            where,
            evidence(kind, where, _past(kind, where, changed_directions, measured), measured, compared, training),
            mend(kind, where[0], training),
        )
        for kind, where in kinds_and_scopes
    ]


def _past(
    kind: str, where: tuple[str, ...], changed_directions: Mapping[str, list[str]], measured: Measured
) -> tuple[str, ...]:
    """Return the directions of a group that a kind of failure holds for by themselves."""
    scopes = [
        name for name in changed_directions.get(kind.removeprefix("directional_"), []) if where[0] in wider(name)
    ]
    return tuple(_worst_first(kind, scopes, measured))


def kinds_of(changes: Changes, is_direction: bool, compared: bool, margin: float) -> list[str]:
    """Return the kinds of failure, or the gain, that one scope's changes come to.

    Off-target output that is copied from the source is copying.

    Args:
        changes (`dict[str, Comparison]`): Measure -> change, "quality" among them.
        is_direction (`bool`): The scope is one direction, and no group.
        compared (`bool`): There are two evaluations.
        margin (`float`): Half-widths of its interval that a change is to be away from zero.

    Returns:
        `list[str]`: Of KINDS, without "no_change" and "directional_degeneration".
    """

    def rose(measure: str) -> bool:
        change = changes.get(measure)
        if change is None:
            return False
        if not compared:
            return counts_alone(measure, change)
        return change.difference > 0 and counts_as_change(measure, change, is_direction, margin)

    kinds = [kind for kind, measures in BEHAVIOR.items() if any(map(rose, measures))]
    if {"copying", "off_target"} <= {*kinds} and _explained_by_copies(changes):
        kinds.remove("off_target")
    quality = changes.get("quality")
    if not compared or quality is None:
        return kinds
    if not counts_as_change("quality", quality, is_direction, margin):
        return kinds
    if quality.difference > 0:
        return kinds if is_direction else [*kinds, "improvement"]
    return kinds or ["loss"]


def _explained_by_copies(changes: Changes) -> bool:
    """Check whether off-target outputs rose by no more than a quarter above what copies rose by."""
    copied = changes["copy"].difference
    others = [changes[name].difference for name in BEHAVIOR["off_target"] if name in changes]
    return max(others) <= 1.25 * copied


def _scopes(measured: Measured) -> Iterator[tuple[str, Changes, bool]]:
    """Yield groups, their parts by tier, directions: each with its changes, "quality" among them."""
    tiers = [f"{column}/{tier}" for column in COLUMNS for tier in TIERS]
    for name in (*COLUMNS, "zero_shot", *tiers):
        if name in measured.groups:
            yield name, _with_quality(measured.groups[name].changes, measured.quality), False
    for name, changes in measured.directions.items():
        if measured.lines[name] >= ROWS:
            yield name, _with_quality(changes, measured.quality), True


def _with_quality(changes: Changes, quality: str) -> Changes:
    return {**changes, "quality": changes[quality]} if quality in changes else changes


def _directional(kind: str, scope: str, measured: Measured, is_direction: bool, compared: bool) -> str:
    """Return "directional_degeneration" for degeneration into English or Chinese and not out of it."""
    opposite = opposite_of(scope)
    if kind != "degeneration" or opposite is None or pivot_into(scope) is None:
        return kind
    changes = _with_quality(changes_of(opposite, measured), measured.quality)
    if kind in kinds_of(changes, is_direction, compared, measured.margin):
        return kind
    return "directional_degeneration"


def _worst_first(kind: str, names: list[str], measured: Measured) -> list[str]:
    """Sort directions by the largest rise of the measures that show this kind, or by the loss of quality."""
    measures = BEHAVIOR.get(kind.removeprefix("directional_"), ())

    def size(name: str) -> float:
        changes = measured.directions[name]
        rises = [changes[measure].difference for measure in measures if measure in changes]
        quality: Comparison | None = changes.get(measured.quality)
        return -max(rises) if rises else quality.difference if quality else 0.0

    # By name where two are alike, so that the order is always the same.
    return sorted(names, key=lambda name: (size(name), name))
