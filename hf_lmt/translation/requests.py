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
    """Hold a text to translate, with its languages by LMT's codes.

    Args:
        source (`str`): The text.
        source_lang (`str`): Code of its language.
        target_lang (`str`): Code of the language to translate into.
        auxiliary (`str`, *optional*): Text of a hint, for hints="given".
        auxiliary_lang (`str`, *optional*): Code of the hint's language.
        document (`bool`, *optional*, defaults to `False`): Split the text at sentence ends first.
    """

    source: str
    source_lang: str
    target_lang: str
    auxiliary: str | None = None
    auxiliary_lang: str | None = None
    document: bool = False


@dataclass(frozen=True, slots=True)
class Translation:
    """Hold the result of a request.

    Attributes:
        text (`str`): The translation, without white space around it.
        status (`str`): "ok"; "empty", a source without text, which no model was asked about; "capped", the
            model did not end by itself within its tokens; "too_long", the prompt does not fit into
            the model's context, and the text is empty. A document has the last of these that any
            of its sentences has.
        tokens (`int`): Tokens that the model wrote, the end token included; a hint of its own not counted.
        hint (`str`, *optional*): The auxiliary sentence in the prompt; None for a plain prompt.
        hint_lang (`str`, *optional*): Code of its language.
        hint_tokens (`int`): Tokens that the model wrote for its hint.
        hint_dropped (`str`, *optional*): Why a hint of its own was not used: "blank", "capped" or "too_long".
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
        texts (`Sequence[str]`): N texts.
        source (`str | Sequence[str]`): Code of their language, or N codes.
        target (`str | Sequence[str]`): Code of the language to translate into, or N codes.
        auxiliaries (`Sequence[tuple[str, str] | None]`, *optional*): For each text, language and sentence of a
            hint, or None.

    Yields:
        `Request`: N requests.

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
    """Check the languages of a request, and its hint.

    Args:
        request (`Request`): The request.
        hints (`str`): One of HINTS.

    Raises:
        InputError: an unknown language, one language twice, or an unusable hint.
    """
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
    """Check the name of a mode of hints.

    Args:
        hints (`str`): The name.

    Returns:
        `str`: The name.

    Raises:
        InputError: it is none of HINTS.
    """
    if hints not in HINTS:
        raise InputError(f"hints {hints!r}: {did_you_mean(str(hints), HINTS)}")
    return hints
