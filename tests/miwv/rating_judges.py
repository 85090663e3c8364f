"""A judge in this process that rates a response by its words."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hf_miwv.judging.verdicts import Judge, Refused
from hf_miwv.rows.turns import Turn

RESPONSE = re.compile(r"\[Response\]\n(.*?)\n\[End of response\]", re.DOTALL)


def words_in(question: str) -> int:
    """Count the words of the response in a question."""
    return len(RESPONSE.findall(question)[0].split())


def rating_judge(
    rate: Callable[[str], str | Refused] = lambda question: f"Rating: {words_in(question) % 11 / 2}",
    asked: list[list[Turn]] | None = None,
) -> Judge:
    """Answer each question by `rate`; what was asked is added to `asked`."""

    def ask(conversations: Sequence[list[Turn]]) -> list[str | Refused]:
        if asked is not None:
            asked.extend(conversations)
        return [rate(str(conversation[0]["content"])) for conversation in conversations]

    return Judge({"kind": "words"}, ask, lambda questions: [[number] for number in range(len(questions))], 1)
