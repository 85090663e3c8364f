"""A trial by `accelerate launch`: two processes tune and measure together what one does alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from tiny import make_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"),
]
ROOT = Path(__file__).parents[3]
TWO_PROCESSES = [
    "-m",
    "accelerate.commands.launch",
    "--config_file",
    str(ROOT / "recipes" / "accelerate" / "cpu.yaml"),
]


def run_trial(folder: Path, output: str, launcher: list[str], batch: int, model: Path, embedder: Path) -> Any:
    command = [
        *(sys.executable, *launcher, "-m", "hf_miwv", "trial", str(folder / "rows.jsonl")),
        *("--model", str(model), "--embedder", str(embedder), "--methods", "miwv,random", "--fraction", "0.5"),
        *("--seeds", "2", "--held-out", "0.3", "--num-train-epochs", "1", "--max-length", "256", "--lora-r", "2"),
        *("--per-device-train-batch-size", str(batch), "--device", "cpu", "--output", str(folder / output)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / output / "run.json").read_text())


def test_two_processes_measure_what_one_does(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in make_rows(24)))
    alone = run_trial(tmp_path, "alone", [], 4, model_folder, embedder_folder)
    both = run_trial(tmp_path, "both", TWO_PROCESSES, 2, model_folder, embedder_folder)
    assert both["identity"]["processes"] == 2
    tables = [load_dataset(str(tmp_path / name), split="train").to_pandas() for name in ("alone", "both")]
    assert tables[0]["row"].tolist() == tables[1]["row"].tolist()
    assert tables[1]["loss_untuned"].to_numpy() == pytest.approx(tables[0]["loss_untuned"].to_numpy(), abs=1e-5)
    for name, arm in both["arms"].items():
        assert [part["rows"] for part in arm["trainings"]] == [
            part["rows"] for part in alone["arms"][name]["trainings"]
        ]
        assert [part["steps"] for part in arm["trainings"]] == [
            part["steps"] for part in alone["arms"][name]["trainings"]
        ]
        for seed in range(2):
            # Tuned, and close to what one process gives: the same rows in other batches.
            column = f"loss_{name}_{seed}"
            assert abs(tables[1][column] - tables[1]["loss_untuned"]).max() > 0
            assert tables[1][column].mean() == pytest.approx(tables[0][column].mean(), abs=0.05)
    assert not list((tmp_path / "both").rglob("*.safetensors"))
    assert not (tmp_path / "both.work").exists()
