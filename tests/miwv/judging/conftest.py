"""The judge on the loopback address, and the key that is sent to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from judge_server import JudgeServer

from tests.miwv.judging.answer_files import KEY


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    server = JudgeServer()
    yield server
    server.release.set()
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
