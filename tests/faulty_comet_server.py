"""A COMET model on the loopback address as `hf-lmt serve-comet` serves it, and told to misbehave."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.comet_server import CometServer


class FaultyCometServer(CometServer):
    """Serve a model.

    `script`: what happens to the next requests for scores, one each: "drop", "slow", or JSON to replace parts of the
    answer by. `asked`: rows of each request.
    """

    def __init__(self, model: CometModel, port: int = 0) -> None:
        super().__init__(model, socket.create_server(("127.0.0.1", port)))
        self.script: list[str] = []
        self.asked: list[int] = []
        self.released = threading.Event()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def score(self, columns: Any) -> dict[str, Any]:
        self.asked.append(len(columns["source"]))
        order = self.script.pop(0) if self.script else ""
        if order == "drop":
            raise ConnectionResetError
        if order == "slow":
            self.released.wait(20)
        reply = super().score(columns)
        return {**reply, **json.loads(order)} if order.startswith("{") else reply

    def end(self) -> None:
        """Let the slow ones go, and close the port."""
        self.released.set()
        self.shutdown()
        self.server_close()
