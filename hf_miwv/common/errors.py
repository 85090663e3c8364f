"""The one exception for input that cannot be used, and the "did you mean" in its messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches

LISTED = 24  # names that a message lists whole
NEAREST = 12  # names that it lists of more


class InputError(ValueError):
    """What the caller gave cannot be used.

    The message says what was given, why it cannot be, and what to give instead,
    with file, row or option. The command line prints it without a traceback and
    leaves with exit code 2.
    """


def did_you_mean(word: str, known: Iterable[str], listed: int = LISTED) -> str:
    """Write the tail of a message about a mistyped `word`: the nearest `known` words, or all.

    Args:
        word: what was given.
        known: what could be given.
        listed: how many words may be listed whole; of more, the NEAREST nearest are.

    >>> did_you_mean("promt", ["prompt", "completion"])
    "did you mean 'prompt'?"
    """
    known = sorted(known)
    near = get_close_matches(word, known, n=3, cutoff=0.6)
    if near:
        return "did you mean " + " or ".join(repr(name) for name in near) + "?"
    if len(known) > listed:
        nearness = {name: SequenceMatcher(None, word, name).ratio() for name in known}
        nearest = sorted(known, key=lambda name: -nearness[name])[:NEAREST]
        return f"the nearest of {len(known)} known ones: " + ", ".join(nearest)
    return "known: " + ", ".join(known)


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and those it came from; `raise ... from None` hides them, but keeps them."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
