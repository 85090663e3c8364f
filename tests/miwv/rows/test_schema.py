"""The row: shapes by their columns, and rows read from them."""

import datetime
from dataclasses import replace

import pytest

from hf_miwv.common.errors import InputError
from hf_miwv.rows.examples import Example, read_example
from hf_miwv.rows.schema import SCORE_COLUMNS, Shape, parse_columns, recognize


def turn(role, content):
    return {"role": role, "content": content}


def conversation(*turns, response):
    turns = tuple(turn(*pair) for pair in turns)
    return Example("", "", turns, response, answer=turn("assistant", response))


@pytest.mark.parametrize(
    ("column_names", "columns", "name", "found"),
    [
        (["instruction", "output"], None, "alpaca", {"instruction": "instruction"}),
        (["output", "id", "input", "instruction"], None, "alpaca", {"input": "input"}),
        (["prompt", "completion"], None, "prompt_completion", {"completion": "completion"}),
        (["id", "messages"], None, "messages", {"messages": "messages"}),
        (["conversations"], None, "conversations", {"conversations": "conversations"}),
        (["messages", "prompt", "completion"], None, "prompt_completion", {}),
        (["prompt", "completion", "instruction", "output"], None, "alpaca", {}),
        (["q", "a"], {"prompt": "q", "completion": "a"}, "prompt_completion", {"prompt": "q"}),
        (["instruction", "output", "chat"], {"messages": "chat"}, "messages", {}),
        (["prompt", "answer"], {"completion": "answer"}, "prompt_completion", {"prompt": "prompt"}),
        (["instruction", "response"], {"output": "response"}, "alpaca", {"output": "response"}),
        (["instruction", "output", "ctx"], {"input": "ctx"}, "alpaca", {"input": "ctx"}),
    ],
)
def test_recognize(column_names, columns, name, found):
    shape = recognize(column_names, columns)
    assert shape.name == name
    assert found.items() <= shape.columns.items()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (None, {"instruction": "instruction", "output": "output", "input": "input"}),
        ({"output": "b"}, {"instruction": "instruction", "output": "b"}),
        ({"output": "b", "input": "input"}, {"instruction": "instruction", "output": "b"}),
        ({"input": "b"}, {"instruction": "instruction", "output": "output", "input": "b"}),
    ],
)
def test_optional_input_is_used_where_mapped_or_nothing_required_is(columns, expected):
    shape = recognize(["instruction", "input", "output", "b"], columns)
    if columns and "input" in columns:
        expected = expected | {"input": columns["input"]}
    assert shape.columns == expected


@pytest.mark.parametrize(
    ("column_names", "columns", "fragments"),
    [
        (["text"], None, ["columns found: text", "instruction + output", "must be two columns"]),
        (["instruction"], None, ["columns found: instruction", "prompt + completion"]),
        (["q", "a"], {"promt": "q"}, ["'promt'", "did you mean 'prompt'?"]),
        (["q", "a"], {"prompt": "question"}, ["no column 'question'", "columns found: q, a"]),
        (["q", "a"], {"prompt": "q"}, ["columns found: q, a", "prompt=q", "prompt + completion"]),
        (["q", "a"], {"prompt": "q", "output": "a"}, ["none of the known shapes"]),
    ],
)
def test_recognize_refuses(column_names, columns, fragments):
    with pytest.raises(InputError) as error:
        recognize(column_names, columns)
    assert [part for part in fragments if part not in str(error.value)] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prompt=question,completion=answer", {"prompt": "question", "completion": "answer"}),
        (" messages = my chat ", {"messages": "my chat"}),
        ("messages=a=b", {"messages": "a=b"}),
    ],
)
def test_parse_columns(text, expected):
    assert parse_columns(text) == expected


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "'' is not a pair"),
        ("prompt", "'prompt' is not a pair"),
        ("prompt=", "'prompt=' is not a pair"),
        ("=question", "'=question' is not a pair"),
        ("prompt=q,,completion=a", "'' is not a pair"),
        ("prompt=q,prompt=r", "'prompt' is given twice"),
    ],
)
def test_parse_columns_refuses(text, fragment):
    with pytest.raises(InputError, match="--columns") as error:
        parse_columns(text)
    assert fragment in str(error.value)


GREETING = [turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", "Hello")]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"instruction": "Add", "output": "2"}, Example("Add", "", None, "2")),
        ({"instruction": "Add", "input": "1", "output": "2"}, Example("Add", "1", None, "2")),
        ({"instruction": "Add", "input": None, "output": ""}, Example("Add", "", None, "")),
        ({"prompt": "Add", "completion": "2", "id": 7}, Example("Add", "", None, "2")),
        (
            {"prompt": [turn("user", "Hi")], "completion": [turn("assistant", "Hello")]},
            conversation(("user", "Hi"), response="Hello"),
        ),
        (
            {"messages": GREETING},
            conversation(("system", "Be brief."), ("user", "Hi"), response="Hello"),
        ),
        (
            {"messages": [*GREETING, turn("user", "1 + 1?"), turn("assistant", "2")]},
            conversation(
                ("system", "Be brief."),
                ("user", "Hi"),
                ("assistant", "Hello"),
                ("user", "1 + 1?"),
                response="2",
            ),
        ),
        (
            {"messages": [*GREETING, turn("user", "Thanks")]},
            replace(
                conversation(("system", "Be brief."), ("user", "Hi"), response="Hello"),
                unread=("turns after the last answer",),
            ),
        ),
        ({"messages": [turn("assistant", "Hi")]}, conversation(response="Hi")),
        (
            {"messages": [{**turn("user", "Hi"), "name": None}, turn("assistant", "")]},
            Example("", "", ({**turn("user", "Hi"), "name": None},), "", answer=turn("assistant", "")),
        ),
        (
            {"messages": [turn("critic", "Hm"), turn("assistant", "Ok")]},
            conversation(("critic", "Hm"), response="Ok"),
        ),
        (
            {"messages": {"role": ["user", "assistant"], "content": ["Hi", "Hello"]}},
            conversation(("user", "Hi"), response="Hello"),
        ),
    ],
)
def test_read_example(row, expected):
    assert read_example(row, recognize(list(row)), 0) == expected


@pytest.mark.parametrize(
    ("sharegpt", "role"),
    [
        ("human", "user"),
        ("user", "user"),
        ("system", "system"),
        ("tool", "tool"),
        ("observation", "tool"),
        ("function_response", "tool"),
    ],
)
def test_sharegpt_roles_before_the_response(sharegpt, role):
    turns = [{"from": sharegpt, "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    expected = conversation((role, "Hi"), response="Hello")
    assert read_example({"conversations": turns}, recognize(["conversations"]), 0) == expected


@pytest.mark.parametrize("sharegpt", ["gpt", "chatgpt", "bard", "bing", "assistant", "model"])
def test_sharegpt_roles_of_the_response(sharegpt):
    turns = {"from": ["human", sharegpt], "value": ["Hi", "Hello"], "weight": [0, 1]}
    expected = Example(
        "",
        "",
        ({**turn("user", "Hi"), "weight": 0},),
        "Hello",
        answer={**turn("assistant", "Hello"), "weight": 1},
    )
    assert read_example({"conversations": turns}, recognize(["conversations"]), 0) == expected


def test_mapped_columns_are_read():
    shape = recognize(["id", "question", "answer"], {"prompt": "question", "completion": "answer"})
    row = {"id": 3, "question": "1 + 1?", "answer": "2"}
    assert read_example(row, shape, 0) == Example("1 + 1?", "", None, "2")


@pytest.mark.parametrize(
    ("row", "fragments"),
    [
        ({"instruction": None, "output": "x"}, ["'instruction'", "found null"]),
        ({"instruction": "x", "output": 3}, ["'output'", "found a number (3)"]),
        ({"instruction": "x", "output": True}, ["'output'", "found a boolean (True)"]),
        ({"instruction": "x", "output": ["a"]}, ["'output'", "found a list"]),
        ({"instruction": "x", "input": 1.5, "output": ""}, ["'input'", "found a number (1.5)"]),
        (
            {"instruction": "x", "output": datetime.datetime(2024, 1, 2)},
            ["'output'", "found a datetime (2024-01-02 00:00:00)"],
        ),
        ({"prompt": "x", "completion": None}, ["'completion'", "found null"]),
        ({"prompt": 3, "completion": [turn("user", "x")]}, ["'prompt'", "found a number (3)"]),
        (
            {"prompt": "x", "completion": [turn("assistant", "y")]},
            ["'prompt' is a string ('x')", "'completion' is a list", "make both"],
        ),
        ({"prompt": [turn("user", "x")], "completion": "y"}, ["make both"]),
        ({"prompt": [], "completion": [turn("assistant", "y")]}, ["'prompt'", "is empty"]),
        ({"messages": None}, ["'messages'", "{role, content}", "found null"]),
        ({"messages": "Hi"}, ["'messages'", "found a string ('Hi')"]),
        ({"messages": []}, ["'messages'", "list of turns is empty"]),
        ({"messages": {"role": [], "content": []}}, ["list of turns is empty"]),
        ({"messages": {"role": ["user"], "content": []}}, ["'messages'", "found an object"]),
        ({"messages": ["Hi"]}, ["turn 0", "{role, content}", "found a string ('Hi')"]),
        ({"messages": [turn("user", "Hi")]}, ["'messages' has no assistant turn"]),
        (
            {"prompt": GREETING, "completion": [turn("user", "Bye")]},
            ["'completion' has no assistant turn"],
        ),
        ({"messages": [turn("user", "x"), turn("assistant", None)]}, ["turn 1: 'content'", "null"]),
        ({"messages": [turn("user", [{"type": "text"}])]}, ["turn 0", "part of type 'text'"]),
        (
            {"messages": [turn("user", [{"type": "image_url", "image_url": {}}])]},
            ["turn 0", "part of type 'image_url'", "only text can be scored"],
        ),
        ({"messages": [turn("", "x")]}, ["turn 0: 'role' is empty"]),
        ({"messages": [{"speaker": "human", "value": "x"}]}, ["turn 0: 'role'", "found null"]),
        ({"conversations": [{"from": "human", "value": 1}]}, ["turn 0: 'value'", "a number (1)"]),
        (
            {"conversations": [{"from": "narrator", "value": "x"}]},
            ["'conversations', turn 0: unknown role 'narrator'", "known: user, human, assistant"],
        ),
    ],
)
def test_read_example_refuses(row, fragments):
    with pytest.raises(InputError, match=r"^data\.jsonl: row 12: column") as error:
        read_example(row, recognize(list(row)), 12, "data.jsonl")
    assert [part for part in fragments if part not in str(error.value)] == []


def test_messages_name_the_row_without_a_source():
    with pytest.raises(InputError, match=r"^row 12: column 'completion' must be a string"):
        read_example({"prompt": "x"}, recognize(["prompt", "completion"]), 12)


def test_a_long_value_is_shortened_in_the_message():
    with pytest.raises(InputError) as error:
        read_example({"messages": "x" * 500}, Shape("messages", {"messages": "messages"}), 0)
    assert len(str(error.value)) < 150


def test_score_columns_are_distinct_and_do_not_hide_known_columns():
    assert len(set(SCORE_COLUMNS)) == len(SCORE_COLUMNS) == 9
    with pytest.raises(InputError, match="none of the known shapes"):
        recognize(SCORE_COLUMNS)
