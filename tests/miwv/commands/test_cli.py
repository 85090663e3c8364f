"""The command line: what is typed, what is refused, with which message and exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from datasets import load_dataset
from tiny import make_rows

from hf_miwv.__main__ import main


def invoke(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(result: Result, message: str) -> None:
    """Exit code 2, a message, no traceback."""
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split()), result.output
    assert "Traceback" not in result.output


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in make_rows()))
    return path


@pytest.fixture
def models(model_folder: Path, embedder_folder: Path) -> list[object]:
    return ["--model", model_folder, "--embedder", embedder_folder]


def test_score_then_select(data: Path, models: list[object], tmp_path: Path) -> None:
    scored, chosen = tmp_path / "scored", tmp_path / "chosen"
    result = invoke("score", data, *models, "--output", scored)
    assert result.exit_code == 0, result.output
    assert "high = weak = keep" in " ".join(result.output.split())
    result = invoke("select", scored, "--fraction", "0.25", "--output", chosen)
    assert result.exit_code == 0, result.output
    assert len(load_dataset(str(chosen), split="train")) == 6


def test_select_in_one_go_equals_two_steps(data: Path, models: list[object], tmp_path: Path) -> None:
    assert invoke("score", data, *models, "--output", tmp_path / "scored").exit_code == 0
    assert invoke("select", tmp_path / "scored", "--count", 4, "--output", tmp_path / "two").exit_code == 0
    result = invoke("select", data, *models, "--count", 4, "--output", tmp_path / "one")
    assert result.exit_code == 0, result.output
    one, two = (load_dataset(str(tmp_path / name), split="train") for name in ("one", "two"))
    assert one.to_list() == two.to_list()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "rows.jsonl", "scored", "two"]


def test_one_go_replaces_the_scored_part_of_another_run(data: Path, models: list[object], tmp_path: Path) -> None:
    scored, one = tmp_path / "one.work" / "scored", tmp_path / "one"
    words = ["score", data, *models, "--max-length", 150, "--output", scored]
    assert invoke(*words).exit_code == 0
    result = invoke("select", data, *models, "--count", 4, "--output", one)
    assert result.exit_code == 0, result.output
    assert json.loads((one / "run.json").read_text())["settings"]["max_length"] == 512
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "rows.jsonl"]


def test_python_minus_m_does_the_same(data: Path, models: list[object], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hf_miwv", "score", data, *models, "--output", tmp_path / "s"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"written: {tmp_path / 's'}" in done.stderr
    assert (tmp_path / "s" / "README.md").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scor", "DATA"], "no such command 'scor': did you mean 'score'?"),
        (["score", "DATA", "--modle", "x"], "--modle"),
        (["score", "DATA", "--output", "OUT"], "Missing option '--model'"),
        (["score", "DATA", "--model", "MODEL", "--output", "OUT", "--dtype", "fp32"], "'float32'"),
        (["select", "DATA", "--output", "OUT"], "give one of --fraction, --count and --threshold"),
        (["select", "DATA", "--output", "OUT", "--fraction", "1.5"], "outside (0, 1]"),
        (["select", "DATA", "--output", "OUT", "--fraction", "0.1", "--count", "3"], "got --fraction and --count"),
        (["select", "DATA", "--output", "OUT", "--count", "3"], "no column row, miwv"),
        (
            ["select", "DATA", "--output", "OUT", "--count", "3", "--dtype", "float32"],
            "--dtype: for scoring; give --model too",
        ),
        (["score", "MISSING.jsonl", "--model", "MODEL", "--output", "OUT"], "no such file or folder"),
        (["score", "DATA", "--model", "./nowhere", "--output", "OUT"], "model './nowhere': no such folder"),
        (
            ["score", "DATA", "--model", "owner/name", "--output", "OUT"],
            "model 'owner/name' cannot be loaded: it is not in the local cache and the Hub cannot be",
        ),
        (
            ["score", "DATA", "--model", "MODEL", "--embedder", "owner/name", "--output", "OUT"],
            "embedder 'owner/name' cannot be loaded: it is not in the local cache",
        ),
        (["score", "DATA", "--model", "EMBEDDER", "--output", "OUT"], "is no causal language model"),
        (
            ["score", "DATA", "--model", "MODEL", "--output", "OUT", "--device", "tpu9"],
            "device 'tpu9' cannot be used here",
        ),
        (["score", "DATA", "--model", "MODEL", "--output", "OUT", "--columns", "promt=a"], "did you mean 'prompt'"),
        (["score", "DATA", "--model", "MODEL", "--output", "OUT", "--revision", "v1"], "--revision v1: neither"),
        (
            ["score", "o/d", "--model", "o/m", "--output", "OUT", "--revision", "v1"],
            "give --data-revision or --model-revision",
        ),
        (
            ["score", "o/d@v1", "--model", "MODEL", "--output", "OUT", "--data-revision", "v2"],
            "o/d@v1: names another revision than --revision v2; give one",
        ),
        (
            ["select", "o/d@v1", "--output", "OUT", "--count", "3", "--data-revision", "v2"],
            "o/d@v1: names another revision than --revision v2; give one",
        ),
        (
            ["score", "o/d@v1", "--model", "MODEL", "--output", "OUT", "--revision", "v2"],
            "o/d@v1: names another revision than --revision v2; give one",
        ),
        (
            ["score", "DATA", "--model", "o/m@v1", "--output", "OUT", "--model-revision", "v2"],
            "o/m@v1: names another revision than --revision v2; give one",
        ),
        (
            ["score", "DATA", "--model", "MODEL", "--output", "OUT", "--template", "x.jinja"],
            "template 'x.jinja' cannot be read",
        ),
    ],
)
def test_what_is_refused(words: list[str], message: str, data: Path, models: list[Any], tmp_path: Path) -> None:
    places = {"DATA": data, "MODEL": models[1], "EMBEDDER": models[3], "OUT": tmp_path / "out"}
    words = [str(places.get(word, word)) for word in words]
    if "--embedder" not in words and words[0] == "score" and "--model" in words:
        words += ["--embedder", str(models[3])]
    refused(invoke(*words), message)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rows.jsonl"]  # nothing half-written


def test_a_mistyped_option_is_answered_with_the_right_one(data: Path) -> None:
    output = invoke("score", data, "--modle", "x").output
    assert "Did you mean" in output
    assert "'--model'" in output


def test_settings_from_yaml(data: Path, models: list[object], tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"model: {models[1]}\nembedder: {models[3]}\nmax-length: 200\nbatch_tokens: 512\n")
    output = tmp_path / "scored"
    result = invoke("score", data, "--settings", file, "--batch-tokens", 1024, "--output", output)
    assert result.exit_code == 0, result.output
    settings = json.loads((output / "run.json").read_text())["settings"]
    assert (settings["max_length"], settings["batch_tokens"]) == (200, 1024)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("modle: x\n", ["unknown key 'modle': did you mean 'model'?"]),
        (
            "modle: x\nsplit: no\noverwrite: maybe\ncolumns: [a]\n",
            [
                "unknown key 'modle'",
                "split: YAML reads this word as False; put it in quotes",
                "overwrite: 'maybe' is not true or false",
                "columns: give one value, not ['a']",
            ],
        ),
        ("model: [", ["is not YAML"]),
        ("- a\n", ["give a mapping"]),
    ],
)
def test_faults_in_settings_are_told_together(text: str, messages: list[str], data: Path, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    result = invoke("score", data, "--settings", file, "--model", "x", "--output", tmp_path / "o")
    for message in messages:
        refused(result, message)


def test_help_is_quick_and_needs_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from hf_miwv.__main__ import main\n"
        "for words in ([], ['--help'], ['score', '--help'], ['select', '--help']):\n"
        "    print(CliRunner().invoke(main, words).output)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'numpy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "high = weak = keep" in " ".join(done.stdout.split())
