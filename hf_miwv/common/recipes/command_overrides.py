"""Words behind a command that change keys of a recipe: --learning_rate 1e-5 --pmp.share 0."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def overridden(content: Mapping[Any, Any], overrides: Mapping[str, Any], faults: list[str]) -> dict[Any, Any]:
    """Return the recipe's content with the overrides in it; a section that was left out is begun.

    Args:
        content (`Mapping`): The recipe.
        overrides (`Mapping[str, Any]`): {key: value}; `section.key` for a key of a section.
        faults (`list[str]`): An override of a key within something that has none is added to it.

    Returns:
        `dict`: A copy with the values in it.
    """
    changed = copy.deepcopy(dict(content))
    for name, value in overrides.items():
        *sections, key = name.split(".")
        target = changed
        for section in sections:
            inner = target.get(section)
            inner = {} if inner is None or inner is True else inner
            if not isinstance(inner, dict):
                faults.append(f"--{name}: {section} of the recipe has no keys to change")
                break
            target[section] = inner
            target = inner
        else:
            target[key] = value
    return changed
