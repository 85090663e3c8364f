"""benchmarks/translation.py and translation_gpu.py, small, on tiny models: do they measure?"""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Lines in English and German."""
    path = tmp_path / "lines.jsonl"
    words = ["name", "the", "capital", "of", "france", "and", "add", "two", "colors", "flag"]
    with path.open("w") as file:
        for count in range(1, 11):
            pair = {"en": " ".join(words[:count]), "de": " ".join(words[-count:])}
            file.write(json.dumps({"translation": pair}) + "\n")
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A script with its words."""

    def script(name: str, *words: str | Path) -> None:
        monkeypatch.setattr(sys, "argv", [name, *map(str, words)])
        runpy.run_path(str(BENCHMARKS / name), run_name="__main__")

    return script


def cells_of(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
def test_arms_in_processes_of_their_own_write_the_same(
    data: Path, model_folder: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--directions", "en-de,de-en", "--lines", "6", "--new-tokens", "5"]
    run("translation.py", "--data", data, "--model", model_folder, *words)
    out, err = capsys.readouterr()
    rows = {row[0]: row[1:] for row in cells_of(out.splitlines()[4:])}
    assert list(rows)[:3] == ["hf_lmt, float32", "hf_lmt, bfloat16", "transformers' generate, float32"]
    assert {rows[name][4] for name in ("hf_lmt, float32", "transformers' generate, float32")} == {"6 of 6"}
    assert rows["CTranslate2, int8"][0] == "left out: no Python given for it"
    assert rows["vLLM, float32"][0] == "left out: no Python given for it"
    assert "hf_lmt, bfloat16: " in err


def test_dry_run_of_the_gpu_prints_a_table(
    data: Path, model_folder: Path, run: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--directions", "en-de", "--few", "5", "--lines", "8", "--new-tokens", "6"]
    run("translation_gpu.py", "--dry-run", "--data", data, "--tokenizer", model_folder, *words)
    head, _, titles, rule, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("CPU, shrunken; torch ")
    assert head.endswith("; shape of Qwen3-0.6B, random bf16 weights; 6 new tokens in each line")
    assert titles.count("|") == rule.count("|") == 9
    cells = cells_of(lines)
    arms = [("authors' way", "5"), ("hf_lmt", "5"), ("hf_lmt", "8")]
    assert [tuple(row[:3]) for row in cells] == [(search, *arm) for search in ("beam 5", "greedy") for arm in arms]
    for first, *others in (cells[:3], cells[3:]):
        for row in (first, *others):
            count, seconds = int(row[2]), float(row[3])  # written to two places
            slowest, fastest = count / (seconds + 0.006), count / max(seconds - 0.006, 1e-9)
            assert 0.99 * slowest < float(row[4]) < 1.01 * fastest
            assert float(row[6]) == pytest.approx(float(row[4]) / float(first[4]), rel=0.02)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dry-run", "--directions", "en-kk"], "no lines in en-kk; give other --directions"),
        (["--dry-run", "--few", "0"], "--few, --lines and --new-tokens: give 1 or more"),
        pytest.param(
            [],
            "no GPU here; --dry-run runs the same code",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here"),
        ),
    ],
)
def test_what_is_refused(
    words: list[str],
    message: str,
    data: Path,
    model_folder: Path,
    run: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        run("translation_gpu.py", "--data", data, "--tokenizer", model_folder, *words)
    assert left.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
