"""Responses that would harm a model that is tuned on them: counted and shown, never dropped."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

# The patterns and bounds are ours. They are meant to be looked at by a person, so they rather miss than cry wolf.
META_TEXT = re.compile(
    r"\A\s*step 1\s*:|\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\binstruction[- ]+response pairs?\b|^#{2,}\s*(?:instruction|response|input|output)s?\s*:"
    r"|\bhere (?:is|are) (?:an?|the|your) (?:new |revised |rewritten )?(?:instruction|prompt)s?\b",
    re.IGNORECASE | re.MULTILINE,
)
REFUSAL = re.compile(
    r"\A\W*(?:(?:i am|i'm|i’m|we are|we're|we’re) (?:very |so |really )?(?:sorry|afraid)|sorry|my apologies"
    r"|i apologi[sz]e)\b"
    r"|\b(?:i am|i'm|i’m|we are|we're|we’re) (?:unable|not able) to\b"
    r"|\b(?:i|we) (?:cannot|can not|can't|can’t|won't|won’t|could not|couldn't) "
    r"(?:help|assist|answer|provide|comply|fulfil|fulfill|do|create|generate|complete|access)\b",
    re.IGNORECASE,
)
REFUSAL_REACH = 200  # characters from the beginning: later on it may be a quotation or a story
FENCE = re.compile(r"^\s*(?:```|~~~)", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?…]\s|[。！？।]")
LIST_ITEM = re.compile(r"\A\s*(?:[-*+•#|>]|\d+[.)]|[A-Za-z][.)])")
OPEN_ENDS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "but",
        "of",
        "to",
        "in",
        "on",
        "at",
        "for",
        "with",
        "by",
        "from",
        "as",
        "that",
        "which",
        "because",
        "its",
        "their",
    ]
)
LEAST_WORDS, LEAST_CHARACTERS = 20, 100  # of a response, and
LEAST_LINE = 40  # characters of its last line, that it is taken for cut off
LEAST_LETTERS = 60  # of a response whose language is told,
LANGUAGE_REACH = 400  # from so many characters at its beginning
NO_LANGUAGE = "zxx"  # the identifier's code of what is no language
LEAST_PROBABILITY = 0.5  # of that language
LANGUAGE_SHARE = 0.05  # of the responses whose language is told: languages with less are not the set's

KINDS = ("meta_text", "refusal", "cut_off", "broken_code_fence", "other_language")


def has_meta_text(response: str) -> bool:
    """Check whether a response speaks of itself: the steps of its generator, an assistant, a pair of texts.

    Args:
        response (`str`): The response.

    Returns:
        `bool`: True where it does.

    >>> has_meta_text("Step 1: I will write an instruction."), has_meta_text("The first step is to rest.")
    (True, False)
    """
    return META_TEXT.search(response) is not None


def is_refusal(response: str) -> bool:
    """Check whether a response begins by declining to answer.

    Args:
        response (`str`): The response.

    Returns:
        `bool`: True where it does.

    >>> is_refusal("I'm sorry, but I cannot help with that."), is_refusal("She said that she was sorry.")
    (True, False)
    """
    return REFUSAL.search(response[:REFUSAL_REACH]) is not None


def has_broken_code_fence(response: str) -> bool:
    """Check whether a fence of code is opened and never closed, or the other way round.

    Args:
        response (`str`): The response.

    Returns:
        `bool`: True where the fences are odd in number.
    """
    return len(FENCE.findall(response)) % 2 == 1


def is_cut_off(response: str) -> bool:
    """Check whether a longer response ends in the middle of a sentence.

    It ends in a comma or a word such as "the" or "because"; or in a letter, with no sign behind it, where
    sentences before it have theirs and the last line is no list item, no heading, no row of a table.

    Args:
        response (`str`): The response.

    Returns:
        `bool`: True where it does.

    >>> is_cut_off(10 * "The days are long. " + "They are long because the")
    True
    >>> is_cut_off("Paris"), is_cut_off(10 * "The days are long. ")
    (False, False)
    """
    text = response.rstrip()
    if (len(text.split()) < LEAST_WORDS and len(text) < LEAST_CHARACTERS) or has_broken_code_fence(text):
        return False
    last_line = text.rsplit("\n", 1)[-1]
    if text[-1] in ",(" or last_line.split()[-1].lower() in OPEN_ENDS:
        return True
    return (
        text[-1].isalpha()
        and len(last_line) >= LEAST_LINE
        and LIST_ITEM.match(last_line) is None
        and SENTENCE_END.search(text) is not None
    )


CHECKS: dict[str, Callable[[str], bool]] = {
    "meta_text": has_meta_text,
    "refusal": is_refusal,
    "cut_off": is_cut_off,
    "broken_code_fence": has_broken_code_fence,
}


def find_faults(responses: Sequence[str]) -> list[list[str]]:
    """List the faults of each response that can be seen from it alone.

    Args:
        responses (`Sequence[str]`): N responses.

    Returns:
        `list[list[str]]`: N lists of the first four of KINDS.
    """
    return [[kind for kind, check in CHECKS.items() if check(response)] for response in responses]


def identifier_name() -> str | None:
    """Name the identifier of languages.

    Returns:
        `str | None`: Its name and version; None where it is not installed.
    """
    return f"py3langid {version('py3langid')}" if find_spec("py3langid") is not None else None


def languages(responses: Sequence[str]) -> list[str | None]:
    """Identify the language of each response by py3langid; None where it is short or unclear.

    Args:
        responses (`Sequence[str]`): N responses.

    Returns:
        `list[str | None]`: N codes, all None where py3langid is not installed (extra `curate`).
    """
    if identifier_name() is None:
        return [None] * len(responses)
    language_codes = []
    for response in responses:
        code, probability = None, 0.0
        if sum(character.isalpha() for character in response) >= LEAST_LETTERS:
            code, probability = _identifier().classify(response[:LANGUAGE_REACH])
        is_identified = code != NO_LANGUAGE and probability >= LEAST_PROBABILITY
        language_codes.append(code if is_identified else None)
    return language_codes


def usual_languages(codes: Sequence[str | None]) -> set[str]:
    """Find the languages of a set of responses: those of LANGUAGE_SHARE of all whose language is told.

    Args:
        codes (`Sequence[str | None]`): The language of each response, None where it is not told.

    Returns:
        `set[str]`: Their codes.

    >>> sorted(usual_languages(["en"] * 97 + ["de"] * 3 + [None]))
    ['en']
    """
    counts = Counter(code for code in codes if code is not None)
    return {code for code, count in counts.items() if count >= LANGUAGE_SHARE * counts.total()}


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
