"""A model's answers to prompts: greedy, token for token; killed, the same bytes in the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from datasets import Dataset
from plain import plain_alpaca
from tiny import CHATML, THINKING, make_model, make_rows, make_tokenizer

from hf_miwv import InputError
from hf_miwv.commands.answer import answer_command
from hf_miwv.common.models.generation import plan_batches
from hf_miwv.common.models.models import LoadedModel
from hf_miwv.common.runs.folder import check_file, put_file_in_place
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.judging.answer_pairs import pair_answers, read_answers
from hf_miwv.judging.answering import answer
from hf_miwv.judging.generation import generate, prompt_ids
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.rows.examples import Example


def loaded(kind: str = "llama", **tokenizer: Any) -> LoadedModel:
    return LoadedModel(make_model(kind), make_tokenizer(**tokenizer), None)


@torch.no_grad()
def plain_generation(model: Any, prompt: list[int], count: int, end: int) -> list[int]:
    """One row, no cache, no padding: the most probable next token, again and again."""
    ids = list(prompt)
    while len(ids) < len(prompt) + count and (len(ids) == len(prompt) or ids[-1] != end):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_a_padded_batch_writes_what_each_row_alone_would(kind: str) -> None:
    model, tokenizer, _ = loaded(kind)
    prompts = [tokenizer(row["instruction"])["input_ids"] for row in make_rows(5)]
    alone = [plain_generation(model, prompt, 12, tokenizer.eos_token_id) for prompt in prompts]
    end = alone[1][4]  # made the end token, so that some answers end and others are cut
    model.generation_config.eos_token_id = [end]
    ends = {end, tokenizer.eos_token_id}
    written = generate(model, tokenizer, prompts, 12)
    for ids, (text, status) in zip(alone, written, strict=True):
        length = next((place for place, token in enumerate(ids) if token in ends), None)
        assert text == tokenizer.decode(ids[:length], skip_special_tokens=True).strip()
        assert status == ("cut" if length is None else "complete")
    assert {answer.status for answer in written} == {"complete", "cut"}


def test_sampling_settings_of_a_checkpoint_do_not_count() -> None:
    model, tokenizer, _ = loaded()
    prompts = [tokenizer("add two and three")["input_ids"]]
    greedy = generate(model, tokenizer, prompts, 12)
    model.generation_config.update(do_sample=True, temperature=9.0, repetition_penalty=3.0)
    assert generate(model, tokenizer, prompts, 12) == greedy
    assert model.generation_config.temperature == 9.0


@pytest.mark.parametrize(
    ("lengths", "tokens", "expected"),
    [
        ([3, 9, 5, 9], 1000, [[1, 3, 2, 0]]),
        ([3, 9, 5, 9], 38, [[1, 3], [2, 0]]),
        ([3, 9, 5, 9], 1, [[1], [3], [2], [0]]),
        ([], 10, []),
    ],
)
def test_batches(lengths: list[int], tokens: int, expected: list[list[int]]) -> None:
    assert plan_batches(lengths, [10] * len(lengths), 1, tokens) == expected


@pytest.mark.parametrize(
    ("template", "chat_template", "expected"),
    [
        ("alpaca", None, plain_alpaca({"instruction": "hello", "input": "world"})),
        ("plain", None, "hello\n\nworld"),
        ("chat", CHATML, "<|im_start|>user\nhello\n\nworld<|im_end|>\n<|im_start|>assistant\n"),
        (
            "chat",
            THINKING,
            "<|im_start|>user\nhello\n\nworld<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
    ],
)
def test_the_prompt_is_the_one_of_scoring(template: str, chat_template: str | None, expected: str) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=chat_template)
    prompts = choose_prompts(template, tokenizer, "alpaca", False)
    example = Example("hello", "world", None, "")
    assert tokenizer.decode(prompt_ids(prompts, [example])[0]) == expected
    scored = prompts.encode([Example("hello", "world", None, "a real answer")])[0].prompt
    assert prompt_ids(prompts, [example]) == [scored]


def test_the_file_can_be_judged_and_a_stopped_call_goes_on(tmp_path: Path) -> None:
    rows = [{**row, "id": f"r{i}", "source": "set"} for i, row in enumerate(make_rows(9))]
    rows.append({"instruction": "hello " * 600, "input": "", "output": "", "id": "x", "source": ""})
    rows.append({**rows[0], "id": "again"})
    data = Dataset.from_list(rows)
    settings = {"max_new_tokens": 6, "batch_tokens": 400, "progress": False}
    whole, stopped = tmp_path / "whole.jsonl", tmp_path / "stopped.jsonl"
    counts = answer(data, loaded(), whole, **settings)
    assert counts["prompt_too_long"] == 1
    assert counts["complete"] + counts["cut"] == 10
    written = [json.loads(line) for line in whole.read_text().splitlines()]
    assert [row["id"] for row in written] == [row["id"] for row in rows]
    assert written[0]["instruction"] == rows[0]["instruction"]
    assert written[9]["output"] == ""
    assert written[10]["output"] == written[0]["output"]
    assert list(written[1]) == ["id", "source", "instruction", "input", "output", "generator", "answer_status"]
    assert len(pair_answers(read_answers(whole), read_answers(whole)).pairs) == 11

    model = loaded()
    calls = []
    inside = model.model.generate

    def stops(**given: Any) -> Any:
        calls.append(len(given["input_ids"]))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return inside(**given)

    model.model.generate = stops
    with pytest.raises(KeyboardInterrupt):
        answer(data, model, stopped, **settings)
    assert not stopped.exists()
    batches = len((workspace_of(stopped) / "answers.jsonl").read_text().splitlines())
    assert batches == 2
    answer(data, model, stopped, **settings)
    assert stopped.read_bytes() == whole.read_bytes()
    assert not workspace_of(stopped).exists()
    assert sum(calls) == 9 + calls[2]  # equal prompts once; only the stopped batch twice


@pytest.mark.parametrize(
    ("row", "options", "words"),
    [
        ({"x": "hello"}, {}, r"data: row 0: no prompt; give it as one of .* \(found: x\)"),
        ({"prompt": "hello", "id": 1.5}, {}, "column id must be a string or a whole number"),
        ({"prompt": "hello"}, {"template": "chat"}, "has no chat template"),
        (
            {"prompt": "hello"},
            {"max_new_tokens": 512},
            "leaves no room for a prompt in the model's",
        ),
        ({"prompt": "hello"}, {"max_new_tokens": 0}, "leaves no answer; give 1 or more"),
    ],
)
def test_what_cannot_be_answered(tmp_path: Path, row: dict[str, Any], options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        answer(Dataset.from_list([row]), loaded(), tmp_path / "a.jsonl", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_template_that_fails_is_told_with_the_row_and_its_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text("{{ instruction }}\n{{ 1 / (instruction | length - 2) }}")
    rows = Dataset.from_list([{"prompt": "hello"}, {"prompt": "ab"}])
    with pytest.raises(InputError, match=r"data: row 1: .*division by zero \(line 2 of the temp"):
        answer(rows, loaded(), tmp_path / "a.jsonl", template=str(file))


def test_the_command(tmp_path: Path, model_folder: Path) -> None:
    data = tmp_path / "prompts.jsonl"
    data.write_text('{"question": "name the capital"}\n{"question": "add two and three"}\n')
    output = tmp_path / "answers.jsonl"
    words = [
        str(data),
        "--model",
        str(model_folder),
        "--template",
        "chat",
        "--device",
        "cpu",
        "--max-new-tokens",
        "5",
        "--output",
        str(output),
    ]
    done = CliRunner().invoke(answer_command, words, catch_exceptions=False)
    assert done.exit_code == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["question"] for line in lines] == ["name the capital", "add two and three"]
    assert {line["generator"] for line in lines} == {model_folder.name}
    with pytest.raises(InputError, match="is there already"):
        CliRunner().invoke(answer_command, words, catch_exceptions=False)
    onto_itself = [*words[:-1], str(data), "--overwrite"]
    with pytest.raises(InputError, match="is the input; give another file"):
        CliRunner().invoke(answer_command, onto_itself, catch_exceptions=False)


def test_an_unknown_format_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="output format 'alpaca' is not one of ours: did you mean 'alpaca_eval'"):
        answer(Dataset.from_list([{"prompt": "a"}]), loaded(), tmp_path / "answers.json", output_format="alpaca")


def test_alpaca_eval_reads_one_list(tmp_path: Path, model_folder: Path) -> None:
    data, output = tmp_path / "prompts.jsonl", tmp_path / "outputs.json"
    data.write_text(
        '{"instruction": "add", "input": "two, three", "set": "sums"}\n{"instruction": "name the capital"}\n'
    )
    words = [str(data), "--model", str(model_folder), "--device", "cpu", "--max-new-tokens", "3"]
    words += ["--format", "alpaca_eval", "--output", str(output)]
    assert CliRunner().invoke(answer_command, words, catch_exceptions=False).exit_code == 0
    entries = json.loads(output.read_text())
    assert [entry["instruction"] for entry in entries] == ["add\n\ntwo, three", "name the capital"]
    assert [entry["dataset"] for entry in entries] == ["sums", "outputs"]
    assert all(entry.keys() == {"dataset", "instruction", "output", "generator"} for entry in entries)


def test_killed_behind_the_rename_the_same_command_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, command_line = tmp_path / "answers.jsonl", ["hf-miwv", "answer", "rows.jsonl"]
    workspace = Workspace(workspace_of(output))
    part = workspace.folder / "answers.part"
    part.write_text("{}\n")
    put_file_in_place(part, output, workspace, command_line)
    workspace._lock.release()  # as a kill does, which leaves the folder
    check_file(output, overwrite=False, command_line=command_line)
    with pytest.raises(InputError, match="is there already"):
        check_file(output, overwrite=False, command_line=[*command_line, "--max-new-tokens", "5"])
    shutil.rmtree(workspace.folder)
    with pytest.raises(InputError, match="is there already"):
        check_file(output, overwrite=False, command_line=command_line)
