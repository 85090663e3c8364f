"""Type hints of the keys that a recipe may hold, taken from signatures and data classes."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from inspect import signature, unwrap
from types import NoneType, SimpleNamespace
from typing import Any, Literal

Hints = Mapping[str, Any]


def choice_of(words: Iterable[str]) -> Any:
    """Make the type of a value that is one of these words.

    Args:
        words (`Iterable[str]`): The words.

    Returns:
        `Any`: A `Literal`.
    """
    return Literal.__getitem__(tuple(words))


def argument_hints(function: Callable[..., Any], inner: tuple[str, ...]) -> Hints:
    """Read the type hints of a function's arguments but for those that a recipe does not give.

    Args:
        function (`Callable[..., Any]`): The function.
        inner (`tuple[str, ...]`): Names of the arguments to leave out.

    Returns:
        `Hints`: {argument: type}.
    """
    names = [name for name in signature(function).parameters if name not in inner]
    # Of these alone, because the types of the others may be of libraries that are loaded later.
    kept = SimpleNamespace(__annotations__={name: function.__annotations__[name] for name in names})
    return typing.get_type_hints(kept, unwrap(function).__globals__)


def field_hints(settings: Any) -> Hints:
    """Read the type hints of a data class's fields; where the metadata names choices, they are the type.

    Args:
        settings (`type`): The data class.

    Returns:
        `Hints`: {field: type}, of the fields that its constructor takes.
    """
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        if "choices" in field.metadata:
            words = choice_of(field.metadata["choices"])
            optional = NoneType in typing.get_args(hints[field.name])
            hints[field.name] = words | None if optional else words
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}
