"""Names of what a row has and its rendered text does not show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from hf_miwv.common.reading.kinds import RowError
from hf_miwv.prompts.chat_text import INLINE_BLOCK, ChatTemplate, arguments_of
from hf_miwv.rows.examples import Example
from hf_miwv.rows.turns import ASSISTANT, USER, Turn

INLINE_REASONING = "think block in the content"


class Part(NamedTuple):
    """Name a part of a row that a template may leave out.

    Attributes:
        turn (`int`, *optional*): Number of the turn; None for an argument of the template.
        key (`str`): Key of the turn, or name of the argument.
    """

    turn: int | None
    key: str


def unrendered(example: Example, template: ChatTemplate) -> list[str]:
    """Name the keys of turns and the columns of a row that leave no trace in its rendered text.

    A part leaves a trace where a mark put behind its texts shows, or, where none can be put or
    shown, where the text is another without the part.

    Args:
        example (`Example`): The row.
        template (`ChatTemplate`): The template.

    Returns:
        `list[str]`: Names without repetition; `KEY of earlier turns` where only those before the answer are
        meant.
    """
    turns = [*example.conversation, example.answer_turn]
    parts, thoughts = _parts(example, turns), list(filter(None, map(_inline_thoughts, turns)))
    if not parts and not thoughts:  # most rows: nothing that a template could leave out
        return list(example.unread)
    rendered = template.prompt_and_whole(example)
    # One rendering settles most parts at once; rendering again without each part is slow, and kept for the rest.
    missing = _without_mark(example, turns, parts, template)
    names = list(example.unread)
    names += _names(_without_trace(example, turns, missing, rendered, template), turns)
    if any(rendered[1].count(thought) < thoughts.count(thought) for thought in thoughts):
        names.append(INLINE_REASONING)
    return list(dict.fromkeys(names))


def _parts(example: Example, turns: list[Turn]) -> list[Part]:
    """List all parts but plain questions and answers, which the template was seen to render."""
    parts = [
        Part(number, key)
        for number, turn in enumerate(turns)
        for key, value in turn.items()
        if value not in (None, "", [], {})
        and key != "role"
        and not (key == "content" and turn["role"] in (USER, ASSISTANT))
    ]
    if example.tools:
        parts.append(Part(None, "tools"))
    return parts + [Part(None, key) for key in example.template_kwargs]


def _without_mark(example: Example, turns: list[Turn], parts: list[Part], template: ChatTemplate) -> list[Part]:
    """List the parts whose marks do not show when all are marked at once; all parts where that fails."""
    marks = {part: f"\u2983{number}\u2984" for number, part in enumerate(parts)}
    marked_turns = [
        {
            key: _marked(value, marks[Part(number, key)]) if Part(number, key) in marks else value
            for key, value in turn.items()
        }
        for number, turn in enumerate(turns)
    ]
    arguments = arguments_of(example)
    if Part(None, "tools") in marks:
        arguments["tools"] = _marked(example.tools, marks[Part(None, "tools")])
    try:
        text = template.render(marked_turns, **arguments)
    except RowError:  # a template may ask for ids of a certain length
        return parts
    return [part for part in parts if marks[part] not in text]


def _marked(value: Any, mark: str) -> Any:
    if isinstance(value, str):
        return value + mark
    if isinstance(value, Mapping):
        return {key: _marked(inner, mark) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner, mark) for inner in value]
    return value


def _without_trace(
    example: Example,
    turns: list[Turn],
    parts: list[Part],
    rendered: tuple[str, str],
    template: ChatTemplate,
) -> list[Part]:
    """List those of the parts without which the texts are the same: together, or else one by one."""
    if not parts or _same_without(example, turns, parts, rendered, template):
        return parts
    return [part for part in parts if _same_without(example, turns, [part], rendered, template)]


def _same_without(
    example: Example,
    turns: list[Turn],
    parts: Iterable[Part],
    rendered: tuple[str, str],
    template: ChatTemplate,
) -> bool:
    """Check whether the row renders to the same texts without these parts."""
    gone = set(parts)
    fewer = [
        {
            key: "" if Part(number, key) in gone else value
            for key, value in turn.items()
            if key == "content" or Part(number, key) not in gone
        }
        for number, turn in enumerate(turns)
    ]
    kwargs = {key: value for key, value in example.template_kwargs.items() if Part(None, key) not in gone}
    without = replace(
        example,
        turns=tuple(fewer[:-1]),
        answer=fewer[-1],
        tools=None if Part(None, "tools") in gone else example.tools,
        template_kwargs=kwargs,
    )
    try:
        return template.prompt_and_whole(without) == rendered
    except RowError:  # it cannot do without them
        return False


def _names(parts: Iterable[Part], turns: list[Turn]) -> Iterator[str]:
    """Yield the name of each part, as a person would call it."""
    last = len(turns) - 1
    in_answer = {part.key for part in parts if part.turn == last}
    for part in parts:
        if part.turn is None:
            yield part.key if part.key == "tools" else f"chat_template_kwargs.{part.key}"
        elif part.key == "content":
            yield f"content of {turns[part.turn]['role']} turns"
        elif part.turn == last or part.key in in_answer or turns[part.turn]["role"] != ASSISTANT:
            yield part.key
        else:
            yield f"{part.key} of earlier turns"


def _inline_thoughts(turn: Turn) -> str:
    """Return the think block at the beginning of an answer; "" where there is none."""
    block = INLINE_BLOCK.match(turn.get("content") or "") if turn["role"] == ASSISTANT else None
    return block["body"].strip() if block else ""
