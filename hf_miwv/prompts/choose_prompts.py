"""Which template turns a row into a prompt: the one place that chooses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Protocol

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.row_tokens import RowTokens
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.prompts.text_prompts import TextPrompts
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Row

# of rows whose prompt is a string
DEFAULT_TEMPLATES = {"alpaca": "alpaca", "prompt_completion": "plain", "preference": "plain"}


class Prompts(Protocol):
    """A prompt template as the rest of the journey uses it; see TextPrompts and ChatPrompts."""

    name: str
    sha256: str
    date: date | None

    def prompt_text(self, example: Example) -> str: ...

    def unrendered(self, example: Example) -> list[str]: ...

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]: ...

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]: ...


def choose_prompts(
    template: str | None,
    tokenizer: Any,
    shape: str,
    conversational: bool,
    today: date | None = None,
) -> Prompts:
    """Choose how rows are rendered.

    Args:
        template: "alpaca", "chat", "plain" or a Jinja file; None for the default: the Alpaca
            template for Alpaca-shaped rows, the chat template for conversations, the prompt as it
            stands for string prompts.
        tokenizer: of the model.
        shape: the name of the rows' shape.
        conversational: whether their prompts are turns.
        today: the date that a chat template is given where it asks for one.

    Raises:
        InputError: a template that cannot serve these rows or this tokenizer.
    """
    name = template or ("chat" if conversational else DEFAULT_TEMPLATES[shape])
    if name == "alpaca" and conversational:
        raise InputError(
            "the alpaca template is for rows with an instruction, and these are conversations; "
            "give --template chat or the path of a Jinja file"
        )
    return ChatPrompts(tokenizer, today) if name == "chat" else TextPrompts(name, tokenizer)
