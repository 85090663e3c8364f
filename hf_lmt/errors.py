"""The one exception for input that cannot be used, and the "did you mean" in its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """What the caller gave cannot be used.

    The message says what was given, why it cannot be, and what to give instead,
    with file, row or option. The command line prints it without a traceback and
    leaves with exit code 2.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The tail of a message about a mistyped `word`: the nearest `known` words, or all of them.

    >>> did_you_mean("tier_limit", ["tier_limits", "seed"])
    "did you mean 'tier_limits'?"
    """
    known = sorted(known)
    near = get_close_matches(word, known, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(name) for name in near) + "?"
    return "known: " + ", ".join(known)
