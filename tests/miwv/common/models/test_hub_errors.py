"""A model that the Hub does not give: the real client against a real server that says no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ANSWERS = {
    "owner/gated": (403, "GatedRepo", "it is gated: accept its terms on its Hub page and log in"),
    "owner/absent": (401, "RepoNotFound", "no such repository on the Hub, or it is private"),
    "owner/other": (404, "RevisionNotFound", "it has no such revision"),
}


class SaysNo(BaseHTTPRequestHandler):
    """Answers every request for a repository with its status and the Hub's error header."""

    def do_GET(self) -> None:
        name = next((name for name in ANSWERS if name in self.path), "owner/absent")
        self.send_response(ANSWERS[name][0])
        self.send_header("X-Error-Code", ANSWERS[name][1])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), SaysNo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.slow
def test_what_the_hub_refuses_is_said_in_plain_words(endpoint: str) -> None:
    code = (
        "import json, sys\n"
        "from hf_miwv.common.errors import InputError\n"
        "from hf_miwv.common.models.models import load_embedder, load_model\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    for load in (load_model, load_embedder):\n"
        "        try: load(name)\n"
        "        except InputError as error: found.setdefault(name, []).append(str(error))\n"
        "print(json.dumps(found))\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "x"}
    done = subprocess.run([sys.executable, "-c", code, *ANSWERS], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for name, (_, _, words) in ANSWERS.items():
        assert len(found[name]) == 2
        for message, what in zip(found[name], ("model", "embedder"), strict=True):
            assert message.startswith(f"{what} '{name}' cannot be loaded: ")
            assert words in message
