"""Chosen rows as prompt and completion, which TRL reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from scored_folder import write_scored

from hf_miwv import InputError, select
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.prompts.text_template import TextTemplate
from hf_miwv.rows.schema import Shape, recognize
from hf_miwv.selection.prompt_completion import as_prompt_completion, is_prompt_completion

CHAT = {"name": "chat", "sha256": "x"}
ALPACA = {"name": "alpaca", "sha256": TextTemplate("alpaca").sha256}
USER, ANSWER = {"role": "user", "content": "Rain?"}, {"role": "assistant", "content": "Yes."}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}


def written(rows: list[dict[str, Any]], template: dict[str, str], **columns: str) -> tuple[Dataset, Shape]:
    return as_prompt_completion(Dataset.from_list(rows), recognize(list(rows[0]), columns), template)


@pytest.mark.parametrize(
    ("row", "prompt", "completion"),
    [
        ({"messages": [USER, ANSWER]}, [USER], [ANSWER]),
        ({"messages": [USER, ANSWER, USER, ANSWER]}, [USER, ANSWER, USER], [ANSWER]),
        ({"conversations": [{"from": "human", "value": "Rain?"}, {"from": "gpt", "value": "Yes."}]}, [USER], [ANSWER]),
        (
            {"system": "Be brief.", "messages": [USER, ANSWER]},
            [{"role": "system", "content": "Be brief."}, USER],
            [ANSWER],
        ),
        ({"instruction": "Rain?", "input": "", "output": "Yes."}, [USER], [ANSWER]),
        ({"prompt": "Rain?", "chosen": "Yes.", "rejected": "No."}, [USER], [ANSWER]),
    ],
)
def test_under_a_chat_template_rows_become_turns(row: dict[str, Any], prompt: Any, completion: Any) -> None:
    rows, shape = written([{**row, "id": 7}], CHAT)
    assert rows[0]["prompt"] == prompt
    assert rows[0]["completion"] == completion
    assert rows[0]["id"] == 7
    assert is_prompt_completion(rows[0], shape)
    assert recognize(rows.column_names).columns == shape.columns


def test_under_a_text_template_rows_become_texts() -> None:
    rows, shape = written([{"instruction": "Add.", "input": "2, 3", "output": "5"}], ALPACA)
    assert rows.column_names == ["prompt", "completion"]
    assert rows[0]["prompt"].endswith("### Input:\n2, 3\n\n### Response:")
    assert rows[0]["completion"] == "5"
    assert is_prompt_completion(rows[0], shape)


def test_turns_with_other_keys_and_tools_arrive_as_they_are() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    conversations = [{"messages": [USER, turn], "functions": tools} for turn in (ANSWER, CALL)]
    scored = as_prompt_completion(
        Dataset.from_list(conversations, on_mixed_types="use_json"),
        recognize(["messages", "functions"], {"tools": "functions", "messages": "messages"}),
        CHAT,
    )
    rows = scored[0]
    assert rows["tools"][0] == tools
    assert rows[0]["completion"] == [ANSWER]
    assert rows[1]["completion"] == [CALL]


def test_a_jinja_file_is_refused() -> None:
    with pytest.raises(InputError, match=r"the template mine\.jinja, whose text .* leave out --prompt-completion"):
        written([{"prompt": "a", "completion": "b"}], {"name": "mine.jinja", "sha256": "x"})


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"prompt": [{"from": "human", "value": "a"}], "completion": [{"from": "gpt", "value": "b"}]}, {}),
        ({"question": "a", "answer": "b"}, {"prompt": "question", "completion": "answer"}),
        ({"messages": [USER, ANSWER]}, {}),
    ],
)
def test_rows_that_trl_does_not_read(row: dict[str, Any], columns: dict[str, str]) -> None:
    assert not is_prompt_completion(row, recognize(list(row), columns))


def test_select_writes_them_and_records_their_shape(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {n}.", "input": "", "output": str(n)} for n in range(4)]
    scored = write_scored(tmp_path / "scored", rows, [0.1, 0.4, 0.2, 0.3])
    with pytest.raises(InputError, match="template"):  # the made-up record has another digest
        select(scored, count=2, prompt_completion=True)
    with pytest.raises(InputError, match=r"no run\.json says how they were scored"):
        select(load_dataset(str(scored), split="train"), count=2, prompt_completion=True)
    run = read_record(scored)
    assert run is not None
    run["template"] = ALPACA
    (scored / "run.json").write_text(json_text(run))
    chosen = select(scored, count=2, prompt_completion=True, output_dir=tmp_path / "chosen")
    assert chosen["completion"][:] == ["1", "3"]
    assert load_dataset(str(tmp_path / "chosen"), split="train")["completion"][:] == ["1", "3"]
    record = read_record(tmp_path / "chosen")
    assert record is not None
    assert record["data"]["shape"] == "prompt_completion"
    assert record["selection"]["prompt_completion"] is True
    again = select(tmp_path / "chosen", count=1)
    assert again["prompt"][0].endswith("Say 1.\n\n### Response:")
