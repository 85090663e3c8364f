"""Rendered chat text -> the conversation it came from, for rows that are kept as token ids only."""

from __future__ import annotations

from typing import Any, NamedTuple

from hf_miwv.common.errors import InputError
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.rows.examples import Example
from hf_miwv.rows.turns import Turn

SYSTEM, FIRST, ANSWER, SECOND, LAST = (f"\u2983{name}\u2984" for name in ("s", "q1", "a1", "q2", "a2"))


class Marks(NamedTuple):
    """Hold the text that a chat template writes between the contents of a conversation."""

    opening: str  # before the first user turn, where there is no system turn
    system: tuple[str, str] | None  # before and after the content of a system turn
    answering: str  # between a question and an earlier answer
    asking: str  # between an earlier answer and the next question
    last_answering: str  # between the last question and the last answer
    ending: str  # after the last answer


class ChatReader(ChatPrompts):
    """Use a chat template in both directions.

    The marks between the contents are read off rendered probes. A text is taken for a conversation
    only if rendering it again gives it back, character for character. Not read back: tools,
    other roles, template arguments beside the turns, and a system turn that the template writes
    into the first question without marks of its own (it then stays part of that question).

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the chat template.

    Raises:
        InputError: the tokenizer has no chat template, or the template refuses the probes.
    """

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(tokenizer)
        exchange = [_turn("user", FIRST), _turn("assistant", ANSWER)]
        second = [_turn("user", SECOND), _turn("assistant", LAST)]
        opening, last_answering, ending = self._around(exchange, FIRST, ANSWER)
        parts = self._around([*exchange, *second], FIRST, ANSWER, SECOND, LAST)
        _, answering, asking, _, _ = parts
        self.marks = Marks(opening, self._system(exchange), answering, asking, last_answering, ending)

    def read(self, text: str, response: str) -> Example | None:
        """Read the row whose prompt was rendered as `text`.

        White space at the end of the prompt may stand before the response instead: many
        tokenizers make it part of the next word.

        Args:
            text (`str`): The rendered prompt.
            response (`str`): The text behind it.

        Returns:
            `Example | None`: The row; None where it cannot be told.
        """
        marks = self.marks
        gap = marks.last_answering.removeprefix(marks.last_answering.rstrip())
        if not text.endswith(marks.last_answering) and response.startswith(gap):
            text, response = text + gap, response.removeprefix(gap)
        openings: list[tuple[str, str | None]] = [(marks.opening, None)]
        if marks.system:
            openings.append(marks.system)
        # The longer opening first: the shorter one may be its beginning.
        for opening, closing in sorted(openings, key=lambda pair: -len(pair[0])):
            turns = self._turns(text, opening, closing)
            example = Example("", "", tuple(turns), response)
            if turns and self._gives(example, text):
                return example
        return None

    def _turns(self, text: str, opening: str, closing: str | None) -> list[Turn]:
        """Read the turns of a text that begins so; with `closing`, a system turn comes first."""
        if not text.startswith(opening):
            return []
        rest = text.removeprefix(opening)
        if closing is None:
            return self._exchanges(rest)
        content, separator, rest = rest.partition(closing)
        return [_turn("system", content), *self._exchanges(rest)] if separator else []

    def _exchanges(self, rest: str) -> list[Turn]:
        turns: list[Turn] = []
        *earlier, question = rest.removesuffix(self.marks.last_answering).split(self.marks.asking)
        for exchange in earlier:
            question_text, _, answered = exchange.partition(self.marks.answering)
            turns += [_turn("user", question_text), _turn("assistant", answered)]
        return [*turns, _turn("user", question)]

    def _gives(self, example: Example, text: str) -> bool:
        try:
            # white space behind the prompt may be the response's (see `read`)
            return self.prompt_text(example).rstrip() == text.rstrip()
        except InputError:
            return False

    def _system(self, exchange: list[Turn]) -> tuple[str, str] | None:
        try:
            parts = self._around([_turn("system", SYSTEM), *exchange], SYSTEM, FIRST)
        except InputError:
            return None
        return parts[0], parts[1]

    def _around(self, turns: list[Turn], *contents: str) -> list[str]:
        """Return the template's text before, between and after these contents."""
        rest = self.template.render(turns)
        parts = []
        for content in contents:
            before, separator, rest = rest.partition(content)
            if not separator:
                raise InputError("the model's chat template leaves contents out")
            parts.append(before)
        return [*parts, rest]


def _turn(role: str, content: str) -> Turn:
    return Turn(role=role, content=content)
