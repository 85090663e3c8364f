"""Answers of a served model: those that it gives here, asked once, through faults and stops."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answer_server import AnswerServer
from click.testing import CliRunner
from datasets import Dataset
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError
from hf_miwv.__main__ import main
from hf_miwv.common.models.models import LoadedModel
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.judging.answering import answer
from hf_miwv.judging.served_answers import answer_by_endpoint
from tests.miwv.judging.answer_files import KEY

pytest.importorskip("openai")

SHORT: dict[str, Any] = {"max_new_tokens": 6, "progress": False}


def make_loaded() -> LoadedModel:
    return LoadedModel(make_model("llama"), make_tokenizer(chat_template=CHATML), None)


@pytest.fixture
def served() -> Iterator[AnswerServer]:
    server = AnswerServer(make_loaded())
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


def questions(count: int = 9) -> Dataset:
    rows: list[dict[str, Any]] = [{**row, "id": f"r{i}"} for i, row in enumerate(make_rows(count))]
    return Dataset.from_list([*rows, {**rows[0], "id": "again"}])


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("template", "path", "field"),
    [(None, "/v1/completions", "prompt"), ("plain", "/v1/completions", "prompt"), ("chat", "/v1/chat", "messages")],
)
def test_answers_are_those_of_the_model_here(
    template: str | None, path: str, field: str, served: AnswerServer, tmp_path: Path
) -> None:
    local, remote = tmp_path / "local.jsonl", tmp_path / "remote.jsonl"
    loaded = make_loaded()
    loaded.model.generation_config.eos_token_id = served.loaded.model.generation_config.eos_token_id = [30, 31, 32]
    counts = answer(questions(), loaded, local, template=template, **SHORT)
    assert answer_by_endpoint(questions(), served.address, "tiny", remote, template=template, **SHORT) == counts
    assert [{**row, "generator": "tiny"} for row in read(local)] == read(remote)
    assert len(served.asked) == 9  # equal prompts once
    assert all(body["model"] == "tiny" and body["temperature"] == 0 and field in body for body in served.asked)
    assert not workspace_of(remote).exists()


def test_a_stopped_call_asks_nothing_twice(served: AnswerServer, tmp_path: Path) -> None:
    output, whole = tmp_path / "answers.jsonl", tmp_path / "whole.jsonl"
    answer_by_endpoint(questions(), served.address, "tiny", whole, **SHORT)
    served.asked.clear()
    served.script = [(503, {}), (401, {})]  # the first is asked again, and answered
    with pytest.raises(InputError, match=r"OPENAI_API_KEY is not the right one.*answers that were given are kept"):
        answer_by_endpoint(questions(), served.address, "tiny", output, concurrency=2, **SHORT)
    assert not output.exists()
    finished = len((workspace_of(output) / "answers.jsonl").read_text().splitlines())
    assert 0 < finished < 9
    served.asked.clear()
    answer_by_endpoint(questions(), served.address, "tiny", output, **SHORT)
    assert len(served.asked) == 9 - finished
    assert output.read_bytes() == whole.read_bytes()


def test_a_prompt_that_is_refused_is_empty_and_counted(
    served: AnswerServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows, output = questions(), tmp_path / "answers.jsonl"
    served.refused = (rows[3]["instruction"], 400)
    counts = answer_by_endpoint(rows, served.address, "tiny", output, **SHORT)
    assert counts["refused"] == sum(rows[3]["instruction"] in row["instruction"] for row in rows) > 0
    assert {row["output"] for row in read(output) if row["answer_status"] == "refused"} == {""}
    assert "prompts, whose answers are empty; the first with: status 400: " in caplog.text
    served.refused = ("", 413)
    with pytest.raises(InputError, match=r"refuses all 10 prompts; the first with: status 413: .*far too long"):
        answer_by_endpoint(rows, served.address, "tiny", tmp_path / "none.jsonl", **SHORT)
    assert not (tmp_path / "none.jsonl").exists()


def test_a_page_in_place_of_a_completion(served: AnswerServer, tmp_path: Path) -> None:
    served.script = ["html"]
    with pytest.raises(InputError, match=r"answers with something else than a completion \(<html>"):
        answer_by_endpoint(questions(), served.address, "tiny", tmp_path / "a.jsonl", concurrency=1, **SHORT)


def test_the_command(served: AnswerServer, tmp_path: Path) -> None:
    data, output = tmp_path / "prompts.jsonl", tmp_path / "answers.jsonl"
    data.write_text('{"question": "name the capital"}\n')
    words = ["answer", data, "--model", "tiny", "--base-url", served.address, "--max-new-tokens", "5"]
    words += ["--template", "chat", "--request-fields", '{"temperature": null, "seed": 3}', "--output", output]
    done = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (body,) = served.asked
    assert body["max_tokens"] == 5
    assert body["seed"] == 3
    assert "temperature" not in body
    assert served.keys == {f"Bearer {KEY}"}
    (line,) = read(output)
    assert (line["question"], line["generator"]) == ("name the capital", "tiny")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--base-url", "http://127.0.0.1:9/v1", "--dtype", "float32"], "--dtype: not for an endpoint"),
        (["--timeout", "3"], "--timeout: not for a model without --base-url (tiny)"),
        (["--base-url", "ftp://host"], "is no address"),
        (["--base-url", "http://127.0.0.1:9/v1", "--request-fields", "3"], "give an object"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, tmp_path: Path) -> None:
    data = tmp_path / "prompts.jsonl"
    data.write_text('{"question": "name the capital"}\n')
    words = ["answer", str(data), "--model", "tiny", "--output", str(tmp_path / "out.jsonl"), *options]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
