"""The section `evaluation:` of a recipe: its keys, defaults and faults."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hf_lmt.evaluation.metrics.judgeable import check_scorer_installed
from hf_lmt.translation.lengths import MAX_NEW_TOKENS
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.recipes.values import fault_of

if typing.TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class WatchingSettings:
    """The keys of the section `evaluation:` beside its `sets:`; the defaults are ours.

    Args:
        translate (`bool`, *optional*, defaults to `True`): Whether to translate at each evaluation
            (`TranslationEvaluationCallback`).
        losses (`bool`, *optional*, defaults to `True`): Whether to measure losses by direction
            (`DegenerationWatch`).
        per_direction (`int`, *optional*, defaults to `20`): Rows of each direction that are watched.
        seed (`int`, *optional*, defaults to `0`): Another seed, other rows.
        directions (`list[str]`, *optional*): Directions and patterns that are watched; by default all that the
            rows have.
        metrics (`list[str]`, *optional*, defaults to `["chrf++", "bleu"]`): Of chrf++, bleu, spbleu, ter.
        num_beams (`int`, *optional*, defaults to `1`): Beams of the search; 1 is greedy, and quick.
        hints (`str`, *optional*, defaults to `"none"`): "none", "self" or "given".
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of a translation, at most.
        batch_tokens (`int`, *optional*): Tokens of a batch, times beams.
        early_stopping (`int`, *optional*): Evaluations without a better `metric_for_best_model` before the
            training stops; never without.
    """

    translate: bool = True
    losses: bool = True
    per_direction: int = 20
    seed: int = 0
    directions: list[str] | None = None
    metrics: list[Literal["chrf++", "bleu", "spbleu", "ter"]] = field(default_factory=lambda: ["chrf++", "bleu"])
    num_beams: int = 1
    hints: Literal["none", "self", "given"] = "none"
    max_new_tokens: int = MAX_NEW_TOKENS
    batch_tokens: int | None = None
    early_stopping: int | None = None


FORMER = {"beams": "num_beams"}  # keys of before -> today's
ELSEWHERE = ("sets",)  # where the rows come from; read with the recipe
LEAST = {
    "per_direction": 1,
    "seed": 0,
    "num_beams": 1,
    "max_new_tokens": 1,
    "batch_tokens": 1,
    "early_stopping": 1,
}


def watching_faults(section: Any) -> list[str]:
    """List the faults of the section, a line each.

    Args:
        section (`Any`): The section `evaluation`, as YAML has it.

    Returns:
        `list[str]`: The faults; none where all is well.
    """
    if not isinstance(section, Mapping):
        return [f"evaluation: give a mapping of settings, not {section!r}"]
    hints = typing.get_type_hints(WatchingSettings)
    faults = [
        f"evaluation: {key} is {today} now; give it once"
        for key, today in FORMER.items()
        if key in section and today in section
    ]
    section = renamed(section)
    for key, value in section.items():
        if key in ELSEWHERE:
            continue
        if key not in hints:
            hint = did_you_mean(str(key), [*ELSEWHERE, *hints])
            faults.append(f"evaluation: unknown key {key!r}; {hint}")
        elif fault := fault_of(key, value, hints[key]):
            faults.append(f"evaluation: {fault}")
        elif key in LEAST and value is not None and value < LEAST[key]:
            faults.append(f"evaluation: {key} {value}: give {LEAST[key]} or more")
    return faults or _direction_faults(section.get("directions"))


def watching_settings(section: Mapping[str, Any]) -> WatchingSettings:
    """Read the section as settings.

    Args:
        section (`Mapping[str, Any]`): The section `evaluation`.

    Returns:
        `WatchingSettings`: The settings, defaults where the section has none.

    Raises:
        InputError: something is wrong with it; the message has all of it.
    """
    if faults := watching_faults(section):
        raise InputError("\n  ".join(faults))
    return WatchingSettings(**{key: value for key, value in renamed(section).items() if key not in ELSEWHERE})


def renamed(section: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a section with keys of before under their names of today.

    Args:
        section (`Mapping[Any, Any]`): The section `evaluation`.

    Returns:
        `dict[Any, Any]`: A new mapping.
    """
    return {FORMER.get(key, key): value for key, value in section.items()}


def check_measurable(section: Mapping[str, Any]) -> None:
    """Check that the section's metrics can be counted here.

    Args:
        section (`Mapping[str, Any]`): The section `evaluation`.

    Raises:
        InputError: they are to be counted and sacreBLEU is missing, or the section has faults.
    """
    settings = watching_settings(section)
    if settings.translate:
        check_scorer_installed(settings.metrics)


def _direction_faults(globs: Sequence[str] | None) -> list[str]:
    from hf_lmt.directions import match_directions

    faults = []
    for glob in globs or ():
        try:
            match_directions([glob])
        except InputError as error:
            faults.append(f"evaluation: directions: {error}")
    return faults
