"""Two real processes, as `accelerate launch` starts them: the curve of one, killed or not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from killing import kill_launch
from safetensors.torch import load_file

from hf_miwv.common.runs.workspace import workspace_of
from tests.lmt.training.test_training import cache, losses, recipe, record, succeed, tiny, write  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")

LAUNCH = Path(__file__).parents[3] / "recipes" / "accelerate" / "cpu.yaml"
SCRIPT = """
from hf_lmt.commands.train import train_command

train_command()
"""


def launch(recipe: dict[str, Any], folder: Path) -> subprocess.Popen[bytes]:  # noqa: F811
    (folder / "train.py").write_text(SCRIPT)
    path = write(recipe, folder)
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--config_file",
        str(LAUNCH),
        str(folder / "train.py"),
        "--config",
        str(path),
    ]
    places = {
        **os.environ,
        "HF_DATASETS_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(LAUNCH.parents[2]),
    }
    with open(folder / "launch.log", "ab") as log:
        return subprocess.Popen(command, env=places, stdout=log, stderr=log)


def finish(process: subprocess.Popen[bytes], folder: Path) -> None:
    assert process.wait(timeout=500) == 0, (folder / "launch.log").read_text()[-4000:]


@pytest.mark.slow
def test_two_processes_have_the_curve_of_one(recipe: dict[str, Any], tmp_path: Path) -> None:  # noqa: F811
    one = succeed(recipe, tmp_path)
    assert one["settings"]["gradient_accumulation_steps"] == 2
    recipe["output_dir"] = str(tmp_path / "two")
    finish(launch(recipe, tmp_path), tmp_path)
    two = record(tmp_path / "two")
    assert two["checks"]["processes"] == 2
    assert two["settings"]["gradient_accumulation_steps"] == 1
    assert losses(two) == pytest.approx(losses(one), abs=2e-4)
    after = [load_file(tmp_path / name / "model.safetensors") for name in ("out", "two")]
    for name, weights in after[0].items():
        assert (weights - after[1][name]).abs().max() < 1e-3
    assert not workspace_of(tmp_path / "two").exists()


@pytest.mark.slow
def test_two_processes_killed_go_on_to_the_same_curve(
    recipe: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    recipe |= {"max_steps": 8, "save_steps": 2, "output_dir": str(tmp_path / "whole")}
    finish(launch(recipe, tmp_path), tmp_path)
    recipe["output_dir"] = str(tmp_path / "killed")
    work = workspace_of(tmp_path / "killed")
    for count in (1, 2):
        process = launch(recipe, tmp_path)
        while len(list(work.glob("checkpoints/*/whole"))) < count:
            assert process.poll() is None, (tmp_path / "launch.log").read_text()[-4000:]
            time.sleep(0.002)
        kill_launch(process)
        assert not (tmp_path / "killed").exists()
    finish(launch(recipe, tmp_path), tmp_path)
    one, other = record(tmp_path / "whole"), record(tmp_path / "killed")
    assert one["loss_curve"] == other["loss_curve"]
    names = [tmp_path / name / "model.safetensors" for name in ("whole", "killed")]
    assert names[0].read_bytes() == names[1].read_bytes()
