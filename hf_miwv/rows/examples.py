"""One row, read: what was said before the response, and the response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.kinds import RowError, describe, kind
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.rows.schema import Shape
from hf_miwv.rows.turns import ASSISTANT, SYSTEM, USER, Turn, is_conversational, parse_json, read_turns, reasoning_of

LATER_TURNS = "turns after the last answer"
SECOND_SYSTEM = "the column {!r}, beside a system turn"


@dataclass(frozen=True, slots=True)
class Example:
    """Hold one row, read.

    Attributes:
        instruction (`str`): "" where the row has `turns`.
        input (`str`): "" where the row has `turns`, or no input.
        turns (`tuple[Turn, ...]`, *optional*): Everything that was said before the response; None where the
            prompt is a string.
        response (`str`): Text of the response; "" where there is none.
        answer (`Turn`, *optional*): The turn that is the response, with every key that it has; None where the
            prompt is a string.
        system (`str`): System prompt of a row whose prompt is a string; else it is the first turn.
        history (`tuple[tuple[str, str], ...]`): Earlier exchanges (question, answer) of a row whose prompt is a
            string.
        tools (`Any`): For the chat template, as the row has them; None where it has none.
        template_kwargs (`Mapping[str, Any]`): The row's arguments for the chat template.
        undesired (`bool`): Whether the row says that its response is a bad one (KTO's `label: false`).
        unread (`tuple[str, ...]`): Names of parts of the row that the shape cannot hold.
        fault (`RowError`, *optional*): Why the row cannot be read; None where it can. Only of rows that are to
            be flagged.
    """

    instruction: str
    input: str
    turns: tuple[Turn, ...] | None
    response: str
    answer: Turn | None = None
    system: str = ""
    history: tuple[tuple[str, str], ...] = ()
    tools: Any = None
    template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    undesired: bool = False
    unread: tuple[str, ...] = ()
    fault: RowError | None = None

    @property
    def question(self) -> str:
        """Return instruction and input, with a blank line between them."""
        return "\n\n".join(part for part in (self.instruction, self.input) if part)

    @property
    def conversation(self) -> list[Turn]:
        """Return everything before the response as turns."""
        if self.turns is not None:
            return list(self.turns)
        system = [{"role": SYSTEM, "content": self.system}] if self.system else []
        earlier = [
            {"role": role, "content": text}
            for exchange in self.history
            for role, text in zip((USER, ASSISTANT), exchange, strict=True)
        ]
        return [*system, *earlier, {"role": USER, "content": self.question}]

    @property
    def answer_turn(self) -> Turn:
        """Return the response as a turn."""
        return self.answer or {"role": ASSISTANT, "content": self.response}

    @property
    def bare_prompt(self) -> str:
        """Return the prompt's texts without any template, with blank lines between its parts."""
        contents = (turn.get("content") for turn in self.conversation)
        return "\n\n".join(content for content in contents if content)

    @property
    def prompt_with_tools(self) -> str:
        """Return `bare_prompt`, calls and tools as JSON: two prompts are one only if all is alike."""
        calls = [turn["tool_calls"] for turn in self.conversation if turn.get("tool_calls")]
        parts = [json_text(part) for part in (*calls, self.tools) if part]
        return "\n\n".join([self.bare_prompt, *parts])

    @property
    def shown_response(self) -> str:
        """Return reasoning, text and calls of the response, for people to read."""
        turn = self.answer_turn
        calls = turn.get("tool_calls")
        parts = [reasoning_of(turn), self.response]
        parts += [json_text(calls)] if calls else []
        return "\n\n".join(part for part in parts if part)

    @property
    def has_response(self) -> bool:
        """Check whether there is anything to answer with: text, reasoning or a call."""
        return bool(self.shown_response.strip())


def read_example(row: Mapping[str, Any], shape: Shape, index: int, source: str = "") -> Example:
    """Read one row.

    In a conversation the response is the last assistant turn, `turns` is everything before it, and
    turns after it are left out, which `unread` tells.

    Args:
        row (`Mapping[str, Any]`): The row, by column.
        shape (`Shape`): Shape of the data set's rows.
        index (`int`): Number of the row, from 0, for the message.
        source (`str`, *optional*, defaults to `""`): Name of the data, for the message.

    Returns:
        `Example`: The row, read.

    Raises:
        InputError: the row cannot be read; the message names `source`, row and column.

    >>> from hf_miwv.rows.schema import recognize
    >>> shape = recognize(["prompt", "completion"])
    >>> read_example({"prompt": "1 + 1?", "completion": "2"}, shape, index=0).response
    '2'
    """
    try:
        return read_row(row, shape)
    except RowError as fault:
        location = f"{source}: row {index}" if source else f"row {index}"
        raise InputError(f"{location}: {fault}") from fault


def read_row(row: Mapping[str, Any], shape: Shape) -> Example:
    """Read a row of this shape.

    Args:
        row (`Mapping[str, Any]`): The row, by column.
        shape (`Shape`): Its shape.

    Returns:
        `Example`: The row, read.

    Raises:
        RowError: it cannot be read.
    """
    return READERS[shape.name](row, shape.columns)


def unreadable(fault: RowError) -> Example:
    """Stand in for a row that cannot be read, so that all other rows keep their numbers.

    Args:
        fault (`RowError`): Why it cannot be read.

    Returns:
        `Example`: An empty row with the fault.
    """
    return Example("", "", None, "", fault=fault)


def _read_alpaca(row: Mapping[str, Any], columns: Mapping[str, str]) -> Example:
    return Example(
        instruction=_text(row, columns["instruction"]),
        input=_optional_text(row, columns, "input"),
        turns=None,
        response=_text(row, columns["output"]),
        system=_optional_text(row, columns, "system"),
        history=_history(row, columns),
        **_template_arguments(row, columns),
    )


def _read_prompt_completion(row: Mapping[str, Any], columns: Mapping[str, str]) -> Example:
    prompt, completion = columns["prompt"], columns["completion"]
    undesired = _is_undesired(row, columns)
    conversational = [is_conversational(row.get(column)) for column in (prompt, completion)]
    if all(conversational):
        before = read_turns(row.get(prompt), prompt)
        answer = read_turns(row.get(completion), completion)
        return _conversation(before, answer, completion, row, columns, undesired)
    if any(conversational) and all(
        isinstance(row.get(column), str | list | Mapping) for column in (prompt, completion)
    ):
        raise _mixed(row, prompt, completion)
    return Example(
        _text(row, prompt),
        "",
        None,
        _text(row, completion),
        system=_optional_text(row, columns, "system"),
        undesired=undesired,
        **_template_arguments(row, columns),
    )


def _read_preference(row: Mapping[str, Any], columns: Mapping[str, str]) -> Example:
    """Read the chosen answer: by itself behind the prompt, or at the end of the whole conversation."""
    chosen = columns["chosen"]
    prompt = columns.get("prompt")
    if isinstance(row.get(chosen), str) and prompt is None:
        raise RowError(
            f"column {chosen!r} is a string, and there is no column prompt that says what was "
            "asked; name it with --columns prompt=COLUMN"
        )
    if not is_conversational(row.get(chosen)):
        return _read_prompt_completion(row, {**columns, "completion": chosen})
    turns = read_turns(row[chosen], chosen)
    before: list[Turn] = []
    # Data sets disagree on whether `chosen` repeats the prompt: one that begins with the answer does not.
    if turns[0]["role"] == ASSISTANT and prompt is not None:
        asked = row.get(prompt)
        before = (
            read_turns(asked, prompt) if is_conversational(asked) else [{"role": USER, "content": _text(row, prompt)}]
        )
    return _conversation(before, turns, chosen, row, columns)


def _read_turns(shape: str, row: Mapping[str, Any], columns: Mapping[str, str]) -> Example:
    column = columns[shape]
    return _conversation([], read_turns(row.get(column), column), column, row, columns)


READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, str]], Example]] = {
    "alpaca": _read_alpaca,
    "prompt_completion": _read_prompt_completion,
    "preference": _read_preference,
    "messages": partial(_read_turns, "messages"),
    "conversations": partial(_read_turns, "conversations"),
}


def _conversation(
    before: list[Turn],
    turns: list[Turn],
    column: str,
    row: Mapping[str, Any],
    columns: Mapping[str, str],
    undesired: bool = False,
) -> Example:
    """Make the last assistant turn of `turns` the response; `before` never holds it."""
    last = max((number for number, turn in enumerate(turns) if turn["role"] == ASSISTANT), default=None)
    if last is None:
        raise RowError(f"column {column!r} has no assistant turn, so there is no response")
    earlier = [*before, *turns[:last]]
    unread = [LATER_TURNS] if last + 1 < len(turns) else []
    system = _optional_text(row, columns, "system")
    # Most templates take one system turn only, and that of the conversation is nearer to its turns.
    if system and earlier and earlier[0]["role"] == SYSTEM:
        if earlier[0]["content"] != system:
            unread.append(SECOND_SYSTEM.format(columns["system"]))
    elif system:
        earlier = [{"role": SYSTEM, "content": system}, *earlier]
    return Example(
        instruction="",
        input="",
        turns=tuple(earlier),
        response=turns[last]["content"] or "",
        answer=turns[last],
        undesired=undesired,
        unread=tuple(unread),
        **_template_arguments(row, columns),
    )


def _template_arguments(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """Collect what the chat template gets beside the turns."""
    arguments: dict[str, Any] = {}
    if "tools" in columns:
        tools = parse_json(row.get(columns["tools"]), columns["tools"])
        if not isinstance(tools, list | None):
            raise _misfit(columns["tools"], "a list of tools", tools)
        arguments["tools"] = tools and [parse_json(tool, columns["tools"]) for tool in tools]
    if "chat_template_kwargs" in columns:
        column = columns["chat_template_kwargs"]
        kwargs = parse_json(row.get(column), column)
        if not isinstance(kwargs, Mapping | None):
            raise _misfit(column, "an object", kwargs)
        arguments["template_kwargs"] = dict(kwargs or {})
    return arguments


def _history(row: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Read LLaMA-Factory's `history`: a list of pairs [question, answer]."""
    if "history" not in columns:
        return ()
    column = columns["history"]
    history = parse_json(row.get(column), column)
    if not isinstance(history, list | None):
        raise _misfit(column, "a list of pairs [question, answer]", history)
    for pair in history or ():
        whole = isinstance(pair, list | tuple) and len(pair) == 2
        if not whole or not all(isinstance(text, str) for text in pair):
            raise RowError(f"column {column!r} must be a list of pairs [question, answer]")
    return tuple((question, answer) for question, answer in history or ())


def _is_undesired(row: Mapping[str, Any], columns: Mapping[str, str]) -> bool:
    """Tell KTO's `label: false`; text in tables without types. Other labels say nothing of this."""
    label = row.get(columns["label"]) if "label" in columns else None
    return label is False or (isinstance(label, str) and label.strip().lower() == "false")


def _mixed(row: Mapping[str, Any], prompt: str, completion: str) -> RowError:
    prompt_value, completion_value = row.get(prompt), row.get(completion)
    words = "column {!r} is {} and column {!r} is {}; make both strings, or both lists of turns"
    return RowError(
        words.format(prompt, describe(prompt_value), completion, describe(completion_value)),
        words.format(prompt, kind(prompt_value), completion, kind(completion_value)),
    )


def _misfit(column: str, wanted: str, value: Any) -> RowError:
    words = f"column {column!r} must be {wanted}, found"
    return RowError(f"{words} {describe(value)}", f"{words} {kind(value)}")


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise _misfit(column, "a string", value)
    return value


def _optional_text(row: Mapping[str, Any], columns: Mapping[str, str], name: str) -> str:
    """Read a text that may be null, or not be a column at all."""
    if name not in columns or row.get(columns[name]) is None:
        return ""
    return _text(row, columns[name])
