"""The row: which columns hold the prompt and the response, and one row read from them.

Four shapes are known by their columns, tried in this order:

1. `alpaca`: `instruction`, `output` and, where the data set has it, `input`
2. `prompt_completion`: `prompt`, `completion`, both strings or both lists of {role, content}
3. `messages`: `messages`, a list of {role, content}
4. `conversations`: `conversations`, ShareGPT's list of {from, value}

Other data sets say which of their columns stand for these: `--columns prompt=question,...`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

from hf_miwv.errors import InputError, did_you_mean

Status = Literal["ok", "empty_response", "not_finite", "demonstration_dropped"]
Flag = Literal[
    "demonstration_trimmed", "response_truncated", "duplicate_prompt", "duplicate_neighbor"
]

SCORE_COLUMNS = (
    "row",
    "miwv",
    "loss_zero_shot",
    "loss_one_shot",
    "neighbor",
    "neighbor_similarity",
    "response_tokens",
    "miwv_status",
    "miwv_flags",
)
# Added only when asked for: by `--also METHOD`, and by `--keep-embeddings`.
ALSO_COLUMNS = {"ifd": "loss_response_alone", "superfiltering": "loss_response_bare"}
EMBEDDING_COLUMN = "prompt_embedding"
REQUESTED_COLUMNS = (*ALSO_COLUMNS.values(), EMBEDDING_COLUMN)

REQUIRED_COLUMNS = {
    "alpaca": ("instruction", "output"),
    "prompt_completion": ("prompt", "completion"),
    "messages": ("messages",),
    "conversations": ("conversations",),
}
OPTIONAL_COLUMNS = {"alpaca": ("input",)}
STANDARD_NAMES = (*(name for names in REQUIRED_COLUMNS.values() for name in names), "input")

SHAREGPT_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bard": "assistant",
    "bing": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "tool": "tool",
    "observation": "tool",
    "function_response": "tool",
}


class Turn(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One row, read.

    `instruction` and `input` are "" where the row has `turns`: everything that was said before
    the response. `turns` is None where the prompt is a string. `response` is "" where there is
    none.
    """

    instruction: str
    input: str
    turns: tuple[Turn, ...] | None
    response: str

    @property
    def bare_prompt(self) -> str:
        """The prompt's text without any template: instruction and input, or the turns' contents,
        with a blank line between them."""
        parts = [self.instruction, self.input]
        if self.turns is not None:
            parts = [turn["content"] for turn in self.turns]
        return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Shape:
    """A known shape by `name`, and the data set's own `columns` by their standard names."""

    name: str
    columns: Mapping[str, str]


def parse_columns(text: str) -> dict[str, str]:
    """The value of `--columns`, as standard name -> column of the data set.

    >>> parse_columns("prompt=question,completion=answer")
    {'prompt': 'question', 'completion': 'answer'}

    Raises InputError for a pair without name or column, and for a name given twice. Whether the
    names are known is for `recognize` to say.
    """
    columns: dict[str, str] = {}
    for pair in text.split(","):
        name, _, column = (part.strip() for part in pair.partition("="))
        if not name or not column:
            raise InputError(
                f"--columns {text!r}: {pair.strip()!r} is not a pair NAME=COLUMN; "
                "write for example prompt=question,completion=answer"
            )
        if name in columns:
            raise InputError(f"--columns {text!r}: {name!r} is given twice; give each name once")
        columns[name] = column
    return columns


def recognize(column_names: Sequence[str], columns: Mapping[str, str] | None = None) -> Shape:
    """The first known shape whose columns are all among `column_names`.

    `columns` (standard name -> column) says which columns stand for the standard names. Then only
    shapes with all these names count; standard names it leaves out are looked up as they are, and
    the optional `input` only where neither `instruction` nor `output` is mapped.

    Raises InputError for a standard name or column that does not exist, and where no shape fits.
    """
    mapping = dict(columns or {})
    _check_mapping(column_names, mapping)
    for shape, required in REQUIRED_COLUMNS.items():
        optional = OPTIONAL_COLUMNS.get(shape, ())
        if not mapping.keys() <= {*required, *optional}:
            continue
        found = {name: mapping.get(name, name) for name in required}
        if not set(found.values()) <= set(column_names):
            continue
        implied = column_names if mapping.keys().isdisjoint(required) else ()
        found |= {
            name: mapping.get(name, name) for name in optional if name in {*mapping, *implied}
        }
        return Shape(shape, found)
    raise InputError(_no_shape_message(column_names, mapping))


def _check_mapping(column_names: Sequence[str], mapping: Mapping[str, str]) -> None:
    for name, column in mapping.items():
        if name not in STANDARD_NAMES:
            hint = did_you_mean(name, STANDARD_NAMES)
            raise InputError(f"--columns {name}={column}: {name!r} is no standard name; {hint}")
        if column not in column_names:
            raise InputError(
                f"--columns {name}={column}: the data set has no column {column!r}; "
                f"columns found: {', '.join(column_names)}"
            )


def _no_shape_message(column_names: Sequence[str], mapping: Mapping[str, str]) -> str:
    shapes = "; ".join(" + ".join(names) for names in REQUIRED_COLUMNS.values())
    given = ",".join(f"{name}={column}" for name, column in mapping.items())
    return (
        f"columns found: {', '.join(column_names)}"
        + (f" (with --columns {given})" if given else "")
        + f"; none of the known shapes has these. Known: {shapes}. "
        "Say which columns are meant, for example --columns prompt=question,completion=answer"
    )


def read_example(row: Mapping[str, Any], shape: Shape, index: int, source: str = "") -> Example:
    """Row number `index` (from 0) of a data set of this `shape`.

    In a conversation the response is the content of the last assistant turn, `turns` is everything
    before it, and turns after it are left out. Without an assistant turn the response is "" and
    `turns` is all of them. Raises InputError, naming `source`, row and column, for what is not
    text; only Alpaca's `input` may be null.

    >>> shape = recognize(["prompt", "completion"])
    >>> read_example({"prompt": "1 + 1?", "completion": "2"}, shape, index=0)
    Example(instruction='1 + 1?', input='', turns=None, response='2')
    """
    place = f"{source}: row {index}" if source else f"row {index}"
    return READERS[shape.name](row, shape.columns, place)


def _read_alpaca(row: Mapping[str, Any], columns: Mapping[str, str], place: str) -> Example:
    has_input = "input" in columns and row.get(columns["input"]) is not None
    return Example(
        instruction=_read_text(row, columns["instruction"], place),
        input=_read_text(row, columns["input"], place) if has_input else "",
        turns=None,
        response=_read_text(row, columns["output"], place),
    )


def _read_prompt_completion(
    row: Mapping[str, Any], columns: Mapping[str, str], place: str
) -> Example:
    prompt, completion = columns["prompt"], columns["completion"]
    kinds = [_is_conversational(row.get(column)) for column in (prompt, completion)]
    if all(kinds):
        before = _read_turns(row.get(prompt), prompt, place)
        return _split_at_response(before, _read_turns(row.get(completion), completion, place))
    if any(kinds) and all(
        isinstance(row.get(c), str | list | Mapping) for c in (prompt, completion)
    ):
        raise InputError(
            f"{place}: column {prompt!r} is {describe(row.get(prompt))} and column {completion!r} "
            f"is {describe(row.get(completion))}; make both strings, or both lists of turns"
        )
    instruction = _read_text(row, prompt, place)
    return Example(instruction, "", None, _read_text(row, completion, place))


def _read_messages(row: Mapping[str, Any], columns: Mapping[str, str], place: str) -> Example:
    column = columns["messages"]
    return _split_at_response([], _read_turns(row.get(column), column, place))


def _read_conversations(row: Mapping[str, Any], columns: Mapping[str, str], place: str) -> Example:
    column = columns["conversations"]
    turns = _read_turns(row.get(column), column, place, role_key="from", content_key="value")
    for number, turn in enumerate(turns):
        if turn["role"] not in SHAREGPT_ROLES:
            raise InputError(
                f"{place}: column {column!r}, turn {number}: unknown role {turn['role']!r}; "
                f"known: {', '.join(SHAREGPT_ROLES)}"
            )
        turn["role"] = SHAREGPT_ROLES[turn["role"]]
    return _split_at_response([], turns)


READERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, str], str], Example]] = {
    "alpaca": _read_alpaca,
    "prompt_completion": _read_prompt_completion,
    "messages": _read_messages,
    "conversations": _read_conversations,
}


def _split_at_response(before: list[Turn], turns: list[Turn]) -> Example:
    """The last assistant turn of `turns` is the response; `before` never holds it."""
    for number in reversed(range(len(turns))):
        if turns[number]["role"] == "assistant":
            return Example("", "", (*before, *turns[:number]), turns[number]["content"])
    return Example("", "", (*before, *turns), "")


def _read_turns(
    value: Any, column: str, place: str, role_key: str = "role", content_key: str = "content"
) -> list[Turn]:
    """A list of dicts, or the dict of lists that older `datasets` features deliver."""
    place = f"{place}: column {column!r}"
    if not _is_conversational(value):
        keys = f"{{{role_key}, {content_key}}}"
        raise InputError(f"{place} must be a list of turns {keys}, found {describe(value)}")
    rows = _dicts_of_lists(value, place) if isinstance(value, Mapping) else value
    if not rows:
        raise InputError(f"{place}: the list of turns is empty; remove the row, or add its turns")
    return [
        _read_turn(turn, role_key, content_key, f"{place}, turn {number}")
        for number, turn in enumerate(rows)
    ]


def _dicts_of_lists(value: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
    lengths = {len(items) if isinstance(items, list) else None for items in value.values()}
    if None in lengths or len(lengths) > 1:
        raise InputError(f"{place} must be a list of turns, found {describe(value)}")
    return [dict(zip(value, items, strict=True)) for items in zip(*value.values(), strict=True)]


def _read_turn(turn: Any, role_key: str, content_key: str, place: str) -> Turn:
    if not isinstance(turn, Mapping):
        raise InputError(
            f"{place} must be an object {{{role_key}, {content_key}}}, found {describe(turn)}"
        )
    for key in (role_key, content_key):
        if not isinstance(turn.get(key), str):
            raise InputError(f"{place}: {key!r} must be a string, found {describe(turn.get(key))}")
    if not turn[role_key]:
        raise InputError(f"{place}: {role_key!r} is empty; give a role such as user or assistant")
    return Turn(role=turn[role_key], content=turn[content_key])


def _is_conversational(value: Any) -> bool:
    return isinstance(value, list | Mapping)


def _read_text(row: Mapping[str, Any], column: str, place: str) -> str:
    value = row.get(column)
    if not isinstance(value, str):
        raise InputError(f"{place}: column {column!r} must be a string, found {describe(value)}")
    return value


def kind(value: Any) -> str:
    """What a value is, in JSON's words: "null", "a number", "a string", ..."""
    kinds: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return kinds.get(type(value), f"a {type(value).__name__}")


def describe(value: Any) -> str:
    """What a value is and, where it is short to say, which one: "a number (3)"."""
    if value is None or isinstance(value, list | Mapping):
        return kind(value)
    text = repr(value) if isinstance(value, str) else str(value)
    return f"{kind(value)} ({text if len(text) <= 40 else text[:37] + '...'})"
