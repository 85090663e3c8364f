"""Read a YAML file that holds a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.yaml_text import read_yaml


def load_mapping(path: Path) -> dict[Any, Any]:
    """Read the mapping that a YAML file holds.

    Args:
        path (`Path`): The file.

    Returns:
        `dict[Any, Any]`: The mapping.

    Raises:
        InputError: the file cannot be read, or holds none.
    """
    try:
        content = read_yaml(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: give a mapping of option names to values")
    return content
