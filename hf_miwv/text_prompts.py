"""Prompts rendered by a text template: the Alpaca template, the plain prompt, or a Jinja file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from hf_miwv.errors import InputError
from hf_miwv.rows import Row
from hf_miwv.schema import Example
from hf_miwv.tokens import RowTokens, encode, stand_in_token, start_tokens

SHIPPED = ("alpaca", "plain")
SEPARATOR = "\n\n"  # between the demonstration and the row's own prompt; the paper is silent


class TextPrompts:
    r"""Zero-shot [start] + x + y; one-shot [start] + x_k + y_k + "\n\n" + x + y.

    `start` is what the tokenizer puts before a text (its BOS, or nothing). Every part is tokenized
    apart, without special tokens, and joined, so both losses are over the same response tokens.
    The template sees `instruction`, `input`, `prompt` (both of them, or the conversation's text)
    and `messages` (the turns before the response; none for plain rows).

    Raises:
        InputError: the template cannot be read, or fails on a row.
    """

    def __init__(self, name: str, tokenizer: Any) -> None:
        source = _read_template(name)
        self.name = name if name in SHIPPED else Path(name).name
        self.sha256 = hashlib.sha256(source.encode()).hexdigest()
        environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise InputError(f"{name}:{error.lineno}: not a Jinja template: {error}") from error
        self._tokenizer = tokenizer
        self._start = start_tokens(tokenizer)
        self._separator = encode(tokenizer, [SEPARATOR])[0]

    def prompt_text(self, example: Example) -> str:
        """x as text: what is embedded, and what duplicates are found by."""
        try:
            return self._template.render(
                instruction=example.instruction,
                input=example.input,
                prompt=example.bare_prompt,
                messages=list(example.turns or ()),
            )
        except jinja2.TemplateError as error:
            raise InputError(
                f"the template {self.name} failed: {error}; it may use instruction, input, "
                "prompt and messages"
            ) from error

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]:
        """x and y of each row as token ids, `start` included in x."""
        prompts = encode(self._tokenizer, [self.prompt_text(example) for example in examples])
        responses = encode(self._tokenizer, [example.response for example in examples])
        empty = [stand_in_token(self._tokenizer)]
        return [
            RowTokens(self._start + prompt or empty, response)
            for prompt, response in zip(prompts, responses, strict=True)
        ]

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]:
        """The ids before y in the one-shot pass, at most `room` of them, and whether C was cut.

        C = x_k + y_k is cut from its left to make room; the row itself never is. (None, True)
        where nothing of C would be left.
        """
        start = len(self._start)
        own = self._separator + row.tokens.prompt[start:]
        example = demonstration.tokens.prompt[start:] + demonstration.tokens.response
        space = room - start - len(own)
        if space <= 0:
            return None, True
        return self._start + example[-space:] + own, len(example) > space


def _read_template(name: str) -> str:
    if name in SHIPPED:
        return (resources.files("hf_miwv") / "templates" / f"{name}.jinja").read_text("utf-8")
    try:
        return Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"template {name!r} cannot be read ({error}); give alpaca, chat, plain or the path "
            "of a Jinja file"
        ) from error
