"""A COMET model behind an address: texts in, scores out, as JSON over HTTP.

    GET  /v1/identity  -> the model's description (`describe_comet`)
    POST /v1/score     {"source": [...], "translation": [...], "reference": [...]}
                       -> {"scores": [...], "model": the description}

A score that is not finite is null. What cannot be scored is answered with a status from 400 to 499 and
{"error": ...}. There is no password: whoever reaches the address can use the model, and learns nothing but scores.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from typing import Any

import xxhash

from hf_lmt.comet.comet_model import CometModel
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.fingerprints import model_fingerprint, tokenizer_fingerprint
from hf_miwv.common.runs.json_text import json_text

IDENTITY_PATH, SCORE_PATH = "/v1/identity", "/v1/score"
COLUMNS = ("source", "translation", "reference")
MAX_BODY_BYTES = 64 * 2**20  # of a request; ours
IDLE_SECONDS = 60.0  # after which a connection that says nothing is closed; ours

logger = logging.getLogger(__name__)


class RequestError(Exception):
    """Refuse a request: an HTTP status, and what is wrong with it.

    Args:
        status (`int`): From 400 to 499.
        message (`str`): What was sent, why it cannot be, and what to send instead.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def describe_comet(model: CometModel) -> dict[str, Any]:
    """Describe a COMET model by all that its scores depend on.

    Args:
        model (`CometModel`): The model, loaded.

    Returns:
        `dict[str, Any]`: `model`, its name and revision; `dtype` of its encoder; `fingerprint`, a hash of weights,
        tokenizer, configuration and settings; `needs_references`; `hf_lmt`, the version of this package.
    """
    parts = [
        model_fingerprint(model),
        tokenizer_fingerprint(model.tokenizer),
        json_text(model.encoder.config.to_diff_dict(), sort_keys=True),
        json_text({**asdict(model.settings), "pretrained_model": None}, sort_keys=True),  # where files came from
    ]
    return {
        "model": model.identity,
        "dtype": str(model.encoder.dtype).removeprefix("torch."),
        "fingerprint": xxhash.xxh3_128_hexdigest("\n".join(parts).encode()),
        "needs_references": model.settings.needs_references,
        "hf_lmt": version("hf-miwv-lmt"),
    }


class CometServer(ThreadingHTTPServer):
    """Serve a COMET model at an open port.

    One request is scored at a time, whole, so that its scores are those of `CometModel.score` for the same lists.

    Args:
        model (`CometModel`): The model.
        listener (`socket.socket`): The open port; it is closed with the server.
    """

    daemon_threads = True

    def __init__(self, model: CometModel, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], CometHandler, bind_and_activate=False)
        self.socket.close()  # the one of its own, which was never bound
        self.socket = listener
        self.model, self.description = model, describe_comet(model)
        self._scoring = threading.Lock()

    def score(self, columns: Mapping[str, list[str]]) -> dict[str, Any]:
        """Score the rows of a request.

        Args:
            columns (`Mapping[str, list[str]]`): As `read_columns` returns them.

        Returns:
            `dict[str, Any]`: `scores`, one for each row, and `model`, the description.

        Raises:
            InputError: Memory is used up.
        """
        with self._scoring:
            scores = self.model.score(columns["source"], columns["translation"], columns.get("reference"))
        return {"scores": scores.tolist(), "model": self.description}


class CometHandler(BaseHTTPRequestHandler):
    """Answer the requests of a connection."""

    protocol_version = "HTTP/1.1"  # connections are kept
    timeout = IDLE_SECONDS
    server: CometServer

    def do_GET(self) -> None:
        """Answer with the description of the model."""
        if self.path == IDENTITY_PATH:
            self._answer(200, self.server.description)
        else:
            self._answer(404, {"error": f"there is no {self.path}; GET {IDENTITY_PATH}, POST {SCORE_PATH}"})

    def do_POST(self) -> None:
        """Answer with scores, or with what is wrong."""
        try:
            columns = read_columns(self._body(), self.server.model)
            reply = self.server.score(columns)
        except RequestError as error:
            self._answer(error.status, {"error": str(error)})
        except InputError as error:  # out of memory: the next attempt may have it
            self._answer(503, {"error": str(error)})
        except (ConnectionError, TimeoutError):  # the client went away
            self.close_connection = True
        except Exception as error:
            logger.exception("a request was not scored")
            self._answer(500, {"error": f"the server failed: {type(error).__name__}; its log has more"})
        else:
            self._answer(200, reply)

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request, for those who asked for details.

        Args:
            format (`str`): As `%` takes it.
            *args (`Any`): Its values.
        """
        logger.debug(format, *args)

    def _body(self) -> bytes:
        """Read the request, whose body must be read or the connection closed."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.close_connection = True
            raise RequestError(411, "the request does not say how long it is; send Content-Length")
        if int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            raise RequestError(
                413, f"{int(length):,} bytes are more than {MAX_BODY_BYTES:,}; send fewer rows at a time"
            )
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionResetError
        if self.path != SCORE_PATH:
            raise RequestError(404, f"there is no {self.path}; GET {IDENTITY_PATH}, POST {SCORE_PATH}")
        # A page in a browser cannot send this type to another host without asking first, which is never allowed here.
        if self.headers.get_content_type() != "application/json":
            raise RequestError(415, "send the header Content-Type: application/json")
        return body

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        data = json_text(content).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
        except (ConnectionError, TimeoutError):  # the client did not wait
            self.close_connection = True


def read_columns(body: bytes, model: CometModel) -> dict[str, list[str]]:
    """Read the body of a request to /v1/score.

    Args:
        body (`bytes`): JSON.
        model (`CometModel`): The model that is to score it.

    Returns:
        `dict[str, list[str]]`: The columns of COLUMNS that were sent, equally long lists of texts.

    Raises:
        RequestError: The body is no JSON, lacks a column, has another, or one that is no list of texts as long as
            the others.
    """
    expected = f'send {{"source": [...], "translation": [...]{", " if model.needs_references else ", optionally "}'
    expected += '"reference": [...]}, as many texts in each'
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the request is no JSON ({error}); {expected}") from error
    if not isinstance(content, dict):
        raise RequestError(400, f"the request is {type(content).__name__}, not an object; {expected}")
    required = COLUMNS if model.needs_references else COLUMNS[:2]
    columns = {name: value for name, value in content.items() if value is not None}
    missing = [name for name in required if name not in columns]
    unknown = [name for name in content if name not in COLUMNS]
    if missing or unknown:
        wrong = [*(f"{name} is missing" for name in missing), *(f"{name[:40]!r} is not known" for name in unknown)]
        raise RequestError(400, f"{model.identity}: {', '.join(wrong)}; {expected}")
    for name, texts in columns.items():
        if not isinstance(texts, list):
            raise RequestError(400, f"{name} is {type(texts).__name__}, not a list; {expected}")
        row = next((row for row, text in enumerate(texts) if not _is_text(text)), None)
        if row is not None:
            raise RequestError(400, f"{name} {row} is {json_text(texts[row])[:80]}, not a text in Unicode; {expected}")
    if len({len(texts) for texts in columns.values()}) != 1:
        counts = ", ".join(f"{name} {len(texts):,}" for name, texts in columns.items())
        raise RequestError(400, f"columns of different lengths ({counts}); {expected}")
    return columns


def _is_text(value: Any) -> bool:
    """Check for a text that a tokenizer can read: without half a surrogate pair."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def serve_comet(server: CometServer) -> None:
    """Answer requests until Ctrl-C.

    Args:
        server (`CometServer`): The server.
    """
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        logger.info("ended")
    finally:
        server.server_close()
