"""Stages on datatrove's executors, and the settings that say where they run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hf_miwv.common.errors import InputError

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")

from hf_miwv.common.executors.executor_settings import ExecutorSettings, read_executor
from hf_miwv.common.executors.jobs_command import jobs_command
from hf_miwv.common.executors.run_stages import Stage, run_stages


class Note:
    """A step that leaves a file for its task; one of them may be told to fail."""

    def __init__(self, folder: Path, failing: int | None = None, fault: Exception | None = None) -> None:
        self.folder, self.failing, self.fault = folder, failing, fault

    def __call__(self, data: Any, rank: int, world_size: int) -> Iterator[Any]:
        if rank == self.failing and self.fault:
            raise self.fault
        with open(self.folder / f"{rank}-of-{world_size}", "a", encoding="utf-8") as file:
            file.write("run\n")
        yield from ()


def stage(folder: Path, tasks: int, **failing: Any) -> Stage:
    return Stage("note", [Note(folder, **failing)], tasks, lambda rank: f"file {rank}")


def notes(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.glob("*-of-*")}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_each_task_runs_once_however_often_it_is_begun(workers: int, tmp_path: Path) -> None:
    settings = read_executor("local:3", {"workers": workers})
    for _ in range(2):
        run_stages([Stage("note", [Note(tmp_path)], 3, str)], settings, tmp_path / "logs", progress=False)
    assert notes(tmp_path) == {f"{rank}-of-3": "run\n" for rank in range(3)}


def test_the_other_tasks_are_done_where_one_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = read_executor("local:3", {"workers": 1})
    failing = stage(tmp_path, 3, failing=1, fault=InputError("row 7 is torn"))
    with pytest.raises(InputError, match=r"1 of 3 tasks are not done(.|\n)*task 1 \(file 1\): row 7 is torn"):
        run_stages([failing], settings, tmp_path / "logs", progress=False)
    assert notes(tmp_path) == {"0-of-3": "run\n", "2-of-3": "run\n"}
    failing = stage(tmp_path, 3, failing=1, fault=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError) as error:  # a fault of ours keeps its type and traceback
        run_stages([failing], settings, tmp_path / "logs", progress=False)
    assert error.value.__notes__ == ["in task 1 of stage note: file 1"]
    run_stages([stage(tmp_path, 3)], settings, tmp_path / "logs", progress=False)
    assert notes(tmp_path) == {f"{rank}-of-3": "run\n" for rank in range(3)}
    assert capfd.readouterr().err == ""  # datatrove is quiet


@pytest.mark.parametrize(
    ("word", "config", "message"),
    [
        ("locl:2", {}, "no such executor; did you mean 'local'"),
        ("local", {}, "tasks is not given; give 1 or more, as in local:8"),
        ("local:none", {}, "tasks 'none' is no number of them"),
        ("local:0", {}, "tasks 0 is no number"),
        ("local:2", {"tasks": 3}, "its file has tasks: 3; give one of the two"),
        ("local:2", {"workers": "two"}, "workers 'two' is no number"),
        ("slurm:2", {"partitoin": "cpu"}, "unknown key 'partitoin'; did you mean 'partition'"),
        ("hf-jobs:2", {"flavour": "cpu-xl"}, "unknown key 'flavour'; did you mean 'flavor'"),
        ("local:2", {"logging_dir": "x"}, "unknown key 'logging_dir'"),
    ],
)
def test_settings_that_cannot_be(word: str, config: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_executor(word, config)


def test_settings_of_a_file() -> None:
    config = {"tasks": 64, "workers": 16, "partition": "cpu", "time": "1:00:00"}
    expected = ExecutorSettings("slurm", 64, 16, {"partition": "cpu", "time": "1:00:00"})
    assert read_executor("slurm", config) == expected


def test_slurm_gets_a_script_for_each_stage_that_waits_for_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = tmp_path / "bin" / "sbatch"
    queue.parent.mkdir()
    # It says what the real one says, and notes what it was given.
    noted = tmp_path / "queued"
    queue.write_text(f'#!/bin/sh\necho "$@" >> {noted}\necho Submitted batch job $(wc -l < {noted})\n')
    queue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{queue.parent}{os.pathsep}{os.environ['PATH']}")
    settings = read_executor("slurm:4", {"partition": "cpu", "time": "1:00:00", "workers": 2, "mem_per_cpu_gb": 8})
    stages = [Stage(name, [Note(tmp_path)], tasks, str) for name, tasks in (("first", 4), ("second", 4), ("last", 1))]
    assert run_stages(stages, settings, tmp_path / "logs", progress=False) is False
    scripts = {path.parent.name: path.read_text("utf-8") for path in tmp_path.glob("logs/*/launch_script.slurm")}
    assert set(scripts) == {"first", "second", "last"}
    for line in ("--partition=cpu", "--time=1:00:00", "--mem-per-cpu=8G", "--job-name=first", "--array=0-3%2"):
        assert f"#SBATCH {line}\n" in scripts["first"]
    assert "#SBATCH --array=0-0%1\n" in scripts["last"]
    assert f"launch_pickled_pipeline {tmp_path}/logs/second/executor.pik" in scripts["second"]
    queued = [line.split()[1] for line in noted.read_text("utf-8").splitlines() if "dependency" in line]
    # datatrove queues the merging of statistics behind each stage, so stages are 1, 3 and 5.
    assert queued == ["--dependency=afterok:1", "--dependency=afterok:3"]
    assert json.loads((tmp_path / "logs/first/ranks_to_run.json").read_text("utf-8")) == [0, 1, 2, 3]


def test_the_command_of_a_job_runs_the_tasks_on_its_machine() -> None:
    volume = "hf://buckets/me/rows:/out"
    settings = read_executor("hf-jobs:32", {"timeout": "2h", "volumes": [volume]})
    words = ["prepare", "r.yaml", "--executor", "hf-jobs:32", "--executor-config=jobs.yaml", "--output", "/out/rows"]
    command = jobs_command(settings, "hf-lmt", words, "scale,curate", Path("/out/rows"))
    assert command[:7] == ["hf", "jobs", "run", "--flavor", "cpu-xl", "--timeout", "2h"]
    assert command[-7:] == ["hf-lmt", "prepare", "r.yaml", "--output", "/out/rows", "--executor", "local:32"]
    assert command[command.index("--volume") + 1] == volume
    with pytest.raises(InputError, match=r"--output rows: .*goes with it; mount a bucket"):
        jobs_command(settings, "hf-lmt", words, "scale,curate", Path("rows"))
    with pytest.raises(InputError, match="lies on this machine, where the job cannot read it"):
        jobs_command(settings, "hf-lmt", ["prepare", __file__], "scale,curate", Path("/out/rows"))
