"""Turns of a conversation, in the chat format of transformers, from every form people write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hf_miwv.common.reading.kinds import RowError, describe, kind

Turn = dict[str, Any]  # "role", "content", and whatever else the data set gives

USER, ASSISTANT, SYSTEM, TOOL = "user", "assistant", "system", "tool"
FUNCTION_CALL = "function_call"  # its content is the call, or a list of calls, as JSON
ROLES = {
    "user": USER,
    "human": USER,
    "assistant": ASSISTANT,
    "gpt": ASSISTANT,
    "chatgpt": ASSISTANT,
    "bard": ASSISTANT,
    "bing": ASSISTANT,
    "model": ASSISTANT,
    "bot": ASSISTANT,
    "function_call": FUNCTION_CALL,
    "system": SYSTEM,
    "developer": "developer",
    "tool": TOOL,
    "observation": TOOL,
    "function_response": TOOL,
}
TEXT_PARTS = ("text", "input_text", "output_text")
REASONING_KEYS = ("reasoning_content", "thinking", "reasoning")  # as transformers knows them
INSTEAD_OF_CONTENT = ("tool_calls", "function_call", *REASONING_KEYS)


def read_turns(value: Any, column: str) -> list[Turn]:
    """Read a list of turns: {role, content, ...} or ShareGPT's {from, value, ...}.

    Every other key of a turn is kept as it is. Roles are read in any capitals and under the names
    of ROLES; `function_call` becomes an assistant turn with `tool_calls`. A content that is a list
    of text parts is joined. The dict of lists that older `datasets` features deliver is a list of
    turns, too, and so is a list written as JSON.

    Args:
        value (`Any`): The cell of the column.
        column (`str`): Its name, for messages.

    Returns:
        `list[Turn]`: The turns in the chat format.

    Raises:
        RowError: no such list, or a turn that is none.
    """
    column_words = f"column {column!r}"
    if isinstance(value, str) and value.lstrip().startswith("["):  # a table without nested types
        value = parse_json(value, column)
    if not is_conversational(value):
        raise _misfit(f"{column_words} must be a list of turns {{role, content}}, found", value)
    turns = _turns_of_columns(value, column_words) if isinstance(value, Mapping) else value
    if not turns:
        raise RowError(f"{column_words}: the list of turns is empty; remove the row, or add its turns")
    return [_read_turn(turn, column_words, number) for number, turn in enumerate(turns)]


def is_conversational(value: Any) -> bool:
    """Check whether a cell is a list of turns rather than a text.

    Args:
        value (`Any`): The cell.

    Returns:
        `bool`: True for a list, or a dict of lists.
    """
    return isinstance(value, list | Mapping)


def reasoning_of(turn: Turn) -> str:
    """Return the reasoning that a turn keeps apart from its content.

    Args:
        turn (`Turn`): The turn.

    Returns:
        `str`: The first of REASONING_KEYS that holds text; "" where none does.
    """
    values = (turn.get(key) for key in REASONING_KEYS)
    return next((value for value in values if isinstance(value, str) and value.strip()), "")


def parse_json(value: Any, column: str) -> Any:
    """Parse a cell that may hold JSON as text, as ShareGPT's `tools` does; "" is nothing.

    Args:
        value (`Any`): The cell.
        column (`str`): Its name, for the message.

    Returns:
        `Any`: The parsed value; a cell that is no text as it is.

    Raises:
        RowError: text that is not JSON.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        raise RowError(
            f"column {column!r} is text that is not JSON ({error})",
            f"column {column!r} is text that is not JSON",
        ) from error


def _misfit(words: str, value: Any) -> RowError:
    return RowError(f"{words} {describe(value)}", f"{words} {kind(value)}")


def _turns_of_columns(value: Mapping[str, Any], column_words: str) -> list[dict[str, Any]]:
    lengths = {len(items) if isinstance(items, list) else None for items in value.values()}
    if None in lengths or len(lengths) > 1:
        raise _misfit(f"{column_words} must be a list of turns, found", value)
    return [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]


def _read_turn(turn: Any, column_words: str, number: int) -> Turn:
    """Read one turn into the chat format; its number stands in the message, not in the fault's kind."""
    try:
        return _normal_turn(turn)
    except RowError as fault:
        # Faults are counted by kind: with the number each row would be a kind by itself.
        raise RowError(f"{column_words}, turn {number}: {fault}", f"{column_words}: {fault.kind}") from fault


def _normal_turn(turn: Any) -> Turn:
    if not isinstance(turn, Mapping):
        raise _misfit("a turn must be an object {role, content}, found", turn)
    # ShareGPT's names may be there as nulls beside the others, where a table holds both forms
    sharegpt = turn.get("role") is None and turn.get("from") is not None
    role_key, content_key = ("from", "value") if sharegpt else ("role", "content")
    role_text = turn.get(role_key)
    if not isinstance(role_text, str):
        raise _misfit(f"{role_key!r} must be a string, found", role_text)
    if not role_text.strip():
        raise RowError(f"{role_key!r} is empty; give a role such as user or assistant")
    role = ROLES.get(role_text.strip().lower())
    if role is None and sharegpt:
        raise RowError(f"unknown role {role_text!r}; known: {', '.join(ROLES)}")
    names = ("role", "content", role_key, content_key)
    others = {key: value for key, value in turn.items() if key not in names}
    if role == FUNCTION_CALL:
        calls = _calls(turn.get(content_key))
        return {"role": ASSISTANT, "content": "", "tool_calls": calls, **others}
    content = _content(turn.get(content_key), content_key, others)
    return {"role": role or role_text, "content": content, **others}


def _content(value: Any, key: str, others: Mapping[str, Any]) -> str | None:
    if isinstance(value, list):
        return "".join(_text_of(part) for part in value)
    # A turn that only calls a tool, or only thinks, has null as its content, and templates expect it so.
    if value is None and any(others.get(name) for name in INSTEAD_OF_CONTENT):
        return None
    if not isinstance(value, str):
        raise _misfit(f"{key!r} must be a string, found", value)
    return value


def _text_of(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise _misfit("a part of the content must be an object, found", part)
    name = part.get("type") or ("text" if "text" in part else None)
    if name not in TEXT_PARTS or not isinstance(part.get("text"), str):
        raise RowError(
            f"the content has a part of type {name!r}, and only text can be scored; remove the row, or give its text"
        )
    return part["text"]


def _calls(value: Any) -> list[dict[str, Any]]:
    """Read the calls of a `function_call` turn: {"name", "arguments"} as JSON, one or a list of them."""
    try:
        calls = json.loads(value) if isinstance(value, str) else value
    except ValueError as error:
        raise RowError(
            f"a function call that is not JSON ({error}): {describe(value)}",
            "a function call that is not JSON",
        ) from error
    calls = calls if isinstance(calls, list) else [calls]
    for call in calls:
        if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
            raise _misfit('a function call must be {"name", "arguments"}, found', call)
    return [{"type": "function", "function": _with_arguments(call)} for call in calls]


def _with_arguments(call: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call with its arguments as an object, where they are that object written as JSON."""
    arguments = call.get("arguments")
    # OpenAI writes them as a string; templates put tojson over them, which would quote it twice.
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            arguments = call["arguments"]
    return {**call, "arguments": arguments}
