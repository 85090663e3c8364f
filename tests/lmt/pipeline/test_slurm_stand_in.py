"""Preparation on Slurm, with stand-ins for its commands: what is queued gives the rows of one process."""

from __future__ import annotations

import json
import os
from pathlib import Path

import datasets
import pytest
import yaml

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError
from tests.lmt.data.prepare.prepared_rows import NO_SETS, lines, rows_of, table

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")

import dill

from hf_lmt.pipeline.prepare_sharded import prepare_sharded
from hf_miwv.common.executors.executor_settings import read_executor

STAGES = ("read", "offer-hints", "choose-hints", "curate", "find-duplicates", "prompt", "write-shards", "finish")


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands that say what Slurm's say; the file in which the queued scripts are noted."""
    noted = tmp_path / "queued"
    commands = {
        "sbatch": f'echo "$@" >> {noted}; echo Submitted batch job $(wc -l < {noted})',
        "scontrol": "echo here",
    }
    (tmp_path / "bin").mkdir()
    for name, line in commands.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    return noted


def test_the_queued_tasks_give_the_rows_of_one_process(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"data": [{"path": table(tmp_path / "t.jsonl", lines(200))}], "seed": 3, "curation": NO_SETS}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content), "utf-8")
    recipe = read_data_recipe(tmp_path / "r.yaml")
    settings = read_executor("slurm:2", {"partition": "cpu", "time": "1:00:00"})
    output = tmp_path / "rows"
    assert prepare_sharded(recipe, output, settings, progress=False) is None
    logs = tmp_path / "rows.work" / "tasks"
    assert sorted(path.name for path in logs.iterdir()) == sorted(STAGES)
    with pytest.raises(InputError, match=r"were queued at .* and may still be at work"):
        prepare_sharded(recipe, output, settings, progress=False)
    monkeypatch.setenv("SLURM_NODELIST", "here")
    for stage in STAGES:
        ranks = json.loads((logs / stage / "ranks_to_run.json").read_text("utf-8"))
        for number in range(len(ranks)):
            # What each job of the array does: launch_pickled_pipeline, with its number in the environment.
            monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(number))
            with open(logs / stage / "executor.pik", "rb") as file:
                dill.load(file).run()  # noqa: S301  written a moment ago by this very test
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID")
    prepare(recipe, tmp_path / "one", progress=False)
    assert rows_of(output) == rows_of(tmp_path / "one")
    prepare_sharded(recipe, output, settings, progress=False)  # finished: the work folder is cleared
    assert not (tmp_path / "rows.work").exists()
