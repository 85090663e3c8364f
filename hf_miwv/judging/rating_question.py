"""The question for a rating of one response, and the reading of the reply: a number from 0 to 5, or nothing."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources

import jinja2

from hf_miwv.judging.question import THOUGHTS, ReplyForm
from hf_miwv.rows.turns import Turn

DIMENSION = "accuracy"  # of AlpaGasus (arXiv 2307.08701), whose other is helpfulness
REMINDER = (
    "Your reply does not begin with a line of this form, with a number from 0 to 5:\n\n"
    "Rating: ...\n\nReply again, with that line first."
)
_FIRST_LINE = re.compile(rf"\s*{THOUGHTS}\s*Rating: (5(?:\.0+)?|[0-4](?:\.\d+)?)[ \t\r]*(?:\n|\Z)", re.DOTALL)


def rating_question(dimension: str, instruction: str, response: str) -> list[Turn]:
    """Return the conversation that asks for a rating of a response.

    The scale from 0 to 5 and the one dimension are those of AlpaGasus (arXiv 2307.08701); the wording is ours.

    Args:
        dimension (`str`): What is rated, such as "accuracy".
        instruction (`str`): What was asked.
        response (`str`): What was answered.

    Returns:
        `list[Turn]`: The conversation.
    """
    content = _template().render(dimension=dimension, instruction=instruction, response=response)
    return [Turn(role="user", content=content)]


def read_rating(reply: str) -> tuple[float] | None:
    r"""Read the rating of a response; nothing is guessed.

    Args:
        reply (`str`): The judge's reply.

    Returns:
        `tuple[float] | None`: The rating; None where the form is not kept.

    >>> read_rating("Rating: 4.5\nIt is right.")
    (4.5,)
    >>> read_rating("4.5 of 5"), read_rating("Rating: 6")
    (None, None)
    """
    rating = _FIRST_LINE.match(reply)
    return (float(rating[1]),) if rating else None


RATING_FORM = ReplyForm(read_rating, REMINDER)


def rating_prompt_sha256() -> str:
    """Hash all the words that a rating is asked for in.

    Returns:
        `str`: 64 hexadecimal digits.
    """
    return hashlib.sha256((_source() + REMINDER).encode()).hexdigest()


def _source() -> str:
    return (resources.files("hf_miwv") / "templates" / "rating_prompt.jinja").read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    # The output is plain text for a model, not HTML.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(_source())
