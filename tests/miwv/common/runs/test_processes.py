"""Two real processes give what one gives, and resume by themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import load_dataset
from killing import kill_launch
from tiny import make_rows

from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import workspace_of

LAUNCH = Path(__file__).parents[4] / "recipes" / "accelerate" / "cpu.yaml"


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_everything_is_dealt_once_and_evenly(world: int) -> None:
    sizes = np.random.default_rng(0).integers(1, 50, 200)
    shares = [Processes(rank, world).deal(sizes) for rank in range(world)]
    assert sorted(np.concatenate(shares).tolist()) == list(range(200))
    totals = [int(sizes[share].sum()) for share in shares]
    assert max(totals) - min(totals) <= 50


def command(data: Path, models: list[str], output: Path, processes: int = 2) -> list[str]:
    words = [
        "-m",
        "hf_miwv",
        "score",
        str(data),
        *models,
        "--device",
        "cpu",
        "--batch-tokens",
        "700",
        "--output",
        str(output),
    ]
    if processes == 1:
        return [sys.executable, *words]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(LAUNCH)]
    return [*launcher, *words]


def run(words: list[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_two_processes_killed_and_resumed_equal_one(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(300)))
    models = ["--model", str(model_folder), "--embedder", str(embedder_folder)]
    one, two, again = (tmp_path / name / "scored" for name in ("one", "two", "again"))
    run(command(data, models, one, processes=1))
    run(command(data, models, two))

    process = subprocess.Popen(command(data, models, again), stderr=subprocess.DEVNULL)
    journals = [workspace_of(again) / f"process-{i}-of-2" / "losses.jsonl" for i in (0, 1)]
    deadline = time.monotonic() + 240
    while min(lines(journal) for journal in journals) < 8:
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    kill_launch(process)
    assert not again.exists()
    run(command(data, models, again))

    alone, both, resumed = (load_dataset(str(folder), split="train").to_pandas() for folder in (one, two, again))
    assert both["neighbor"].equals(alone["neighbor"])
    np.testing.assert_allclose(both["miwv"], alone["miwv"], atol=1e-4)
    assert resumed["miwv"].equals(both["miwv"])  # to the last bit
    assert not workspace_of(again).exists()
    assert json.loads((two / "run.json").read_text())["identity"]["processes"] == 2
