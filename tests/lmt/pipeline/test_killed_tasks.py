"""Preparation in processes of which one is killed goes on to the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lmt.data.prepare.prepared_rows import NO_SETS, data_bytes, lines, table

pytest.importorskip("datatrove", reason="datatrove is missing: pip install 'hf-miwv-lmt[scale]'")


def command(folder: Path, name: str, tasks: int) -> list[str]:
    words = ["prepare", "r.yaml", "--output", name, "--executor", f"local:{tasks}"]
    return [sys.executable, "-m", "hf_lmt", *words]


def workers_of(parent: int) -> list[int]:
    """Process ids of the children that run tasks."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return [child for child, words in commands.items() if b"spawn_main" in words]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes by /proc")
@pytest.mark.parametrize(
    ("steps", "stages"),
    [
        ({}, ("read", "curate")),
        ({"near_duplicates": {"threshold": 1}}, ("deal-near-duplicates", "find-near-duplicates")),
    ],
)
def test_a_killed_worker_is_told_and_the_same_command_goes_on(
    steps: dict[str, Any], stages: tuple[str, ...], tmp_path: Path
) -> None:
    source = {"path": table(tmp_path / "t.jsonl", lines(1000))}
    content = {"data": [source], "seed": 3, "curation": {**NO_SETS, **steps}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(content), "utf-8")
    environment = {**os.environ, "HF_DATASETS_CACHE": str(tmp_path / "cache")}
    one = {"cwd": tmp_path, "env": environment, "stderr": subprocess.PIPE, "text": True}
    assert subprocess.run(command(tmp_path, "whole", 1), **one, check=True).returncode == 0
    for stage in stages:
        process = subprocess.Popen(command(tmp_path, "killed", 8), **one)
        while not (tmp_path / "killed.work/tasks" / stage / "completions").exists():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.002)
        for worker in workers_of(process.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
        _, said = process.communicate()
        assert process.returncode == 2
        assert "a process was killed from outside" in said
        assert "The same command goes on" in said
        assert not (tmp_path / "killed").exists()
    process = subprocess.Popen(command(tmp_path, "killed", 8), **one)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "going on with the unfinished work" in said
    assert data_bytes(tmp_path / "killed") == data_bytes(tmp_path / "whole")
    assert not (tmp_path / "killed.work").exists()
