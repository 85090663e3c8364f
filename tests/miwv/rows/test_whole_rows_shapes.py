"""Shapes of rows as people have them, and those of the page on rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chat_templates import (
    REASONING,
    ROWS,
    answer,
    conversation,
    user,
)
from click.testing import CliRunner

from hf_miwv import InputError
from hf_miwv.__main__ import main
from hf_miwv.common.reading.column_names import REQUIRED_COLUMNS
from hf_miwv.prompts.chat_prompts import ChatPrompts
from hf_miwv.rows.examples import read_example
from hf_miwv.rows.schema import recognize
from tests.miwv.rows.whole_rows import score_rows, tokenizer_with

KNOWN_ELSEWHERE = [
    {"instruction": "add", "context": "two", "response": "five", "category": "qa"},
    {"id": "1", "system_prompt": "write", "question": "add two", "response": "five"},
    {"query": "add two", "response": "five"},
    {"question": "add two", "answer": "five"},
]


def test_pairs_with_a_question_and_turns_as_text_are_read() -> None:
    row = {"system": "write", "question": "add two", "chosen": "five", "rejected": "no"}
    example = read_example(row, recognize(list(row)), 0)
    assert (example.system, example.question, example.response) == ("write", "add two", "five")
    text = {"messages": json.dumps([user("add two"), answer("five")])}
    assert read_example(text, recognize(list(text)), 0).response == "five"
    tools = {**ROWS["tools not called, messages"][0]}
    as_text = {**tools, "tools": [json.dumps(tool) for tool in tools["tools"]]}
    shape = recognize(list(tools))
    assert read_example(as_text, shape, 0) == read_example(tools, shape, 0)


@pytest.mark.parametrize("row", KNOWN_ELSEWHERE, ids=lambda row: "+".join(row))
def test_widespread_columns_are_known_without_being_named(row: dict[str, str]) -> None:
    example = read_example(row, recognize(list(row)), 0)
    assert example.response == "five"
    assert example.question.split() in (["add", "two"], ["add\n\ntwo"])
    assert example.system == row.get("system_prompt", "")


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"frage": "add two", "antwort": "five"}, None),
        ({"id": "7", "Question text": "add two", "model_answer": "five"}, None),
        ({"id": 7, "chat": [user("add two"), answer("five")]}, None),
    ],
)
def test_the_mapping_in_the_message_works_when_it_is_pasted(
    row: dict[str, Any], columns: None, tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    with pytest.raises(InputError) as error:
        recognize(list(row), columns, row)
    advice = str(error.value).partition("--columns ")[2]
    mapping = advice.partition(" (")[0]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for _ in range(3)))
    command = [
        "score",
        str(file),
        "--model",
        str(model_folder),
        "--embedder",
        str(embedder_folder),
        "--output",
        str(tmp_path / "scored"),
        "--columns",
        mapping,
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output


def test_one_column_cannot_be_two_things() -> None:
    with pytest.raises(InputError, match="'text' cannot be both prompt and completion"):
        recognize(["text"], {"prompt": "text", "completion": "text"})


def test_history_and_system_stand_in_the_alpaca_prompt(embedder_folder: Path) -> None:
    row = ROWS["alpaca with system and history"][0]
    rows = [row, {**row, "history": []}, {**row, "system": ""}, {**row, "history": None}]
    flags = score_rows(rows, embedder_folder)["miwv_flags"]
    assert flags == [[], ["duplicate_prompt"], [], ["duplicate_prompt"]]


def test_a_conversation_keeps_the_first_of_two_system_prompts_and_names_the_other() -> None:
    row = {"system": "be long", **conversation(*[*ROWS["system turn, messages"][0]["messages"]])}
    example = read_example(row, recognize(list(row)), 0)
    assert [turn["content"] for turn in example.conversation] == ["write a poem", "hello"]
    assert example.unread == ("the column 'system', beside a system turn",)


def documented_rows() -> list[str]:
    page = (Path(__file__).parents[3] / "docs" / "choosing-data.md").read_text()
    table = page.partition("## Rows of every shape")[2].partition("\n\nTurns may be written")[0]
    return [line.split(" | ")[-1].strip("`| ") for line in table.splitlines() if '{"' in line]


@pytest.mark.parametrize("text", documented_rows())
def test_every_row_of_the_page_is_read_as_it_says(text: str) -> None:
    row = json.loads(text)
    example = read_example(row, recognize(list(row), None, row), 0)
    assert example.has_response
    assert example.unread == ()
    tokens = ChatPrompts(tokenizer_with(REASONING)).encode([example])[0]
    assert tokens.fault is None
    assert tokens.response


def test_the_page_has_a_row_of_every_shape() -> None:
    rows = [json.loads(text) for text in documented_rows()]
    assert {recognize(list(row)).name for row in rows} == set(REQUIRED_COLUMNS)
    assert len(rows) >= 13
