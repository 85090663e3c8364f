"""Choose the template that turns a row into a prompt: nowhere else is one chosen."""

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
    """Describe a prompt template as the rest of the journey uses it; see TextPrompts and ChatPrompts.

    Attributes:
        name (`str`): Name of the template, for the record.
        sha256 (`str`): Hash of its text, in hexadecimal digits.
        date (`date`, *optional*): The day that it prints as today's; None where it prints none.
    """

    name: str
    sha256: str
    date: date | None

    def prompt_text(self, example: Example) -> str:
        """Return x as text.

        Args:
            example (`Example`): The row.

        Returns:
            `str`: The text.
        """

    def unrendered(self, example: Example) -> list[str]:
        """Name the parts of the row that leave no trace in x and y.

        Args:
            example (`Example`): The row.

        Returns:
            `list[str]`: The names.
        """

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]:
        """Tokenize x and y of each row.

        Args:
            examples (`Sequence[Example]`): N rows.

        Returns:
            `list[RowTokens]`: N rows as ids.
        """

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]:
        """Return the ids before y in the one-shot pass, at most `room` of them, and whether C was cut.

        Args:
            row (`Row`): The row that is scored.
            demonstration (`Row`): Its neighbor.
            room (`int`): Most ids before y.

        Returns:
            `tuple[list[int] | None, bool]`: The ids, None where nothing of C would be left, and whether C was cut.
        """


def choose_prompts(
    template: str | None,
    tokenizer: Any,
    shape: str,
    conversational: bool,
    today: date | None = None,
) -> Prompts:
    """Choose how rows are rendered.

    Args:
        template (`str`, *optional*): "alpaca", "chat", "plain" or a Jinja file; by default the Alpaca template
            for Alpaca-shaped rows, the chat template for conversations, the prompt as it stands for string
            prompts.
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.
        shape (`str`): Name of the rows' shape.
        conversational (`bool`): Whether their prompts are turns.
        today (`date`, *optional*): The day that a chat template prints where it asks for one.

    Returns:
        `Prompts`: The template.

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
