"""Keyword arguments by the names that they had before, read with a warning that names today's."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def former_names(today: Mapping[str, str | Callable[[Any], Mapping[str, Any]]]) -> Callable[[Function], Function]:
    """Let a function, or a class when it is made, take keyword arguments by their names of before.

    Args:
        today (`Mapping`): Name of before -> today's, or a function that makes of the value {today's name:
            value}.

    Returns:
        `Callable`: The decorator. What it returns warns with a FutureWarning for each name of before, and
        raises TypeError where both names of an argument are used.
    """

    def decorate(function: Function) -> Function:
        target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]

        @functools.wraps(target)
        def translated(*args: Any, **arguments: Any) -> Any:
            for name in today.keys() & arguments.keys():
                value, rule = arguments.pop(name), today[name]
                meant = {rule: value} if isinstance(rule, str) else rule(value)
                words = ", ".join(f"{key}={replacement!r}" for key, replacement in meant.items())
                if repeated := meant.keys() & arguments.keys():
                    raise TypeError(
                        f"{function.__name__}: {name} and {', '.join(repeated)} are the same; give {words}"
                    )
                shown = rule if isinstance(rule, str) else words or "nothing"
                warnings.warn(f"{function.__name__}: {name} is {shown} now", FutureWarning, stacklevel=2)
                arguments.update(meant)
            return target(*args, **arguments)

        if isinstance(function, type):
            function.__init__ = translated  # type: ignore[misc]
            return function
        return translated  # type: ignore[return-value]

    return decorate


def loaded_in(quantization: str | None) -> dict[str, Any]:
    """Return today's arguments for `quantization`.

    Args:
        quantization (`str | None`): "4bit" or "8bit", or None.

    Returns:
        `dict[str, Any]`: load_in_4bit or load_in_8bit; none for None.
    """
    return {} if quantization is None else {f"load_in_{quantization}": True}


def private_of(public: bool) -> dict[str, Any]:
    """Return today's argument for `public`.

    Args:
        public (`bool`): Value of the former argument.

    Returns:
        `dict[str, Any]`: {"private": its opposite}.
    """
    return {"private": not public}
