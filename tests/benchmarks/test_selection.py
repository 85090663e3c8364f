"""The experiment of benchmarks/selection.py, run small as a real process on a tiny model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import make_rows

pytest.importorskip("trl")
pytest.importorskip("peft")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "selection.py"


@pytest.mark.slow
def test_the_experiment_runs_small_and_goes_on_where_it_stopped(
    tmp_path: Path, model_folder: Path, embedder_folder: Path
) -> None:
    rows = make_rows(40)
    for name, part in (("one", rows[:22]), ("two", rows[18:])):  # four rows are in both
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    command = [
        sys.executable,
        str(SCRIPT),
        "--data",
        str(tmp_path / "one.json"),
        str(tmp_path / "two.json"),
        "--output",
        str(tmp_path / "out"),
        "--fraction",
        "0.2",
        "--steps",
        "2",
        "--batch",
        "2",
        "--seeds",
        "1",
        "--max-length",
        "400",
        "--model",
        str(model_folder),
        "--embedder",
        str(embedder_folder),
    ]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr[-2000:]
    lines = [line for line in first.stdout.splitlines() if line.startswith("| ")]
    arms = ("untuned", "miwv", "ifd", "perplexity", "miwv_low", "random 0")
    assert [line.split(" | ")[0] for line in lines[1:]] == [f"| {arm}" for arm in arms for _ in "abc"]
    adapter = tmp_path / "out" / "miwv" / "adapter_model.safetensors"
    made = adapter.stat().st_mtime_ns
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == first.stdout
    more = [
        "--scored",
        str(tmp_path / "out" / "scored"),
        "--output",
        str(tmp_path / "more"),
        "--tuning",
        "full",
        "--epochs",
        "0.5",
        "--all-rows",
    ]
    done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
    assert "full tuning, 2 steps of 2 rows" in done.stdout
    assert "| all rows | all |" in done.stdout
    assert json.loads((tmp_path / "more/all-rows/run.json").read_text())["rows"]["chosen"] > 20
    assert adapter.stat().st_mtime_ns == made
