"""Which template turns a row into a prompt: the one place that chooses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from hf_miwv.chat_prompts import ChatPrompts
from hf_miwv.errors import InputError
from hf_miwv.rows import Row
from hf_miwv.schema import Example
from hf_miwv.text_prompts import TextPrompts
from hf_miwv.tokens import RowTokens

DEFAULT_TEMPLATES = {"alpaca": "alpaca", "prompt_completion": "plain"}  # of rows with a string


class Prompts(Protocol):
    """What a template does for the rest of the journey; see TextPrompts and ChatPrompts."""

    name: str
    sha256: str

    def prompt_text(self, example: Example) -> str: ...

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]: ...

    def one_shot(
        self, row: Row, demonstration: Row, room: int
    ) -> tuple[list[int] | None, bool]: ...


def choose_prompts(
    template: str | None, tokenizer: Any, shape: str, conversational: bool
) -> Prompts:
    """`template` (alpaca, chat, plain or a Jinja file), or the default for the shape of the rows.

    Default: the Alpaca template for Alpaca-shaped rows, the chat template for conversational
    rows, the prompt as it stands for string prompts.
    """
    name = template or ("chat" if conversational else DEFAULT_TEMPLATES[shape])
    if name == "alpaca" and conversational:
        raise InputError(
            "the alpaca template is for rows with an instruction, and these are conversations; "
            "give --template chat or the path of a Jinja file"
        )
    return ChatPrompts(tokenizer) if name == "chat" else TextPrompts(name, tokenizer)
