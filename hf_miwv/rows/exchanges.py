"""A row as exchanges: what was asked, and what was answered, one pair after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hf_miwv.rows.examples import Example
from hf_miwv.rows.turns import ASSISTANT


class Exchange(NamedTuple):
    """Hold what was said between two answers, and the answer to it.

    Attributes:
        instruction (`str`): The texts of all turns since the answer before, with blank lines between them.
        output (`str`): The answer: reasoning, text and calls.
    """

    instruction: str
    output: str


def exchanges_of(example: Example) -> list[Exchange]:
    """Divide a row into its exchanges, the last of which ends in the response.

    A system prompt belongs to the first exchange. An answer that nothing was said before, and an empty one, make no
    exchange.

    Args:
        example (`Example`): The row.

    Returns:
        `list[Exchange]`: The exchanges, in order; none of a row that cannot be read.

    >>> exchanges_of(Example("Add 2 and 3.", "", None, "5", history=(("Hi", "Hello"),)))
    [Exchange(instruction='Hi', output='Hello'), Exchange(instruction='Add 2 and 3.', output='5')]
    """
    if example.fault is not None:
        return []
    exchanges = []
    texts: list[str] = []
    for turn in [*example.conversation, example.answer_turn]:
        text = replace(example, response=turn.get("content") or "", answer=turn).shown_response
        if turn["role"] != ASSISTANT:
            texts += [text] if text else []
            continue
        if texts and text.strip():
            exchanges.append(Exchange("\n\n".join(texts), text))
        texts = []
    return exchanges
