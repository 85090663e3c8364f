"""A YAML file of command-line options: checked as a whole, all faults told together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_miwv.common.command_line import option_name
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.recipes.yaml_file import load_mapping


def read_settings(path: Path, command: click.Command) -> dict[str, Any]:
    """Read the options of a command from a YAML file.

    Keys are the long options without their dashes (batch_tokens or batch-tokens). The command line
    takes precedence.

    Args:
        path (`Path`): The file.
        command (`click.Command`): The command.

    Returns:
        `dict[str, Any]`: Parameter name -> value.

    Raises:
        InputError: not YAML, not a mapping, unknown keys, values of the wrong type; all of them.
    """
    known = {name: parameter for parameter in command.params for name in _keys(parameter)}
    faults, settings = [], {}
    for key, value in load_mapping(path).items():
        parameter = known.get(option_name(str(key)))
        if parameter is None:
            faults.append(f"unknown key {key!r}: {did_you_mean(str(key), known)}")
        elif fault := _fault(key, value, parameter):
            faults.append(fault)
        else:
            # As text, so that click converts and checks it like a word of the command line.
            settings[str(parameter.name)] = _option_value(value, parameter)
    if faults:
        raise InputError.of_faults(path, faults)
    return settings


def _keys(parameter: click.Parameter) -> list[str]:
    if isinstance(parameter, click.Argument):
        return [option_name(str(parameter.name))]
    names = [option_name(option.lstrip("-")) for option in parameter.opts]
    return [name for name in names if name not in ("settings", "help")]


def _is_flag(parameter: click.Parameter) -> bool:
    return bool(getattr(parameter, "is_flag", False))


def _is_list(parameter: click.Parameter) -> bool:
    return bool(getattr(parameter, "multiple", False))


def _option_value(value: Any, parameter: click.Parameter) -> Any:
    if _is_flag(parameter):
        return value
    if _is_list(parameter):
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    return str(value)


def _fault(key: Any, value: Any, parameter: click.Parameter) -> str | None:
    if _is_flag(parameter):
        return None if isinstance(value, bool) else f"{key}: {value!r} is not true or false"
    # YAML 1.1 reads no, off, yes and on as truth values: text would become "False" in silence.
    if isinstance(value, bool):
        return f"{key}: YAML reads this word as {value}; put it in quotes"
    if isinstance(value, (str, int, float)):
        return None
    if _is_list(parameter) and isinstance(value, list) and all(isinstance(item, str) for item in value):
        return None
    return f"{key}: give one value, not {value!r}"
