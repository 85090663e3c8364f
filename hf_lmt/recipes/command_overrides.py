"""Words behind a command that change keys of a recipe: --learning_rate 1e-5 --pmp.share 0."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def overridden(content: Mapping[Any, Any], overrides: Mapping[str, Any], faults: list[str]) -> dict[Any, Any]:
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
