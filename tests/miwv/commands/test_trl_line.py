"""The line at the end of `select`: pasted, it trains on the chosen rows by TRL's own script."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import load_dataset
from tiny import make_rows

from hf_miwv.__main__ import main
from hf_miwv.commands.train_elsewhere import train_elsewhere

pytest.importorskip("trl")

from trl_lines import run_trl_line

ROW = {"prompt": "a", "completion": "b"}
RUN: dict[str, Any] = {
    "data": {"shape": "prompt_completion", "columns": {"prompt": "prompt", "completion": "completion"}},
    "model": {"source": "owner/name", "revision": None},
    "selection": {"method": "miwv", "seed": 0},
    "template": {"name": "chat"},
}


def as_alpaca(row: dict[str, str]) -> dict[str, Any]:
    return row


def as_messages(row: dict[str, str]) -> dict[str, Any]:
    turns = [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
    return {"messages": turns}


def as_texts(row: dict[str, str]) -> dict[str, Any]:
    return {"prompt": row["instruction"] + "\n", "completion": row["output"]}


@pytest.mark.parametrize(("shape", "rewritten"), [(as_alpaca, True), (as_messages, True), (as_texts, False)])
def test_the_line_trains_on_the_chosen_rows(
    shape: Any,
    rewritten: bool,
    model_folder: Path,
    embedder_folder: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "hf_miwv")
    data, chosen = tmp_path / "rows.jsonl", tmp_path / "the chosen"
    data.write_text("".join(json.dumps(shape(row)) + "\n" for row in make_rows()))
    models = ["--model", str(model_folder), "--embedder", str(embedder_folder)]
    words = ["select", str(data), *models, "--count", "4", "--output", str(chosen)]
    assert CliRunner().invoke(main, words).exit_code == 0
    *rewrite, line = caplog.messages[-1].split("\n", 1)[1].strip().split(" && ")
    assert bool(rewrite) == rewritten
    if rewrite:
        command = shlex.split(rewrite[0])
        done = CliRunner().invoke(main, command[command.index("select") :])
        assert done.exit_code == 0, done.output
    script, _ = run_trl_line(line)
    rows = load_dataset(script.dataset_name, name=script.dataset_config)[script.dataset_train_split]
    assert rows["row"] == load_dataset(str(chosen), split="train")["row"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "trl sft --model_name_or_path owner/name --dataset_name chosen "),
        ({"model": {"source": "owner/name", "revision": "v1"}}, " --model_revision v1 "),
        ({"scored_run": {"trainer": {"max_length": 2048}}}, " --max_length 2048 "),
        ({"model": {"source": "tiny.gguf"}}, "TRL does not train GGUF weights"),
        (
            {"data": {"shape": "alpaca", "columns": {}}},
            "--fraction 1 --method miwv --prompt-completion --output chosen-for-trl && ",
        ),
        (
            {
                "data": {"shape": "alpaca", "columns": {}},
                "selection": {"method": "random", "seed": 3, "include_undesired": True},
            },
            "--method random --seed 3 --include-undesired --prompt-completion",
        ),
        (
            {"data": {"shape": "alpaca", "columns": {}}, "template": {"name": "x.jinja", "sha256": ""}},
            "no line for TRL: the rows were scored with the template x.jinja",
        ),
    ],
)
def test_what_the_line_says(changes: dict[str, Any], expected: str) -> None:
    assert expected in str(train_elsewhere(ROW, {**RUN, **changes}, Path("chosen")))


def test_of_an_unknown_scoring_nothing_is_said() -> None:
    assert train_elsewhere(ROW, {**RUN, "model": None}, Path("chosen")) is None
