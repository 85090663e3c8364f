"""The sections of a recipe to what they stand for; what is wrong with them is collected."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from hf_lmt.data.corpora.sources import Source, american
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.method.prompts import Wording
from hf_lmt.directions import DIRECTIONS, Direction, match_directions
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.recipes.fields import argument_hints, field_hints
from hf_miwv.common.recipes.values import fault_of

WITH_CODES = (
    "path",
    "languages",
    "variants",
    "language_names",
)  # of a source; it says itself which code cannot be


class Faults(list[str]):
    """The faults of a recipe, one line each."""

    def of(self, section: str) -> bool:
        """Check whether any fault is about the section.

        Args:
            section (`str`): Name of the section.

        Returns:
            `bool`: True where one begins with its name.
        """
        return any(fault.startswith(section) for fault in self)

    def check(self, section: str, make: Any, **arguments: Any) -> Any:
        """Make an object of a section's values; why it refuses them is a fault of the section.

        Args:
            section (`str`): Name of the section.
            make (`Callable`): The class or function.
            **arguments (`Any`): Its arguments.

        Returns:
            `Any`: `make(**arguments)`, or None where it raises an InputError.
        """
        try:
            return make(**arguments)
        except InputError as error:
            self.append(f"{section}: {error}")
            return None


def read_sources(section: Any, faults: Faults) -> tuple[Source, ...]:
    """Read a list of mappings with the fields of Source.

    Args:
        section (`Any`): The section `data`, as YAML has it.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `tuple[Source, ...]`: The sources that nothing is wrong with.
    """
    if not isinstance(section, list) or not section:
        missing = "is missing; " if section is None else ""
        faults.append(f"data: {missing}give a list of sources, as in\n    data:\n      - path: data/train")
        return ()
    hints = field_hints(Source)
    sources = []
    for number, entry in enumerate(section, 1):
        location = f"data, source {number}"
        if not isinstance(entry, dict) or "path" not in entry:
            faults.append(f"{location}: give a mapping with a path, not {entry!r}")
            continue
        entry = american(entry)
        wrong = _key_faults(location, entry, hints)
        faults += wrong
        source = None if wrong else faults.check(location, Source, **entry)
        sources += [source] if source else []
    if sources and not any(source.weight for source in sources):
        faults.append("data: all weights are 0, so nothing is asked for; give one above 0")
    return tuple(sources)


def read_directions(section: Any, faults: Faults) -> tuple[tuple[Direction, ...], frozenset[Direction]]:
    """Read the section `directions`, a list of directions and globs.

    Args:
        section (`Any`): The section, as YAML has it; None for all directions.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `tuple[tuple[Direction, ...], frozenset[Direction]]`: The directions, and those of them that are named one
        by one.
    """
    if section is None:
        return DIRECTIONS, frozenset()
    if not isinstance(section, list) or not section:
        faults.append(f"directions: give a list, as in [en-*, kk-zh], not {section!r}")
        return (), frozenset()
    matched: list[str] = []
    for glob in section:
        fault = fault_of("directions", glob, str)
        if fault:
            faults.append(fault)
        elif faults.check("directions", match_directions, globs=[glob]) is not None:
            matched.append(glob)
    named = match_directions(glob for glob in matched if "*" not in glob)
    return tuple(match_directions(matched)), frozenset(named)


def read_curation(section: Any, faults: Faults) -> tuple[Any, ...]:
    """Read the section `curation`.

    Args:
        section (`Any`): The section, as YAML has it: None for the default steps, false for none.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `tuple[Any, ...]`: The steps, in the order in which rows pass them.
    """
    from hf_lmt.data.curation.curation_settings import steps_from

    if section is False:
        return ()
    if section is not None and not isinstance(section, dict):
        faults.append(f"curation: give a mapping of steps to settings, or false for none; not {section!r}")
        return ()
    try:
        return tuple(steps_from(section))
    except InputError as error:  # it begins with the section's name itself
        faults.append(str(error))
        return ()


def read_downsampling(section: Any, seed: int, faults: Faults) -> StrategicDownsampling | None:
    """Read the section `downsampling`.

    Args:
        section (`Any`): The section, as YAML has it: None or true for the default, false for none.
        seed (`int`): Seed of the recipe, where the section has none.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `StrategicDownsampling | None`: The sampling; None for none, or where it is at fault.
    """
    if section is False:
        return None
    arguments = _arguments("downsampling", section, StrategicDownsampling, seed, faults)
    return None if arguments is None else faults.check("downsampling", StrategicDownsampling, **arguments)


def read_prompting(section: Any, seed: int, faults: Faults) -> ParallelMultilingualPrompting:
    """Read the section `pmp`.

    Args:
        section (`Any`): The section, as YAML has it: None or true for the default, false for the plain prompt in
            every row.
        seed (`int`): Seed of the recipe, where the section has none.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `ParallelMultilingualPrompting`: The prompting; the plain one where the section is at fault.
    """
    plain = ParallelMultilingualPrompting(0.0, seed=seed)
    if section is False:
        return plain
    arguments = _arguments("pmp", section, ParallelMultilingualPrompting, seed, faults)
    if arguments is None:
        return plain
    if isinstance(arguments.get("wording"), dict):
        wording = arguments["wording"]
        if set(wording) != {"plain", "hinted"}:
            faults.append("pmp: wording: give a name, or two templates, {plain: ..., hinted: ...}")
            return plain
        arguments["wording"] = faults.check("pmp", Wording, **wording)
        if arguments["wording"] is None:
            return plain
    return faults.check("pmp", ParallelMultilingualPrompting, **arguments) or plain


def read_mixture(section: Any, faults: Faults) -> Mapping[str, Any] | None:
    """Check the section `mixture`.

    Args:
        section (`Any`): The section, as YAML has it; None or false for none.
        faults (`Faults`): Takes what is wrong with it.

    Returns:
        `Mapping[str, Any] | None`: The section as it is; None for none.
    """
    if section is None or section is False:
        return None
    if not isinstance(section, dict):
        faults.append(f"mixture: give a mapping of settings, or leave it out; not {section!r}")
        return None
    from hf_lmt.data.corpora.monolingual import load_monolingual
    from hf_lmt.data.mixture import mix

    known = ["monolingual", *argument_hints(mix, ("bilingual", "monolingual", "tokenizer", "num_proc"))]
    faults += [f"mixture: unknown key {key!r}; {did_you_mean(str(key), known)}" for key in section if key not in known]
    sources = section.get("monolingual", [])
    if not isinstance(sources, list) or not all(isinstance(entry, dict) for entry in sources):
        faults.append("mixture: monolingual: give a list of sources, each with a path")
        return None
    hints = typing.get_type_hints(load_monolingual)
    hints.pop("return")
    for number, source in enumerate(sources, 1):
        location = f"mixture, monolingual source {number}"
        if "path" not in source:
            faults.append(f"{location}: path is missing")
        faults += _key_faults(location, source, hints)
    return section


def _arguments(name: str, section: Any, step: Any, seed: int, faults: Faults) -> dict[str, Any] | None:
    """Return the arguments of a step, with the seed of the recipe where none is given."""
    section = {} if section is True or section is None else section
    if not isinstance(section, dict):
        faults.append(f"{name}: give a mapping of settings, or false; not {section!r}")
        return None
    known = field_hints(step)
    unknown = [f"{name}: unknown key {key!r}; {did_you_mean(str(key), known)}" for key in section if key not in known]
    faults += unknown
    return {"seed": seed, **{key: value for key, value in section.items() if key in known}}


def _key_faults(location: str, entry: Mapping[Any, Any], hints: Mapping[str, Any]) -> list[str]:
    faults = []
    for key, value in entry.items():
        if key not in hints:
            faults.append(f"{location}: unknown key {key!r}; {did_you_mean(str(key), hints)}")
        elif key == "languages" and not isinstance(value, list | dict):
            faults.append(
                f"{location}: languages: give a list, as in [en, kk], or say which of two names is "
                f"read, as in {{en: en-US}}; not {value!r}"
            )
        elif key not in WITH_CODES and (fault := fault_of(key, value, hints[key])):
            faults.append(f"{location}: {fault}")
    return faults
