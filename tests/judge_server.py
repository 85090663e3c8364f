"""A real chat completions endpoint on the loopback address, which can be told to misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWERS = re.compile(r"\[Answer (?:1|2)\]\n(.*?)\n\[End of answer (?:1|2)\]", re.DOTALL)
COMPLETION = "chat completion"


class JudgeServer(ThreadingHTTPServer):
    """Scores an answer by its first number ("worth 7" gets 7), unless told otherwise.

    `script`: what the next requests get instead, one each: a status, a status with headers, a
    reply's text, "hang" (no answer until `release` is set), "drop" (the connection is closed),
    "html" (a page that is no chat completion). `bias` is added to the score of the answer shown
    first. `holds_from`: the number of the first request that is not answered before `release`.
    """

    paths: tuple[str, ...] = ("/v1/chat/completions",)

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Any] = []
        self.refused: tuple[str, int] | None = None  # (word in the question, status)
        self.bias = 0
        self.holds_from: int | None = None
        self.release = threading.Event()
        self.asked: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.keys: set[str | None] = set()
        self.headers: dict[str, str] = {}  # of all requests, by names in lower case
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def questions(self) -> Counter[str]:
        """How often each question was asked."""
        with self.lock:
            return Counter(json.dumps(body["messages"]) for body in self.asked)

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the choice that answers a question."""
        question = body["messages"][0]["content"]
        scores = [int(re.findall(r"\d+", text)[0]) for text in ANSWERS.findall(question)]
        content = f"Answer 1: {scores[0] + self.bias}; Answer 2: {scores[1]}\nBecause."
        return {"message": {"role": "assistant", "content": content}}

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: JudgeServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            self.server.times.append(time.monotonic())
            self.server.keys.add(self.headers["Authorization"])
            self.server.headers |= {name.lower(): value for name, value in self.headers.items()}
            number = len(self.server.asked)
            order = self.server.script.pop(0) if self.server.script else None
        if self.path not in self.server.paths:
            return self._send(404, json.dumps({"error": {"message": "no such path"}}))
        held = self.server.holds_from is not None and number >= self.server.holds_from
        if order == "hang" or held:
            self.server.release.wait(60)
        self._answer(body, order)

    def _answer(self, body: dict[str, Any], order: Any) -> None:
        question = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        refused = self.server.refused
        if order == "drop":
            self.close_connection = True
            return self.connection.close()
        if isinstance(order, tuple):
            status, headers = order
            return self._send(status, json.dumps({"error": {"message": "told to"}}), headers)
        if order == "html":
            return self._send(200, "<html>Please log in</html>")
        if refused and refused[0] in question:
            return self._send(refused[1], json.dumps({"error": {"message": "far too long"}}))
        if isinstance(order, str) and order != "hang":
            choice = {"message": {"role": "assistant", "content": order}}
        else:
            choice = self.server.reply(body)
        self._send(200, json.dumps({"object": COMPLETION, "choices": [choice]}))

    def _send(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
