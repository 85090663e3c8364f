"""Folders, checkpoints and unfinished work of an earlier version: read, or refused by what differs."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from datasets import load_dataset

from hf_lmt.evaluation.evaluation_folder import read_evaluation
from hf_lmt.evaluation.report.write_report import write_reports
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_miwv import compare, score, select
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.record import new_record
from hf_miwv.common.runs.workspace import earlier_identity

FOLDERS = Path(__file__).parent / "earlier" / "folders.tar.xz"


@pytest.fixture
def earlier(tmp_path: Path, model_folder: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders, with the models they were made with, in the current folder."""
    with tarfile.open(FOLDERS) as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.copytree(model_folder, tmp_path / "model")
    shutil.copytree(embedder_folder, tmp_path / "embedder")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def other_versions(identity: dict[str, Any]) -> list[str]:
    """Names of libraries that are of another version here than in an identity."""
    versions = new_record("score", {})["versions"]
    return [name for name in versions if name in identity and identity[name] != versions[name]]


def test_scored_rows_are_chosen_from_and_compared(earlier: Path) -> None:
    assert len(select("scored", count=3, output_dir="chosen")) == 3
    assert (read_record(earlier / "chosen") or {})["scored_run"]["command"] == "score"
    report = compare(["scored"], fractions=[0.5])
    assert report["folders"][0]["name"] == "scored"


def test_scoring_goes_on_where_it_ended(earlier: Path, caplog: pytest.LogCaptureFixture) -> None:
    identity = earlier_identity(earlier / "half.work" / "process-0-of-1")
    assert identity is not None
    journal = earlier / "half.work" / "process-0-of-1" / "losses.jsonl"
    assert journal.read_text().count("\n") == 5
    with caplog.at_level(logging.INFO, "hf_miwv"):
        rows = score(
            "rows.jsonl",
            "model",
            embedder="embedder",
            output_dir="half",
            device="cpu",
            batch_tokens=64,
            progress=False,
        )
    differs = {*other_versions(identity)} | (
        {"processor threads"}
        if identity["processor threads"] != int(os.environ.get("OMP_NUM_THREADS", "0"))
        else set()
    )
    if differs:
        assert "it is not reused" in caplog.text
        assert any(name in caplog.text for name in differs)
    else:
        assert "going on with the unfinished work" in caplog.text
    whole = load_dataset("parquet", data_files="scored/data/*.parquet", split="train")
    assert rows["miwv"] == pytest.approx(whole["miwv"], abs=1e-5)


def test_prepared_rows_are_trained_on(earlier: Path) -> None:
    recipe = (earlier / "recipe.yaml").read_text().partition("directions:")
    rest = "model_name_or_path" + recipe[2].partition("model_name_or_path")[2]
    (earlier / "second.yaml").write_text("data:\n  - path: prepared\n" + rest)
    assert read_training_recipe(earlier / "second.yaml", [], Launch()).rows == Path("prepared")
    assert (read_record(earlier / "prepared") or {})["data"][0]["license"] == "apache-2.0"  # it has `licence`


def test_an_evaluation_is_read_and_reported(earlier: Path) -> None:
    evaluation = read_evaluation("evaluated")
    assert evaluation.scores["directions"]["en-de"]["behavior"]["copy"]["count"] == 0  # it has `behaviour`
    page = write_reports(["evaluated"], earlier / "report")
    assert "en-de" in page.read_text("utf-8")


@pytest.mark.slow
def test_a_training_goes_on_from_its_checkpoint_or_says_what_differs(earlier: Path) -> None:
    identity = earlier_identity(earlier / "tuned.work")
    assert identity is not None
    done = subprocess.run(
        [sys.executable, "-m", "hf_lmt", "train", "--config", "recipe.yaml"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if differs := other_versions(identity):
        assert done.returncode == 2
        assert "holds unfinished training of another run" in done.stderr
        assert any(name in done.stderr for name in differs)
        return
    assert done.returncode == 0, done.stderr
    record = json.loads((earlier / "tuned" / "run.json").read_text())
    assert record["steps"] == 4
    assert [entry["step"] for entry in record["loss_curve"]] == [1, 2, 3, 4]
