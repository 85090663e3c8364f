"""Hints in a third language: a model's own (PMP-S), or given ones (PMP-O)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hf_lmt.directions import Direction, auxiliary_of
from hf_lmt.translation.requests import Request, Translation

Write = Callable[[Sequence[Request]], list[Translation]]


class Hint(NamedTuple):
    """The hint that goes into a prompt, if any.

    Attributes:
        language (`str`, *optional*): Code of the hint's language; None for a plain prompt.
        text (`str`, *optional*): The hint; None for a plain prompt.
        tokens (`int`, *optional*, defaults to `0`): Tokens that the model wrote for it; 0 for a given one.
        dropped (`str`, *optional*): The reason why the model's own hint is not used.
    """

    language: str | None = None
    text: str | None = None
    tokens: int = 0
    dropped: str | None = None


def find_hints(requests: Sequence[Request], hints: str, write: Write) -> list[Hint]:
    """Choose a hint for each request, or an empty one, which means the plain prompt.

    "none": no hints. "given" (PMP-O): the request's own auxiliary, where it has one. "self"
    (PMP-S, arXiv 2511.07003): the model first translates into the auxiliary language of the
    direction (`directions.auxiliary_of`), with the plain prompt. Directions without one have no
    hint, nor has a request whose hint came out blank, capped or too long: it would mislead (our
    choice).

    Args:
        requests (`Sequence[Request]`): R requests.
        hints (`str`): "none", "given" or "self".
        write (`Write`): Translates requests, with the plain prompt.

    Returns:
        `list[Hint]`: (R,) hints.
    """
    if hints == "none":
        return [Hint()] * len(requests)
    if hints == "given":
        return [
            Hint(request.auxiliary_lang, request.auxiliary)
            if request.auxiliary and request.auxiliary.strip()
            else Hint()
            for request in requests
        ]
    languages = [auxiliary_of(Direction(request.source_lang, request.target_lang)) for request in requests]
    rows_with_pivot = [row for row, code in enumerate(languages) if code is not None]
    firsts = [Request(requests[row].source, requests[row].source_lang, str(languages[row])) for row in rows_with_pivot]
    new_hints = [Hint()] * len(requests)
    for row, first in zip(rows_with_pivot, write(firsts), strict=True):
        new_hints[row] = _hint_of(str(languages[row]), first)
    return new_hints


def _hint_of(code: str, first: Translation) -> Hint:
    if first.status != "ok":
        return Hint(tokens=first.tokens, dropped=first.status)
    if not first.text:
        return Hint(tokens=first.tokens, dropped="blank")
    return Hint(code, first.text, first.tokens)
