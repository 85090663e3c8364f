"""The real clients, told to speak to a `HubServer`: in this process, or in one of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import huggingface_hub
import pytest
import transformers

from hub.server import HubServer


def environment(server: HubServer, home: Path, **more: str) -> dict[str, str]:
    """What a process of its own is started with; caches lie in `home`."""
    return {
        **os.environ,
        "HF_ENDPOINT": server.address,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "HF_DATASETS_CACHE": str(home / "datasets"),
        "HF_TOKEN": server.token,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "*",
        **more,
    }


def speak_to(server: HubServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `environment`, for the client of this process, which reads its settings when imported."""
    constants = huggingface_hub.constants
    monkeypatch.setenv("HF_TOKEN", server.token)
    monkeypatch.setenv("NO_PROXY", "*")
    for name, value in {
        "ENDPOINT": server.address,
        "HUGGINGFACE_CO_URL_TEMPLATE": server.address + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_TOKEN_PATH": str(home / "token"),
        "HF_HUB_DISABLE_PROGRESS_BARS": True,
    }.items():
        monkeypatch.setattr(constants, name, value)
    # transformers keeps the client that it once made, for the server of an earlier test
    monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)


def run_python(code: str, environment: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    """The code in a process of its own, with the arguments in sys.argv[1:]."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=dict(environment), capture_output=True, text=True)
