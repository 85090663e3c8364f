"""An app of ours, served at a free port, and its API asked over plain HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
import requests
import uvicorn

WATCH = """
import sys
def watch(event, given):
    if event in ("start", "socket.connect", "socket.getaddrinfo"):
        with open({path!r}, "a") as file:
            file.write(f"{{event}} {{given}}\\n")
sys.addaudithook(watch)
sys.audit("start")
"""


@contextmanager
def running(*command: str, watch: Path) -> Iterator[str]:
    """The address that `python -m *command` prints; ended as Ctrl-C ends it, with exit code 0.

    It must ask no other machine for anything, online as it is; `watch` is a folder for that.
    """
    asked = watch / "asked"
    (watch / "sitecustomize.py").write_text(WATCH.format(path=str(asked)), "utf-8")
    places = [str(watch), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    environment.pop("HF_HUB_OFFLINE", None)
    process = subprocess.Popen([sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True, env=environment)
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
        assert asked.read_text("utf-8").splitlines() == ["start ()"]
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_here(command: click.Command, words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """As `running`, in a thread of this process: quicker, for its imports are done."""
    servers: list[uvicorn.Server] = []

    class Known(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            servers.append(self)

    monkeypatch.setattr(uvicorn, "Server", Known)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            command.main([*words], standalone_mode=False)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive() and not servers:
        thread.join(0.05)
    assert servers, failed
    host, port = servers[0].servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    servers[0].should_exit = True
    thread.join(60)
    assert not thread.is_alive()
    assert not failed


def ask(address: str, name: str, given: Sequence[Any]) -> tuple[str, Any]:
    """What the function of that name answers: "complete" or "error", and the values or message."""
    began = requests.post(f"{address}/gradio_api/call/{name}", json={"data": given}, timeout=60)
    event = began.json()["event_id"]
    answer = requests.get(f"{address}/gradio_api/call/{name}/{event}", timeout=60)
    answer.encoding = "utf-8"
    kind, data = re.findall(r"event: (\w+)\ndata: (.*)", answer.text)[-1]
    return kind, json.loads(data)
