"""Type hints of the keys that a recipe may hold, taken from signatures and data classes."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterable, Mapping
from inspect import signature
from types import NoneType
from typing import Any, Literal

Hints = Mapping[str, Any]


def _one_of(words: Iterable[str]) -> Any:
    return Literal.__getitem__(tuple(words))


def _arguments(function: Callable[..., Any], inner: tuple[str, ...]) -> Hints:
    hints = typing.get_type_hints(function)
    return {name: hints[name] for name in signature(function).parameters if name not in inner}


def _fields(settings: Any) -> Hints:
    """Where a field's metadata names its choices, they are its type."""
    hints = typing.get_type_hints(settings)
    for field in dataclasses.fields(settings):
        if "choices" in field.metadata:
            words = _one_of(field.metadata["choices"])
            optional = NoneType in typing.get_args(hints[field.name])
            hints[field.name] = words | None if optional else words
    return {field.name: hints[field.name] for field in dataclasses.fields(settings) if field.init}
