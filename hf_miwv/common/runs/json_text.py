"""JSON that every program reads: a number that is not finite is written as null."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import partial
from typing import Any


def json_text(value: Any, *, indent: int | None = None, sort_keys: bool = False) -> str:
    """Return `value` as JSON by RFC 8259, letters of all scripts as they are.

    A text with half a surrogate pair, which UTF-8 cannot hold, is written in ASCII throughout.

    NaN and infinities have no spelling in JSON (Python's `NaN` is refused by other readers): a
    statistic that is undefined becomes null. NumPy's numbers become plain ones, and an object that JSON
    does not know its text, so that a record is never lost over a setting of a strange type.

    Args:
        value (`Any`): Mappings, sequences, strings, numbers, booleans and None, nested.
        indent (`int`, *optional*): Blanks of each level; None writes one line.
        sort_keys (`bool`, *optional*, defaults to `False`): Whether keys are written in their order.

    Returns:
        `str`: The text, without a line break at its end.
    """
    try:
        return _dumps(value, indent, sort_keys)
    except ValueError:  # a number that is not finite; rare, so that others cost no copy
        return _dumps(_with_null(value), indent, sort_keys)


def _dumps(value: Any, indent: int | None, sort_keys: bool) -> str:
    dump = partial(json.dumps, value, indent=indent, sort_keys=sort_keys, allow_nan=False, default=_plain)
    text = dump(ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return dump(ensure_ascii=True)
    return text


def _plain(value: Any) -> Any:
    """Turn a number of NumPy or torch into Python's; anything else into its text."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        number = value.item()
        return None if isinstance(number, float) and not math.isfinite(number) else number
    return str(value)


def _with_null(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _with_null(content) for name, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_null(item) for item in value]
    return value
