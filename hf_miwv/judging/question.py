"""The question to a judge, and the reading of its reply: two scores on the first line, or nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import NamedTuple

import jinja2

from hf_miwv.rows.turns import Turn

PROTOCOL = "two scores from 1 to 10 on the first line of the reply, reasons below; both orders"
REMINDER = (
    "Your reply does not begin with a line of this form, with two numbers from 1 to 10:\n\n"
    "Answer 1: ...; Answer 2: ...\n\nReply again, with that line first."
)
_NUMBER = r"(10(?:\.0+)?|[1-9](?:\.\d+)?)"
THOUGHTS = r"(?:<think>.*?</think>)?"  # that a server may leave before the reply itself
_FIRST_LINE = re.compile(rf"\s*{THOUGHTS}\s*Answer 1: {_NUMBER}; Answer 2: {_NUMBER}[ \t\r]*(?:\n|\Z)", re.DOTALL)


class ReplyForm(NamedTuple):
    """Describe the form that a reply must have.

    Attributes:
        read (`Callable[[str], tuple[float, ...] | None]`): Reads the numbers of a reply; None where it has another
            form.
        reminder (`str`): What is said to a judge that did not keep it.
    """

    read: Callable[[str], tuple[float, ...] | None]
    reminder: str


def judge_question(prompt: str, first: str, second: str) -> list[Turn]:
    """Return the conversation that asks for two scores, with the answers in this order.

    The judge does not learn which system an answer comes from. One user turn and no system turn,
    because some chat templates allow none.

    The form of the comparison is that of FastChat's pairwise judge (lm-sys/FastChat,
    arXiv 2306.05685), which arXiv 2511.07074 and the selection papers before it use: scores
    first, then reasons, so that the reasons cannot move the scores. The wording is ours.

    Args:
        prompt (`str`): The prompt.
        first (`str`): The answer shown first.
        second (`str`): The answer shown second.

    Returns:
        `list[Turn]`: The conversation.
    """
    content = _template().render(prompt=prompt, first=first, second=second)
    return [Turn(role="user", content=content)]


def ask_again(conversation: list[Turn], reply: str, reminder: str) -> list[Turn]:
    """Continue the conversation after a reply that cannot be read, with a word on the form.

    Args:
        conversation (`list[Turn]`): The question.
        reply (`str`): The reply.
        reminder (`str`): The word on the form.

    Returns:
        `list[Turn]`: The longer conversation.
    """
    return [
        *conversation,
        Turn(role="assistant", content=reply),
        Turn(role="user", content=reminder),
    ]


def read_scores(reply: str) -> tuple[float, float] | None:
    r"""Read the scores of the first and the second answer shown.

    Nothing is guessed: other words, marks or ranges on the first line make the reply unreadable.
    A leading <think> block is passed over.

    Args:
        reply (`str`): The judge's reply.

    Returns:
        `tuple[float, float] | None`: The scores; None where the form is not kept.

    >>> read_scores("Answer 1: 7; Answer 2: 8.5\nThe second is more exact.")
    (7.0, 8.5)
    >>> read_scores("7/10 and 8/10")
    """
    scores = _FIRST_LINE.match(reply)
    return (float(scores[1]), float(scores[2])) if scores else None


PAIR_FORM = ReplyForm(read_scores, REMINDER)


def prompt_sha256() -> str:
    """Hash all the words that a judge is asked in.

    Returns:
        `str`: 64 hexadecimal digits.
    """
    return hashlib.sha256((_source() + REMINDER).encode()).hexdigest()


def _source() -> str:
    return (resources.files("hf_miwv") / "templates" / "judge_prompt.jinja").read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    # The output is plain text for a model, not HTML.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)  # noqa: S701
    return environment.from_string(_source())
