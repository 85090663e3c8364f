"""Killed and typed again: the same curve, the same weights, and nobody else's work is lost."""

# ruff: noqa: F811  the fixtures of another file
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset
from transformers import TrainerCallback

from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.training import train
from hf_miwv.common.runs.workspace import _sealed, workspace_of
from tests.lmt.data.prepare.prepared_rows import WORDS, table
from tests.lmt.training.test_training import cache, invoke, prepared, recipe, refused, succeed, tiny, write  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")


@pytest.mark.slow
def test_killed_at_any_step_it_ends_with_the_same_curve_and_weights(
    recipe: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe |= {
        "max_steps": 8,
        "save_steps": 2,
        "lora_r": 4,
        "lora_dropout": 0.3,
        "lora_target_modules": "all-linear",
        "use_peft": True,
    }
    whole = succeed(recipe, tmp_path)
    recipe["output_dir"] = str(tmp_path / "killed")
    work = workspace_of(tmp_path / "killed")
    path = write(recipe, tmp_path)
    code = "from hf_lmt.commands.train import train_command; train_command()"
    command = [sys.executable, "-c", code, "--config", str(path)]
    kill_when(command, lambda: len(list(work.glob("checkpoints/*/whole"))) >= 1)
    assert not (tmp_path / "killed").exists()
    (work / "checkpoints" / "checkpoint-57").mkdir()  # torn, and above all others
    run = succeed(recipe, tmp_path)
    assert "going on from checkpoint-" in caplog.text
    assert "checkpoint-57" not in caplog.text
    assert run["loss_curve"] == whole["loss_curve"]
    for name in ("adapter_model.safetensors", "training_curve.png"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_killed_after_the_last_step_there_is_none_left(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = succeed(recipe, tmp_path)
    recipe["output_dir"] = str(tmp_path / "late")
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", interrupted_at("late"))
        assert invoke(recipe, tmp_path).exit_code != 0
    assert not (tmp_path / "late").exists()
    run = succeed(recipe, tmp_path)
    assert run["loss_curve"] == whole["loss_curve"]
    name = "model.safetensors"
    assert (tmp_path / "late" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()


def test_unfinished_work_of_another_run_is_kept(recipe: dict[str, Any], tmp_path: Path) -> None:
    work = workspace_of(tmp_path / "out")
    (work / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    (work / "checkpoints" / "checkpoint-1" / "whole").touch()
    (work / "identity.json").write_bytes(_sealed({"learning_rate": 1.0}))
    refused(invoke(recipe, tmp_path), "unfinished training of another run", "--overwrite")
    assert (work / "checkpoints" / "checkpoint-1").exists()
    succeed(recipe, tmp_path, "--overwrite")


def test_rows_that_changed_behind_their_name_are_not_gone_on_with(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = prepared(recipe, tmp_path)
    del recipe["directions"], recipe["curation"]
    recipe["data"] = [{"path": str(rows)}]
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", interrupted_at("out"))
        assert invoke(recipe, tmp_path).exit_code != 0
    file = next((rows / "data").glob("*.parquet"))
    load_dataset(str(rows), split="train").select(range(20)).to_parquet(str(file))
    refused(invoke(recipe, tmp_path), "checkpoints that were made of other rows than are read now")
    assert succeed(recipe, tmp_path, "--overwrite")["rows"]["used"] == 20


class Killed(TrainerCallback):
    """Ends the run before this step, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.slow
def test_early_stopping_counts_on_after_a_kill(
    recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a gain it stops three evaluations after the first, wherever it was killed."""
    held = [{code: f"{WORDS[code]} 77{number}" for code in ("en", "de")} for number in range(2)]
    recipe |= {
        "max_steps": 9,
        "save_steps": 1,
        "eval_strategy": "steps",
        "eval_steps": 1,
        "learning_rate": 0.0,
        "metric_for_best_model": "eval_chrf_en2x",
        "load_best_model_at_end": True,
        "evaluation": {
            "sets": [table(tmp_path / "held.jsonl", held)],
            "per_direction": 1,
            "losses": False,
            "max_new_tokens": 2,
            "early_stopping": 3,
        },
    }
    path = write(recipe, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(read_training_recipe(path), watchers=[lambda _: [Killed(2)]])
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", interrupted_at("out"))
        assert invoke(recipe, tmp_path).exit_code != 0
    run = succeed(recipe, tmp_path)
    assert run["steps"] == 4
    assert [entry["step"] for entry in run["loss_curve"]] == [1, 2, 3, 4]


def interrupted_at(name: str) -> Callable[..., None]:
    """os.rename, which ends the run where it would put a folder of this name in place."""
    real = os.rename

    def rename(source: Any, target: Any) -> None:
        if Path(target).name == name:
            raise KeyboardInterrupt
        real(source, target)

    return rename


def kill_when(command: list[str], ready: Callable[[], bool]) -> None:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not ready():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
