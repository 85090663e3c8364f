"""Prompts rendered by a text template: the Alpaca template, the plain prompt, or a Jinja file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from hf_miwv.common.models.row_tokens import RowTokens, encode, stand_in_token, start_tokens
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.prompts.text_template import TextTemplate
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Row
from hf_miwv.rows.turns import Turn

SEPARATOR = "\n\n"  # between the demonstration and the row's own prompt; the paper is silent


class TextPrompts:
    r"""Tokenize zero-shot [start] + x + y; one-shot [start] + x_k + y_k + "\n\n" + x + y.

    `start` is what the tokenizer puts before a text (its BOS, or nothing). Every part is tokenized
    apart, without special tokens, and joined, so both losses are over the same response tokens.
    x is rendered by a TextTemplate.

    Args:
        name (`str`): "alpaca", "plain" or a Jinja file.
        tokenizer (`PreTrainedTokenizerBase`): The model's tokenizer.

    Raises:
        InputError: the template cannot be read, or fails on a row.
    """

    def __init__(self, name: str, tokenizer: Any) -> None:
        self._template = TextTemplate(name)
        self.name, self.sha256 = self._template.name, self._template.sha256
        self._tokenizer = tokenizer
        self._start = start_tokens(tokenizer)
        self.date: date | None = None  # of chat templates alone
        self._separator = encode(tokenizer, [SEPARATOR])[0]
        # trl puts it behind the completions of rows that are text
        self._ending = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]

    def prompt_text(self, example: Example) -> str:
        """Return x as text, which is embedded, and by which duplicates are recognized.

        Args:
            example (`Example`): The row.

        Returns:
            `str`: The text.

        Raises:
            RowError: the template fails on the row.
        """
        return self._template.render(example)

    def unrendered(self, example: Example) -> list[str]:
        """Name the parts of the row that leave no trace in x and y: y is the content of the answer.

        Args:
            example (`Example`): The row.

        Returns:
            `list[str]`: The names, without repetition.
        """
        text = self.prompt_text(example)
        names = [*example.unread, *_more_keys([example.answer_turn])]
        # A part leaves a trace if the text is another without it: no template has to be parsed.
        reduced_examples = {
            "system": replace(example, system=""),
            "history": replace(example, history=()),
            "tools": replace(example, tools=None),
        }
        names += [
            name
            for name, reduced in reduced_examples.items()
            if getattr(example, name) and self.prompt_text(reduced) == text
        ]
        names += [f"chat_template_kwargs.{key}" for key in example.template_kwargs]
        for key in _more_keys(example.turns or ()):
            turns = tuple({name: value for name, value in turn.items() if name != key} for turn in example.turns or ())
            if self.prompt_text(replace(example, turns=turns)) == text:
                names.append(key)
        return list(dict.fromkeys(names))

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]:
        """Tokenize x and y of each row, `start` included in x.

        Args:
            examples (`Sequence[Example]`): N rows.

        Returns:
            `list[RowTokens]`: N rows as ids; one that the template fails on has the fault instead.
        """
        texts: list[str | RowError] = []
        for example in examples:
            try:
                texts.append(self.prompt_text(example))
            except RowError as fault:
                texts.append(fault)
        rendered = [text for text in texts if not isinstance(text, RowError)]
        prompts = iter(encode(self._tokenizer, rendered))
        responses = encode(self._tokenizer, [example.response for example in examples])
        empty = [stand_in_token(self._tokenizer)]
        return [
            RowTokens([], [], fault=text)
            if isinstance(text, RowError)
            else RowTokens(self._start + next(prompts) or empty, response, self._ending, text)
            for text, response in zip(texts, responses, strict=True)
        ]

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]:
        """Return the ids before y in the one-shot pass.

        C = x_k + y_k is cut from its left to make room; the row itself never is.

        Args:
            row (`Row`): The row that is scored.
            demonstration (`Row`): Its neighbor.
            room (`int`): Most ids before y.

        Returns:
            `tuple[list[int] | None, bool]`: The ids, and whether C was cut; (None, True) where nothing of C would
            be left.
        """
        start = row.tokens.prompt[: len(row.tokens.prompt) - len(self._bare(row))]
        suffix = self._separator + self._bare(row)
        example = self._bare(demonstration) + demonstration.tokens.response
        demonstration_room = room - len(start) - len(suffix)
        if demonstration_room <= 0:
            return None, True
        # From the left, so that the neighbor's answer, which stands last, is the part that stays.
        return start + example[-demonstration_room:] + suffix, len(example) > demonstration_room

    def _bare(self, row: Row) -> list[int]:
        """Return x without `start`, which a trainer may have left out."""
        prompt = row.tokens.prompt
        length = len(self._start)
        return prompt[length:] if prompt[:length] == self._start else prompt


def _more_keys(turns: Sequence[Turn]) -> list[str]:
    """List the keys with a value that turns have beside role and content."""
    keys = (key for turn in turns for key, value in turn.items() if value not in (None, "", [], {}))
    return [key for key in dict.fromkeys(keys) if key not in ("role", "content")]
