"""Read `--key value` words behind a command that change keys of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from hf_miwv.common.recipes.yaml_text import read_yaml


def read_overrides(words: Sequence[str], faults: list[str]) -> dict[str, Any]:
    """Read --key value and --key=value; the last of several wins.

    Values are read as YAML; dashes in a key stand for underscores. What cannot be read is added to
    `faults`.

    Args:
        words (`Sequence[str]`): The words of the command line.
        faults (`list[str]`): Takes what cannot be read.

    Returns:
        `dict[str, Any]`: {key: value}.
    """
    overrides: dict[str, Any] = {}
    rest = list(words)
    while rest:
        key, equals, text = rest.pop(0).partition("=")
        if not key.startswith("--") or not (equals or rest):
            faults.append(f"{key}: give a key of the recipe and its value, as in --max_steps 3")
            continue
        text = text if equals else rest.pop(0)
        try:
            overrides[key.removeprefix("--").replace("-", "_")] = read_yaml(text)
        except yaml.YAMLError:
            faults.append(f"{key} {text}: not a YAML value; put it in quotes")
    return overrides
