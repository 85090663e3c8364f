"""Prompts rendered by the tokenizer's chat template; the demonstration is an earlier exchange."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import chain
from typing import Any

import jinja2

from hf_miwv.errors import InputError
from hf_miwv.rows import Row
from hf_miwv.schema import Example, Turn
from hf_miwv.tokens import RowTokens, encode, stand_in_token


class ChatPrompts:
    """Zero-shot: the row's conversation; one-shot: the neighbour's turns and answer before it.

    x is everything the template writes before the response, so a think block that it puts before
    the last answer (Qwen3's does) belongs to x in both passes; what it writes after the response
    (the end of turn) is not scored. x and y are tokenized apart and joined. The row's own system
    turn stays first and the demonstration's is left out, because most templates allow one only
    (the paper is silent).

    Raises:
        InputError: the tokenizer has no chat template, or the template refuses a row.
    """

    name = "chat"

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise InputError(
                "this model's tokenizer has no chat template; give --template alpaca, plain or "
                "the path of a Jinja file, or the instruction-tuned version of the model"
            )
        self._tokenizer = tokenizer
        self.sha256 = hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()
        probe = "\u2983response\u2984"
        self._tail = self._render([_user("hello"), _assistant(probe)]).partition(probe)[2]

    def prompt_text(self, example: Example) -> str:
        """x as text: what is embedded, and what duplicates are found by."""
        return self._split(_turns(example), example.response)[0]

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]:
        """x and y of each row as token ids."""
        parts = [self._split(_turns(example), example.response) for example in examples]
        prompts = encode(self._tokenizer, [prompt for prompt, _ in parts])
        responses = encode(self._tokenizer, [response for _, response in parts])
        empty = [stand_in_token(self._tokenizer)]
        return [
            RowTokens(prompt or empty, response)
            for prompt, response in zip(prompts, responses, strict=True)
        ]

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]:
        """The ids before y in the one-shot pass, at most `room` of them, and whether C was cut.

        Only contents are cut: the demonstration's user text first, from its left, then its
        answer; role markers stay whole. (None, True) where no content would be left, or where
        the template refuses the longer conversation.
        """
        turns = [turn for turn in _turns(demonstration.example) if turn["role"] != "system"]
        turns = [*turns, _assistant(demonstration.example.response)]
        try:
            context = self._context(row.example, turns)
            if len(context) <= room:
                return context, False
            return self._fit(row.example, turns, room), True
        except InputError:
            return None, True

    def _fit(self, example: Example, turns: list[Turn], room: int) -> list[int] | None:
        """The longest demonstration that fits: bisection over the characters cut from its left."""
        low, high, best = 1, sum(len(turn["content"]) for turn in turns) - 1, None
        while low <= high:
            middle = (low + high) // 2
            shorter = _cut(turns, middle)
            context = self._context(example, shorter)
            if len(context) > room:
                low = middle + 1
            else:
                high = middle - 1
                best = context if any(turn["content"].strip() for turn in shorter) else best
        return best

    def _context(self, example: Example, demonstration: list[Turn]) -> list[int]:
        """One-shot ids before y, split where the neighbour's zero-shot sequence is, so that they
        begin with it token for token wherever the template leaves earlier turns as they were."""
        own = _turns(example)
        systems = 0
        while systems < len(own) and own[systems]["role"] == "system":
            systems += 1
        before = own[:systems] + demonstration
        text, _ = self._split(before + own[systems:], example.response)
        question, answer = self._split(before[:-1], demonstration[-1]["content"])
        if not text.startswith(question + answer):  # the template rewrites earlier turns
            question = self._render(before[:-1], add_generation_prompt=True)
        if not text.startswith(question + answer):
            return encode(self._tokenizer, [text])[0]
        rest = text[len(question) + len(answer) :]
        return list(chain.from_iterable(encode(self._tokenizer, [question, answer, rest])))

    def _split(self, turns: list[Turn], response: str) -> tuple[str, str]:
        """The rendered conversation as (everything before the response, the response)."""
        text = self._render([*turns, _assistant(response)])
        for rendered in _as_rendered(response):
            if text.endswith(rendered + self._tail):
                return text[: len(text) - len(rendered) - len(self._tail)], rendered
        return self._render(turns, add_generation_prompt=True), response.strip()

    def _render(self, turns: list[Turn], **options: Any) -> str:
        try:
            return self._tokenizer.apply_chat_template(turns, tokenize=False, **options)
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise InputError(
                f"the model's chat template refuses the conversation: {error}"
            ) from error


def _as_rendered(text: str) -> tuple[str, str]:
    """A content as templates write it: as it is, or without the white space around it."""
    return text, text.strip()


def _turns(example: Example) -> list[Turn]:
    if example.turns is not None:
        return list(example.turns)
    return [_user(example.bare_prompt)]


def _user(content: str) -> Turn:
    return {"role": "user", "content": content}


def _assistant(content: str) -> Turn:
    return {"role": "assistant", "content": content}


def _cut(turns: list[Turn], characters: int) -> list[Turn]:
    """The turns without their first `characters` characters of content."""
    shorter = []
    for turn in turns:
        gone = min(characters, len(turn["content"]))
        characters -= gone
        shorter.append(Turn(role=turn["role"], content=turn["content"][gone:]))
    return shorter
