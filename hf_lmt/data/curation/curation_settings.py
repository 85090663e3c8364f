"""Steps by their names, as a recipe or a YAML file gives them."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from hf_lmt.data.curation.step import Step
from hf_miwv.common.errors import InputError, did_you_mean

STEPS = {
    "whitespace": "whitespace.Whitespace",
    "empty": "length_filters.Empty",
    "score": "score_filter.Score",
    "length": "length_filters.Length",
    "length_ratio": "length_filters.LengthRatio",
    "markup": "markup.Markup",
    "copy": "copies.Copy",
    "terminal_punctuation": "marks.TerminalPunctuation",
    "digits": "marks.Digits",
    "script": "scripts.Script",
    "identification": "identification.LanguageIdentification",
    "duplicates": "duplicates.Duplicates",
    "near_duplicates": "near_duplicates.NearDuplicates",
    "contamination": "contamination.EvaluationOverlap",
    "quality": "quality.QualityEstimation",
    "caps": "duplicates.Caps",
}
"""Name -> where the step lies in this package; in the order in which steps are applied: cheap ones
first, and caps last, to count only what stays."""

DEFAULT = (
    "empty",
    "length",
    "length_ratio",
    "markup",
    "copy",
    "script",
    "duplicates",
    "contamination",
)
"""The steps applied by default: those that hardly ever take a human translation, in any
of the languages, and contamination. The others take good rows with the bad (each says why), need
a model or another library, or have no sensible default."""


def steps_from(settings: Mapping[str, Any] | None) -> list[Step]:
    """Make the steps that settings ask for, in the order of STEPS.

        {"length_ratio": {"most": 4}, "script": False, "digits": True}

    A step gets its settings, or true for its defaults, or false (or null) to leave it out; a step
    that is not named is applied if it is one of DEFAULT. All of this is ours.

    Args:
        settings (`Mapping[str, Any]`, *optional*): Step -> settings; None for the defaults.

    Returns:
        `list[Step]`: The steps.

    Raises:
        InputError: Unknown steps or settings, or values that cannot be; all of them.
    """
    if settings is not None and not isinstance(settings, Mapping):
        raise InputError(
            f"curation {settings!r}: give steps with their settings, such as {{length_ratio: {{most: 4}}}}"
        )
    settings = settings or {}
    faults = [f"unknown step {name!r}: {did_you_mean(str(name), STEPS)}" for name in settings if name not in STEPS]
    steps: list[Step] = []
    for name in STEPS:
        setting = settings.get(name, name in DEFAULT)
        if setting is None or setting is False:
            continue
        faults_of_step = _faults(name, setting)
        faults += faults_of_step
        # A step with a fault is not made, but the others are read on: all faults are told at once.
        if not faults_of_step:
            try:
                steps.append(_step_class(name)(**({} if setting is True else setting)))
            except InputError as error:
                faults.append(str(error))
    if faults:
        raise InputError.of_faults("curation", faults)
    return steps


def settings_of(steps: Sequence[Step]) -> dict[str, dict[str, Any]]:
    """Return the settings of all steps, defaults among them: the form that `steps_from` takes.

    Args:
        steps (`Sequence[Step]`): The steps.

    Returns:
        `dict[str, dict[str, Any]]`: {step: {setting: value}}.
    """
    return {step.name: {option.name: getattr(step, option.name) for option in _options(type(step))} for step in steps}


def _faults(name: str, setting: Any) -> list[str]:
    """List the faults of a step's settings, as far as names and types tell."""
    if setting is True:
        return []
    if not isinstance(setting, Mapping):
        return [f"{name} {setting!r}: give its settings, such as {{setting: value}}, or true or false"]
    hints = get_type_hints(_step_class(name))
    options = {option.name: hints[option.name] for option in _options(_step_class(name))}
    faults = []
    for option, value in setting.items():
        if option not in options:
            hint = did_you_mean(str(option), options) if options else "it has no settings."
            faults.append(f"{name}: unknown setting {option!r}: {hint}")
        elif not _fits(value, options[option]):
            read = "; YAML reads an unquoted yes, no, on or off so: quote it"
            faults.append(
                f"{name}: {option} {value!r}: give {_in_words(options[option])}"
                + (read if isinstance(value, bool) else "")
            )
    return faults


def _step_class(name: str) -> type[Step]:
    module, _, class_name = STEPS[name].rpartition(".")
    step_class = getattr(import_module(f"hf_lmt.data.curation.{module}"), class_name)
    return cast("type[Step]", step_class)


def _options(step: type[Step]) -> list[Any]:
    return [field_of_step for field_of_step in fields(cast(Any, step)) if field_of_step.init]


def _fits(value: Any, hint: Any) -> bool:
    """Check whether a value of a YAML file may stand where the type `hint` is meant."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Literal:
        # A bool is an int in Python; as a number it would hide that YAML read `yes` or `on` as true.
        return value in arguments
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(_fits(item, arguments[1]) for item in value.values())
    if isinstance(origin, type) and issubclass(origin, Sequence):
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        return listed and all(_fits(item, arguments[0]) for item in value)
    return isinstance(value, hint)


def _in_words(hint: Any) -> str:
    """Say in words which value a type asks for."""
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", type(None): "null"}
    if hint in words:
        return words[hint]
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_in_words(argument) for argument in get_args(hint))
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    origin = get_origin(hint)
    mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return "a mapping" if mapping else "a list"
