"""Prompts rendered by the tokenizer's chat template; the demonstration is an earlier exchange."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from hf_miwv.common.models.row_tokens import RowTokens, common_prefix_length, encode, stand_in_token
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.prompts.chat_text import ChatTemplate, arguments_of, response_start, template_digest
from hf_miwv.prompts.unrendered import unrendered
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Row
from hf_miwv.rows.turns import REASONING_KEYS, SYSTEM, Turn


class ChatPrompts:
    """Make of a row the ids that trl.SFTTrainer (1.16) makes of it as prompt and completion.

    With G the row's prompt as the template renders it with the generation prompt, and W the whole
    row, both tokenized as they are: y begins where the ids of W and G part, and ends before what
    the template writes behind an answer. A think block that the template writes into a row without
    one belongs to x. The template is given turns, tools and `chat_template_kwargs` as the row has
    them.

    One-shot: the neighbor's turns and answer stand before the row's, behind the row's own system
    turn; the neighbor's tools and system turn are left out, because most templates allow one only
    (the paper is silent). What the template makes of an earlier exchange is taken as it is.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer with the chat template.
        today (`date`, *optional*): The day that the template prints where it asks for one; by default that of
            each call.

    Raises:
        InputError: the tokenizer has no chat template, or it leaves out what a user says.
    """

    name = "chat"

    def __init__(self, tokenizer: Any, today: date | None = None) -> None:
        self._tokenizer = tokenizer
        self.template = ChatTemplate(tokenizer, today)
        self.date = self.template.date
        self.sha256 = template_digest(tokenizer)

    def prompt_text(self, example: Example) -> str:
        """Return x as text, which is embedded, and by which duplicates are recognized.

        Args:
            example (`Example`): The row.

        Returns:
            `str`: The text.

        Raises:
            RowError: the template refuses the row.
        """
        prompt, whole = self.template.prompt_and_whole(example)
        return whole[: response_start(prompt, whole, example.answer_turn)]

    def unrendered(self, example: Example) -> list[str]:
        """Name what the row has and the template does not render; see `hf_miwv.prompts.unrendered`.

        Args:
            example (`Example`): The row.

        Returns:
            `list[str]`: The names, without repetition.
        """
        return unrendered(example, self.template)

    def encode(self, examples: Sequence[Example]) -> list[RowTokens]:
        """Tokenize x and y of each row; a row that the template refuses has the fault instead.

        Args:
            examples (`Sequence[Example]`): N rows.

        Returns:
            `list[RowTokens]`: N rows as ids.
        """
        rendered: list[tuple[str, str] | RowError] = []
        for example in examples:
            try:
                rendered.append(self.template.prompt_and_whole(example))
            except RowError as fault:
                rendered.append(fault)
        pairs = [
            (example, *texts)
            for example, texts in zip(examples, rendered, strict=True)
            if not isinstance(texts, RowError)
        ]
        # The tokenizer takes the texts of all rows in one call, which is much faster than row by row.
        tokens = iter(self._divide(pairs))
        return [RowTokens([], [], fault=texts) if isinstance(texts, RowError) else next(tokens) for texts in rendered]

    def one_shot(self, row: Row, demonstration: Row, room: int) -> tuple[list[int] | None, bool]:
        """Return the ids before y in the one-shot pass.

        Only texts of turns are cut: the demonstration's first turn first, from its left; role
        markers and calls stay whole.

        Args:
            row (`Row`): The row that is scored.
            demonstration (`Row`): Its neighbor.
            room (`int`): Most ids before y.

        Returns:
            `tuple[list[int] | None, bool]`: The ids, and whether the demonstration was cut. (None, True) where no
            text would be left, or where the template refuses the longer conversation.
        """
        example = demonstration.example
        turns = [turn for turn in example.conversation if turn["role"] != SYSTEM]
        turns.append(example.answer_turn)
        try:
            context = self._context(row, turns)
            if len(context) <= room:
                return context, False
            return self._fit(row, turns, room), True
        except RowError:
            return None, True

    def _divide(self, rows: Sequence[tuple[Example, str, str]]) -> list[RowTokens]:
        """Divide rendered rows (example, prompt, whole) into x, y and ending."""
        prompts = encode(self._tokenizer, [prompt for _, prompt, _ in rows])
        wholes = encode(self._tokenizer, [whole for _, _, whole in rows])
        starts = [response_start(prompt, whole, example.answer_turn) for example, prompt, whole in rows]
        # where a think block was passed over, x is longer than the prompt alone, and tokenized too
        longer = [
            index for index, (_, prompt, whole) in enumerate(rows) if not prompt.startswith(whole[: starts[index]])
        ]
        blocks = encode(self._tokenizer, [rows[index][2][: starts[index]] for index in longer])
        behind_block = dict(zip(longer, blocks, strict=True))
        divided = []
        for index, (_, _, whole) in enumerate(rows):
            shared = common_prefix_length(prompts[index], wholes[index])
            start = shared
            if index in behind_block:
                start = max(start, common_prefix_length(behind_block[index], wholes[index]))
            end = max(start, self._end(whole, wholes[index]))
            divided.append(
                RowTokens(
                    wholes[index][:start] or [stand_in_token(self._tokenizer)],
                    wholes[index][start:end],
                    wholes[index][end:],
                    whole[: starts[index]],
                    len(prompts[index]) - shared,
                )
            )
        return divided

    def _end(self, whole: str, ids: list[int]) -> int:
        """Count the ids before those that end the turn."""
        ending = self.template.ending_of(whole)
        after = encode(self._tokenizer, [ending])[0] if ending else []
        if not after or ids[-len(after) :] == after:
            return len(ids) - len(after)
        # the ending's first letters are one token with the response's last ones
        before = encode(self._tokenizer, [whole[: len(whole) - len(ending)]])[0]
        return common_prefix_length(before, ids)

    def _context(self, row: Row, demonstration: Sequence[Turn]) -> list[int]:
        """Return the one-shot ids before y, which ends as in the zero-shot pass, token for token."""
        example = row.example
        turns_of_row = example.conversation
        # The demonstration stands behind the system turn: templates take that as the first turn only.
        systems = next(
            (number for number, turn in enumerate(turns_of_row) if turn["role"] != SYSTEM), len(turns_of_row)
        )
        turns = [
            *turns_of_row[:systems],
            *demonstration,
            *turns_of_row[systems:],
            example.answer_turn,
        ]
        text = self.template.render(turns, **arguments_of(example))
        ids = encode(self._tokenizer, [text])[0]
        after = [*row.tokens.response, *row.tokens.ending]
        if ids[len(ids) - len(after) :] == after:
            return ids[: len(ids) - len(after)]
        # y was cut by a trainer, or its first letters are one token with those before it
        alone = self.encode([example])[0]
        if alone.fault is not None:
            raise alone.fault
        after = [*alone.response, *alone.ending]
        if ids[len(ids) - len(after) :] == after:
            return ids[: len(ids) - len(after)]
        _, whole = self.template.prompt_and_whole(example)
        return encode(self._tokenizer, [text.removesuffix(whole[len(alone.text) :])])[0]

    def _fit(self, row: Row, turns: Sequence[Turn], room: int) -> list[int] | None:
        """Find the longest demonstration that fits: bisection over the characters cut from its left."""
        low, high, best = 1, sum(len(text) for _, _, text in _texts(turns)) - 1, None
        while low <= high:
            # Tokens cannot be cut here: the template writes markers between the texts, and each cut changes the ids.
            middle = (low + high) // 2
            shorter = _cut(turns, middle)
            context = self._context(row, shorter)
            if len(context) > room:
                low = middle + 1
            else:
                high = middle - 1
                best = context if any(text.strip() for _, _, text in _texts(shorter)) else best
        return best


def _texts(turns: Sequence[Turn]) -> list[tuple[int, str, str]]:
    """List (turn, key, text) of all that may be cut, in the order in which templates write it."""
    return [
        (number, key, turn[key])
        for number, turn in enumerate(turns)
        for key in (*REASONING_KEYS, "content")
        if isinstance(turn.get(key), str)
    ]


def _cut(turns: Sequence[Turn], characters: int) -> list[Turn]:
    """Return the turns without their first `characters` characters of text."""
    shorter = [dict(turn) for turn in turns]
    for number, key, text in _texts(turns):
        gone = min(characters, len(text))
        characters -= gone
        shorter[number][key] = text[gone:]
    return shorter
