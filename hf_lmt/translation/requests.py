"""Requests for translations, and their results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hf_lmt.directions import Direction
from hf_miwv.common.errors import InputError, did_you_mean

Status = Literal["ok", "empty", "capped", "too_long"]
HINTS = ("none", "self", "given")


@dataclass(frozen=True, slots=True)
class Request:
    """A text to translate, with its languages by LMT's codes.

    Attributes:
        auxiliary, auxiliary_lang: a hint, for hints="given".
        document: whether to split the text at sentence ends first.
    """

    source: str
    source_lang: str
    target_lang: str
    auxiliary: str | None = None
    auxiliary_lang: str | None = None
    document: bool = False


@dataclass(frozen=True, slots=True)
class Translation:
    """The result of a request.

    Attributes:
        text: the translation, without white space around it.
        status: "ok"; "empty", a source without text, which no model was asked about; "capped", the
            model did not end by itself within its tokens; "too_long", the prompt does not fit into
            the model's context, and the text is empty. A document has the last of these that any
            of its sentences has.
        tokens: that the model wrote, the end token included; a hint of its own not counted.
        hint, hint_lang: the auxiliary sentence in the prompt; None for a plain prompt.
        hint_tokens: that the model wrote for its hint.
        hint_dropped: why a hint of its own was not used: "blank", "capped" or "too_long".
    """

    text: str
    status: Status
    tokens: int = 0
    hint: str | None = None
    hint_lang: str | None = None
    hint_tokens: int = 0
    hint_dropped: str | None = None


def requests_of(
    texts: Sequence[str],
    source: str | Sequence[str],
    target: str | Sequence[str],
    auxiliaries: Sequence[tuple[str, str] | None] | None = None,
) -> Iterator[Request]:
    """Make a request for each text, with one language for all or one each.

    Args:
        auxiliaries: a language and a sentence for each text, or None.

    Raises:
        InputError: lists of different lengths, or something that is no text.
    """
    count = len(texts)
    lists = {"source": source, "target": target, "auxiliaries": auxiliaries or [None] * count}
    columns: dict[str, list[Any]] = {
        name: [values] * count if isinstance(values, str) else list(values) for name, values in lists.items()
    }
    for name, column in columns.items():
        if len(column) != count:
            raise InputError(f"{count} texts, and {len(column)} of {name}: give one for each text")
    for row, text in enumerate(texts):
        auxiliary = columns["auxiliaries"][row] or (None, None)
        if not isinstance(text, str):
            raise InputError(f"text {row} is {text!r}: give a str")
        yield Request(text, columns["source"][row], columns["target"][row], auxiliary[1], auxiliary[0])


def check_request(request: Request, hints: str) -> None:
    """Raise InputError for an unknown language, one language twice, or an unusable hint."""
    direction = Direction(request.source_lang, request.target_lang)
    if hints == "given" and (request.auxiliary or "").strip():
        if request.document:
            raise InputError(
                f"{direction}: a document is translated sentence by sentence, and its "
                "hint cannot be split with it; give sentences"
            )
        if request.auxiliary_lang is None:
            raise InputError(f"{direction}: a hint without its language; give auxiliary_lang")
        Direction(request.auxiliary_lang, request.target_lang)
        Direction(request.auxiliary_lang, request.source_lang)


def check_hints(hints: str) -> str:
    """Return `hints` if it names one of the ways to hints; InputError otherwise."""
    if hints not in HINTS:
        raise InputError(f"hints {hints!r}: {did_you_mean(str(hints), HINTS)}")
    return hints
