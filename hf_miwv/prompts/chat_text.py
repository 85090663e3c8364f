"""Conversations as text: the tokenizer's chat template, and what it makes of a row's parts."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from transformers.utils import chat_template_utils

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.template_errors import template_fault
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.rows.examples import Example
from hf_miwv.rows.turns import ASSISTANT, USER, Turn, reasoning_of

ERRORS = (TypeError, ValueError, KeyError, AttributeError)  # of transformers, about the turns
PROBE = "\u2983response\u2984"
LONGEST_OPENING = 60  # characters that an opening tag and the space around it may take
QUESTION_PROBE = "\u2983question\u2984"
# Tags and channels that models think between: Qwen3's and DeepSeek's, Magistral's, Gemma 4's.
_TAG = r"<(?P<tag>[\w:]*(?:think|thought|reason)[\w:]*)>"
OPENING = re.compile(rf"\s*(?:{_TAG}|\[THINK\]|<\|channel>thought)\s*", re.IGNORECASE)
EMPTY_BLOCK = re.compile(
    rf"\s*(?:{_TAG}\s*</(?P=tag)>|\[THINK\]\s*\[/THINK\]|<\|channel>thought\s*<channel\|>)\s*",
    re.IGNORECASE,
)
INLINE_BLOCK = re.compile(rf"\s*{_TAG}(?P<body>.*?)</(?P=tag)>", re.IGNORECASE | re.DOTALL)


class ChatTemplate:
    """Render turns as text by the chat template of a tokenizer.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the template.
        today (`date`, *optional*): The day that the template prints where it asks for one; by default that of
            each call.

    Raises:
        InputError: there is no template, or it leaves out what a user says.
    """

    def __init__(self, tokenizer: Any, today: date | None = None) -> None:
        if not tokenizer.chat_template:
            raise InputError(
                "this model's tokenizer has no chat template; give --template alpaca, plain or "
                "the path of a Jinja file, or the instruction-tuned version of the model"
            )
        self._tokenizer = tokenizer
        self.date = today if asks_for_date(tokenizer) else None
        self.endings = self._endings()

    def render(self, turns: Sequence[Turn], **arguments: Any) -> str:
        """Render turns; the arguments are those of `apply_chat_template`.

        Args:
            turns (`Sequence[Turn]`): The conversation.
            **arguments (`Any`): Further arguments of `apply_chat_template`.

        Returns:
            `str`: The text.

        Raises:
            RowError: the template refuses these turns.
        """
        try:
            with rendering_date(self.date):
                return self._tokenizer.apply_chat_template(list(turns), tokenize=False, **arguments)
        except Exception as error:
            fault = template_fault(error)
            if fault is None and not isinstance(error, ERRORS):
                raise
            # transformers leaves null contents out, and some templates cannot do without one
            if any(turn.get("content", "") is None for turn in turns):
                filled = [{**turn, "content": turn.get("content") or ""} for turn in turns]
                return self.render(filled, **arguments)
            raise RowError(f"the model's chat template refuses the conversation: {fault or error}") from error

    def prompt_and_whole(self, example: Example) -> tuple[str, str]:
        """Render what stands before the response with the generation prompt, and all of the row.

        As trl.SFTTrainer renders the row's prompt, and its prompt and completion.

        Args:
            example (`Example`): The row.

        Returns:
            `tuple[str, str]`: The prompt, and the whole row.

        Raises:
            RowError: the template refuses the row.
        """
        if not example.conversation:
            raise RowError(
                "nothing stands before the first answer, and a chat template renders no empty "
                "prompt; give the row a user turn"
            )
        arguments = arguments_of(example)
        prompt = self.render(example.conversation, add_generation_prompt=True, **arguments)
        whole = self.render([*example.conversation, example.answer_turn], **arguments)
        return prompt, whole

    def ending_of(self, text: str) -> str:
        """Return what ends the last turn of a rendered conversation; "" where nothing does.

        Args:
            text (`str`): The rendered conversation.

        Returns:
            `str`: The ending.
        """
        return next((ending for ending in self.endings if text.endswith(ending)), "")

    def _endings(self) -> list[str]:
        """Read off what the template writes behind an answer and, if it differs, a call."""
        user = {"role": USER, "content": QUESTION_PROBE}
        text = self.render([user, {"role": ASSISTANT, "content": PROBE}])
        if QUESTION_PROBE not in text or PROBE not in text:
            raise InputError(self._leaves_out())
        endings = [text.partition(PROBE)[2]]
        # Some templates end a turn with a call by another token than one with text (Llama 3: <|eom_id|>).
        call = {"type": "function", "function": {"name": "f", "arguments": {"a": PROBE}}}
        try:
            called = self.render([user, {"role": ASSISTANT, "content": "", "tool_calls": [call]}])
        except RowError:  # a template without calls
            return endings
        after = called.partition(PROBE)[2]
        if after and not after.endswith(endings[0]):
            # the end of the turn is its last special token and what stands behind that
            special = (after.rfind(token) for token in self._tokenizer.all_special_tokens)
            if (start := max(special, default=-1)) >= 0:
                endings.append(after[start:])
        return endings

    def _leaves_out(self) -> str:
        parts = [
            {"role": role, "content": [{"type": "text", "text": text}]}
            for role, text in ((USER, QUESTION_PROBE), (ASSISTANT, PROBE))
        ]
        try:
            takes_parts = QUESTION_PROBE in self.render(parts)
        except RowError:
            takes_parts = False
        advice = "give --template plain or a Jinja file, or a tokenizer with another chat template"
        if takes_parts:
            return (
                "this model's chat template takes contents as lists of parts only, and leaves out "
                f"those that are text; {advice}"
            )
        return f"this model's chat template leaves out what user or assistant say; {advice}"


def template_digest(tokenizer: Any) -> str:
    """Hash the chat template: SHA-256 in hexadecimal.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the template.

    Returns:
        `str`: The digits.
    """
    return hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()


def asks_for_date(tokenizer: Any) -> bool:
    """Check whether the chat template may print today's date.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the template.

    Returns:
        `bool`: True where its text names the function that prints dates.
    """
    return "strftime_now" in str(tokenizer.chat_template)


def arguments_of(example: Example) -> dict[str, Any]:
    """Collect what the chat template is given beside the turns, as trl.SFTTrainer gives it.

    Args:
        example (`Example`): The row.

    Returns:
        `dict[str, Any]`: Arguments of `apply_chat_template`.
    """
    return {"tools": example.tools, **example.template_kwargs}


def response_start(prompt: str, whole: str, answer: Turn) -> int:
    """Find where the response begins in the rendered row, in characters.

    It begins where the row and its prompt alone part, or, where the row has no reasoning and the
    template writes an empty think block, behind that block.

    Args:
        prompt (`str`): The rendered prompt, with the generation prompt.
        whole (`str`): The rendered row.
        answer (`Turn`): The turn that is the response.

    Returns:
        `int`: Characters of `whole` before the response.
    """
    start = len(os.path.commonprefix([prompt, whole]))  # noqa: RUF071  letter by letter
    if has_reasoning(answer):
        return start
    # the generation prompt may hold the beginning of the block already
    near = OPENING.finditer(whole, max(0, start - LONGEST_OPENING), start)
    opened = [match.start() for match in near if match.end() == start]
    block = EMPTY_BLOCK.match(whole, opened[-1] if opened else start)
    return max(start, block.end()) if block else start


def has_reasoning(turn: Turn) -> bool:
    """Check whether a turn brings a think block of its own, apart from its content or in it.

    Args:
        turn (`Turn`): The turn.

    Returns:
        `bool`: True where it does.
    """
    return bool(reasoning_of(turn)) or OPENING.match(turn.get("content") or "") is not None


@contextmanager
def rendering_date(day: date | None) -> Iterator[None]:
    """Have chat templates print this date as today's; None: the day that it is.

    transformers gives templates `strftime_now`, which reads the clock by the name `datetime` of
    its module, and passes no function of ours to a template; so that name is lent another clock.

    Args:
        day (`date`, *optional*): The day to print.
    """
    if day is None:
        yield
        return

    midnight = datetime(day.year, day.month, day.day)

    class Clock(datetime):
        """A clock that stands still."""

        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return midnight

    clock = chat_template_utils.datetime
    chat_template_utils.datetime = Clock  # type: ignore[misc]
    try:
        yield
    finally:
        chat_template_utils.datetime = clock  # type: ignore[misc]
