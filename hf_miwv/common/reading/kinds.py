"""Name kinds of values in messages, and the error of a single row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_miwv.common.errors import InputError


class RowError(InputError):
    """Report a row that cannot be read.

    Args:
        message (`str`): The message.
        kind (`str`, *optional*): The fault without what differs from row to row, by which faults are counted; by
            default the message.
    """

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind or message


def kind(value: Any) -> str:
    """Name the kind of a value in JSON's words: "null", "a number", "a string", ...

    Args:
        value (`Any`): The value.

    Returns:
        `str`: The kind, with its article.
    """
    kinds: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


def describe(value: Any) -> str:
    """Name the kind of a value and, where it is short to say, the value: "a number (3)".

    Args:
        value (`Any`): The value.

    Returns:
        `str`: The kind, and up to 40 characters of the value.
    """
    if value is None or isinstance(value, list | Mapping):
        return kind(value)
    text = repr(value) if isinstance(value, str) else str(value)
    return f"{kind(value)} ({text if len(text) <= 40 else text[:37] + '...'})"
