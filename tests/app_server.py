"""An app of ours as a process of its own on a free port, and its API asked over plain HTTP."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests


@contextmanager
def running(*command: str) -> Iterator[str]:
    """The address that `python -m *command` prints; ended as Ctrl-C ends it, with exit code 0."""
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    told = ""
    try:
        for line in process.stderr:
            told += line
            found = re.search(r"open (http://\S+) ", line)
            if found:
                yield found[1]
                break
        else:
            raise AssertionError(told)
        process.send_signal(signal.SIGINT)
        told += process.communicate(timeout=60)[1]
        assert "Traceback" not in told
        assert process.returncode == 0, told
    finally:
        process.kill()
        process.wait()


def ask(address: str, name: str, given: Sequence[Any]) -> tuple[str, Any]:
    """What the function of that name answers: "complete" or "error", and the values or message."""
    began = requests.post(f"{address}/gradio_api/call/{name}", json={"data": given}, timeout=60)
    event = began.json()["event_id"]
    answer = requests.get(f"{address}/gradio_api/call/{name}/{event}", timeout=60)
    answer.encoding = "utf-8"
    kind, data = re.findall(r"event: (\w+)\ndata: (.*)", answer.text)[-1]
    return kind, json.loads(data)
