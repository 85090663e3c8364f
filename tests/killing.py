"""Runs that are killed or fail at a chosen moment, and the bytes of what they leave."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch


def contents(folder: Path) -> dict[str, bytes]:
    """Every file's bytes; of run.json all but the timing, and but the --output it was told."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    run = json.loads(files["run.json"])
    run.pop("timing")
    run["command_line"] = None
    return {**files, "run.json": json.dumps(run).encode()}


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_when(command: list[str], ready: Callable[[], bool]) -> None:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not ready():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def kill_launch(launcher: subprocess.Popen[bytes]) -> None:
    """Kill a launcher with the processes that it started, which are in sessions of their own."""
    for process in [*psutil.Process(launcher.pid).children(recursive=True), launcher]:
        process.kill()
    launcher.wait()


class Stop(Exception):  # noqa: N818
    """Stands for a kill, inside one process."""


def fail_on(model: Any, when: Callable[[int, torch.Tensor], Exception | None]) -> Any:
    """Make the model raise what `when(number of the pass, ids)` returns."""
    passes = 0

    def hook(_: Any, __: Any, inputs: dict[str, Any]) -> None:
        nonlocal passes
        passes += 1
        if error := when(passes, inputs["input_ids"]):
            raise error

    return model.register_forward_pre_hook(hook, with_kwargs=True)
