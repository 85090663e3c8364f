"""The one exception for input that cannot be used, and the "did you mean" in its messages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher, get_close_matches

LISTED = 24  # names that a message lists whole
NEAREST = 12  # names that it lists of more


class InputError(ValueError):
    """Report input that cannot be used.

    The message says what was given, why it cannot be, and what to give instead,
    with file, row or option. The command line prints it without a traceback and
    leaves with exit code 2.

    Args:
        message (`str`): The whole message.
        faults (`Iterable[str]`, *optional*): All that is wrong, a sentence each; by default the message
            alone.

    Attributes:
        faults (`list[str]`): All that is wrong, a sentence each; the message alone where there is one.
    """

    def __init__(self, message: str, faults: Iterable[str] | None = None) -> None:
        super().__init__(message)
        self.faults = [message] if faults is None else list(faults)

    @classmethod
    def of_faults(cls, subject: object, faults: Iterable[str]) -> InputError:
        """Make the error of all that is wrong with a subject, such as a file: each fault once.

        Args:
            subject (`object`): The subject, as the message begins.
            faults (`Iterable[str]`): The faults, a sentence each; repeated ones are dropped.

        Returns:
            `InputError`: The error, to be raised.
        """
        faults = list(dict.fromkeys(faults))
        return cls(f"{subject}: " + "\n  ".join(["", *faults] if len(faults) > 1 else faults), faults)


def did_you_mean(word: str, known: Iterable[str], listed: int = LISTED) -> str:
    """Complete a message about a mistyped word: the nearest known words, or all of them.

    >>> did_you_mean("promt", ["prompt", "completion"])
    "did you mean 'prompt'?"

    Args:
        word (`str`): The mistyped word.
        known (`Iterable[str]`): The words that would be accepted.
        listed (`int`, *optional*, defaults to `24`): How many words may be listed whole; of more, the
            nearest twelve are.

    Returns:
        `str`: The tail of the message.
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
    """Yield the error and those it came from; `raise ... from None` hides them, but keeps them.

    Args:
        error (`BaseException`, *optional*): The error that was caught; nothing is yielded for None.

    Yields:
        `BaseException`: The error, then its cause or context, and so on.
    """
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
