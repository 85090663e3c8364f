"""benchmarks/directions.py: two arms on a tiny model, from rows to table; what it refuses."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, make_model, make_tokenizer

pytest.importorskip("trl")
pytest.importorskip("peft")
pytest.importorskip("sacrebleu")


@pytest.fixture
def benchmark() -> Any:
    import directions

    return directions


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen3 whose turns end with its end-of-sequence token."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = make_tokenizer(bos=False, chat_template=CHATML)
    tokenizer.eos_token = "<|im_end|>"
    made = make_model("qwen3")
    made.generation_config.eos_token_id = tokenizer.eos_token_id
    made.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def run(benchmark: Any, monkeypatch: pytest.MonkeyPatch, output: Path, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["directions.py", "--output", str(output), *words])
    benchmark.main()


@pytest.mark.slow
def test_arms_differ_by_their_rows_and_end_in_one_table(
    benchmark: Any,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shared = [
        "--model",
        str(model),
        "--languages",
        "en,zh,de,nl",
        "--lines",
        "6",
        "--steps",
        "4",
        "--batch",
        "4",
        "--evaluations",
        "2",
        "--per-direction",
        "1",
        "--max-new-tokens",
        "4",
    ]
    run(benchmark, monkeypatch, tmp_path, *shared, "--arm", "rate=1,hints=off")
    run(benchmark, monkeypatch, tmp_path, *shared, "--arm", "rate=0,hints=on,seed=1")
    names = ["rate=0,hints=on,seed=1", "rate=1,hints=off,seed=0"]
    found = [json.loads((tmp_path / "results" / f"{name}.json").read_text()) for name in names]
    assert [one["rows"]["rows"] for one in found] == [6 * 6, 6 * 10]  # forward; all directions
    assert {one["steps"] for one in found} == {4}
    assert not list((tmp_path / "models").iterdir())
    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split(" | ")[0].strip("| ") for line in lines[2:]] == names
    with open(tmp_path / "curves.csv", encoding="utf-8") as file:
        points = list(csv.DictReader(file))
    for name in names:
        for group in ("en2x", "x2en", "zh2x", "x2zh"):
            own = [int(p["step"]) for p in points if (p["arm"], p["measure"], p["group"]) == (name, "chrf", group)]
            assert own == [0, 2, 4]
    starts = {p["value"] for p in points if p["measure"] == "loss" and p["group"] == "en2x" and p["step"] == "0"}
    assert len(starts) == 1  # the same model on the same rows
    assert (tmp_path / "curves.png").stat().st_size > 10_000

    monkeypatch.setattr(benchmark, "train", None)  # nothing is trained twice
    run(benchmark, monkeypatch, tmp_path, *shared, "--arm", "rate=1,hints=off")
    assert capsys.readouterr().out.splitlines()[-2:] == lines[2:]
    with pytest.raises(SystemExit):
        run(benchmark, monkeypatch, tmp_path, *shared, "--batch", "8", "--arm", "rate=1,hints=off")
    assert "another comparison (not the same: batch)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--arm", "rate=2,hints=on"], "an arm is rate=SHARE,hints=on|off[,seed=NUMBER]"),
        (["--rates", "0.1,much"], "an arm is rate=SHARE"),
        (["--languages", "en,zh,xx"], "--languages xx: the table has ar, en, es, de"),
        (["--data", "nowhere.parquet"], "nowhere.parquet: no such file or folder"),
    ],
)
def test_what_is_refused(
    words: list[str],
    message: str,
    benchmark: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as left:
        run(benchmark, monkeypatch, tmp_path / "out", "--model", "m", *words)
    assert left.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_watched_directions_have_a_pivot_on_a_side(benchmark: Any) -> None:
    found = benchmark.watched(benchmark.argparse.Namespace(watch="de,zh"))
    assert found == ["en-zh", "zh-en", "en-de", "de-en", "zh-de", "de-zh"]
