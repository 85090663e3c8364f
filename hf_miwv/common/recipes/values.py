"""Is a value from a YAML file what an annotation says? In the words of someone who writes YAML."""

from __future__ import annotations

import math
from decimal import Decimal
from enum import Enum
from inspect import isclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from hf_miwv.common.errors import did_you_mean

MISFIT = object()  # what `fit` returns for a value of another type
WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
}


def fault_of(key: str, value: Any, hint: Any) -> str | None:
    """Say what is wrong with a value of a recipe.

    >>> fault_of("split", False, str | None)
    'split: YAML reads this word as False; put it in quotes'

    Args:
        key (`str`): The key, for the words.
        value (`Any`): Its value, as YAML has it.
        hint (`type`): The type that it should have.

    Returns:
        `str | None`: The words; None where nothing is wrong.
    """
    if fit(value, hint) is not MISFIT:
        return None
    known = choices(hint)
    if isinstance(value, bool) and (known or takes_text(hint)):
        return f"{key}: YAML reads this word as {value}; put it in quotes"
    if known and isinstance(value, str):
        return f"{key}: {value!r} is not one of its values; {did_you_mean(value, known)}"
    if isinstance(value, int | float) and takes_text(hint):
        return f"{key}: YAML reads {value} as a number, and this is text; put it in quotes"
    return f"{key}: {value!r} is not {expected(hint)}"


def fit(value: Any, hint: Any) -> Any:
    """Convert a value of YAML to a type.

    A whole number is a number too, true and false are neither. Text that reads as a number is
    taken where a number is wanted and text is not: YAML 1.1 reads 2e-5, without a point, as text.
    In a union of an enumeration and text, the text is one of the enumeration's values.

    Args:
        value (`Any`): The value.
        hint (`type`): The type.

    Returns:
        `Any`: The value as that type, MISFIT where it is none of it.
    """
    members = get_args(hint)
    if get_origin(hint) in (Union, UnionType):
        named = any(_is_enumeration(member) for member in members)
        fits = [fit(value, member) for member in members if not (named and member is str)]
        exact = [part for part in fits if part is not MISFIT and type(part) is type(value)]
        return next(iter([*exact, *(part for part in fits if part is not MISFIT)]), MISFIT)
    if get_origin(hint) is Literal or _is_enumeration(hint):
        return value if isinstance(value, bool | str) and _is_choice(value, hint) else MISFIT
    if hint in (float, Decimal):
        return _number(value)
    if hint is int:
        return value if isinstance(value, int) and not isinstance(value, bool) else MISFIT
    if hint in (bool, str, NoneType):
        return value if isinstance(value, hint) else MISFIT
    if hint is Any:
        return value
    return _collection(value, get_origin(hint) or hint, members)


def expected(hint: Any) -> str:
    """Describe the values that a type allows: "a whole number or null".

    Args:
        hint (`type`): The type.

    Returns:
        `str`: The words.
    """
    if known := choices(hint):
        return "one of " + ", ".join(known)
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    names = [_word(get_origin(member) or member) for member in members]
    return " or ".join(dict.fromkeys(name for name in names if name)) or "a value for a recipe"


def choices(hint: Any) -> list[str]:
    """List the words that an enumeration or Literal allows, also within a union; else none.

    Args:
        hint (`type`): The type.

    Returns:
        `list[str]`: The words, in their order; none for other types.
    """
    if get_origin(hint) in (Union, UnionType):
        return [word for member in get_args(hint) for word in choices(member)]
    if get_origin(hint) is Literal:
        return [word for word in get_args(hint) if isinstance(word, str)]
    return [str(member.value) for member in hint] if _is_enumeration(hint) else []


def takes_text(hint: Any) -> bool:
    """Check whether text is among the values that a type allows.

    Args:
        hint (`type`): The type.

    Returns:
        `bool`: True where it is.
    """
    if get_origin(hint) in (Union, UnionType):
        return any(takes_text(member) for member in get_args(hint))
    return hint is str


def _is_choice(value: bool | str, hint: Any) -> bool:
    """Also pissa_niter_16, which peft's annotation writes pissa_niter_[number of iters]."""
    if any(value is word for word in get_args(hint) if isinstance(word, bool)):
        return True
    open_ended = [word.partition("[")[0] for word in choices(hint) if "[" in word]
    return isinstance(value, str) and (value in choices(hint) or any(value.startswith(start) for start in open_ended))


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return MISFIT
    try:
        number = float(value)
    except ValueError:
        return MISFIT
    if not math.isfinite(number):
        return MISFIT
    return number if isinstance(value, str) else value


def _collection(value: Any, kind: Any, members: tuple[Any, ...]) -> Any:
    if isinstance(value, dict) and _takes(dict, kind):
        member_type = members[1] if len(members) == 2 else Any
        good = all(isinstance(key, str) and fit(part, member_type) is not MISFIT for key, part in value.items())
        return value if good else MISFIT
    if isinstance(value, list) and (_takes(list, kind) or kind is tuple):
        member_type = members[0] if members else Any
        return value if all(fit(part, member_type) is not MISFIT for part in value) else MISFIT
    return MISFIT


def _takes(collection: type, kind: Any) -> bool:
    return isclass(kind) and issubclass(collection, kind)


def _word(kind: Any) -> str | None:
    if kind in WORDS:
        return WORDS[kind]
    return "a mapping" if _takes(dict, kind) else "a list" if _takes(list, kind) else None


def _is_enumeration(hint: Any) -> bool:
    return isclass(hint) and issubclass(hint, Enum)


def is_number(value: object) -> bool:
    """Check whether a value is a number; true and false are none.

    Args:
        value (`object`): The value.

    Returns:
        `bool`: True for int and float.
    """
    return isinstance(value, int | float) and not isinstance(value, bool)
