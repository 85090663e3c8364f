"""Words behind a command that change keys of a recipe: --learning_rate 1e-5 --pmp.share 0."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml


def read_overrides(words: Sequence[str], faults: list[str]) -> dict[str, Any]:
    """{key: value} of --key value, --key=value; the last of several wins.

    Values are read as YAML. A dot leads into a section: `downsampling.rate`. Dashes in a key stand
    for underscores. What cannot be read is told in `faults`.
    """
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        key, equals, text = rest.pop(0).partition("=")
        if not key.startswith("--") or not (equals or rest):
            faults.append(f"{key}: give a key of the recipe and its value, as in --max_steps 3")
            continue
        text = text if equals else rest.pop(0)
        try:
            given[key.removeprefix("--").replace("-", "_")] = yaml.safe_load(text)
        except yaml.YAMLError:
            faults.append(f"{key} {text}: not a YAML value; put it in quotes")
    return given


def overridden(
    content: Mapping[Any, Any], overrides: Mapping[str, Any], faults: list[str]
) -> dict[Any, Any]:
    """The recipe's content with the overrides in it; a section that was left out is begun."""
    changed = copy.deepcopy(dict(content))
    for name, value in overrides.items():
        *sections, key = name.split(".")
        place = changed
        for section in sections:
            inner = place.get(section)
            inner = {} if inner is None or inner is True else inner
            if not isinstance(inner, dict):
                faults.append(f"--{name}: {section} of the recipe has no keys to change")
                break
            place[section] = inner
            place = inner
        else:
            place[key] = value
    return changed
