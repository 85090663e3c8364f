"""Recipes of before, with sections `model`, `training`, `output`: read as the flat ones of today."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES: Mapping[str, Mapping[str, str]] = {
    "model": {
        "name": "model_name_or_path",
        "revision": "model_revision",
        "dtype": "dtype",
        "attention": "attn_implementation",
        "device": "device",
        "trust_remote_code": "trust_remote_code",
        "load_in_4bit": "load_in_4bit",
        "load_in_8bit": "load_in_8bit",
    },
    "output": {"folder": "output_dir", "scored": "scoring.output_dir", "license": "license"},
}
"""Section -> {key in it: key of today}; the keys of `training` keep their names."""

SCORING = {"attention": "attn_implementation", "output": "output_dir"}
"""Key of the section scoring -> its name of today."""


def flattened(content: Mapping[Any, Any], faults: list[str]) -> tuple[dict[Any, Any], list[str]]:
    """Return the recipe with the keys of the sections of before at its top, and what to write today.

    Args:
        content (`Mapping`): A recipe.
        faults (`list[str]`): A key that is given in both forms is added to it, and one that a section never had.

    Returns:
        `tuple[dict, list[str]]`: The flat recipe, and for each section of before a line that says how its
        keys are written today; none for a recipe that is flat.
    """
    flat = {key: value for key, value in content.items() if key not in (*NAMES, "training")}
    lines = []
    for section in (*NAMES, "training"):
        if section not in content:
            continue
        inner = {} if content[section] is None else content[section]
        if not isinstance(inner, Mapping):
            faults.append(f"{section}: give a mapping of keys to values, not {inner!r}")
            continue
        today = {}
        for key, value in inner.items():
            name = NAMES[section].get(key) if section in NAMES else key
            if name is None:
                faults.append(f"{section}: unknown key {key!r}; the keys of today stand at the top of the recipe")
                continue
            today[key] = name
            outer, _, last = str(name).rpartition(".")
            target = flat.setdefault(outer, {}) if outer else flat
            if last in target or name in content:
                faults.append(f"{section}: {key}: {name} is given at the top, too; leave the section out")
            target[last if outer else name] = value
        lines.append(f"the section {section} is of before: {_words(section, today)}")
    scoring = flat.get("scoring")
    for before, today_name in SCORING.items():
        if isinstance(scoring, Mapping) and before in scoring:
            flat["scoring"] = scoring = {today_name if key == before else key: value for key, value in scoring.items()}
            lines.append(f"scoring: {before} is {today_name} now")
    return flat, lines


def _words(section: str, today: Mapping[Any, str]) -> str:
    if section == "training":
        return "write its keys at the top of the recipe, as they are"
    return "at the top of the recipe write " + ", ".join(f"{name} for {key}" for key, name in today.items())
