"""Completions on the loopback address as vLLM serves them, by a tiny model, and told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch
from transformers import GenerationConfig


class CompletionsServer(ThreadingHTTPServer):
    """Serve a model greedily.

    `script`: what the next posts get instead, one each: a status, or "drop" (the connection is closed).
    `read_as` is what it makes of its texts. `plain`: replies have texts, and no token ids.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model, self.tokenizer = model, tokenizer
        self.models: list[dict[str, Any]] = [{"id": name, "root": name, "owned_by": "vllm", "max_model_len": 512}]
        self.script: list[Any] = []
        self.read_as: Callable[[str], str] = str
        self.plain = False
        self.asked: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        assert body["temperature"] == 0
        assert body["repetition_penalty"] == 1
        ends, prompt = body["stop_token_ids"], body["prompt"]
        with self.lock, torch.inference_mode():
            self.model.generation_config = GenerationConfig(
                do_sample=False, max_new_tokens=body["max_tokens"], eos_token_id=ends, pad_token_id=3
            )
            ids = self.model.generate(torch.tensor([prompt]))[0, len(prompt) :].tolist()
        ended = ids[-1] in ends
        text = self.read_as(self.tokenizer.decode(ids[:-1] if ended else ids, skip_special_tokens=True))
        choice = {"text": text, "finish_reason": "stop" if ended else "length"}
        if not self.plain:
            choice["token_ids"] = ids
        return {"choices": [choice], "usage": {"completion_tokens": len(ids)}}

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CompletionsServer

    def do_GET(self) -> None:
        self._send(200, {"data": self.server.models})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            self.server.keys.add(self.headers["Authorization"])
            order = self.server.script.pop(0) if self.server.script else None
        if order == "drop":
            self.close_connection = True
            return self.connection.close()
        if order is not None:
            return self._send(order, {"error": {"message": "told to"}})
        self._send(200, self.server.complete(body))

    def _send(self, status: int, content: Any) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""
