"""A page of Gradio's, served from this machine: nothing is sent or fetched elsewhere.

Gradio's telemetry is off, and the pages' policy lets the browser ask no other machine for anything.
There is no password and no public link: who can reach the address can use the app.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping
from functools import wraps
from html import escape
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from hf_miwv.errors import InputError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from gradio import Blocks

PORT = 7860  # Gradio's own, and what a Space expects
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)  # Gradio's pages have scripts in line
STYLE = """
img.wide { width: 100%; max-width: 60rem; border-radius: .4rem; }
table.facts { font-variant-numeric: tabular-nums; }
table.facts th { font-weight: 400; text-align: left; }
"""

logger = logging.getLogger(__name__)


def require_gradio() -> None:
    """Turn off what Gradio and `datasets` tell their makers, before either is imported.

    Raises InputError where Gradio is not installed.
    """
    if find_spec("gradio") is None:
        raise InputError(
            "the app needs the package gradio, which is not installed; run\n"
            "  pip install 'hf-miwv-lmt[app]'"
        )
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"  # `datasets` counts each load, of local files too


def listen(host: str, port: int | None) -> socket.socket:
    """An open port at `host`: `port`, or without one PORT, or where that is taken any free one.

    Raises:
        InputError: the port is taken or not allowed, or the machine has no such address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in [port] if port is not None else [PORT, 0]:
        try:
            return socket.create_server((host, number), family=family)
        except OverflowError as error:
            raise InputError(f"--port {number}: give a number from 1 to 65535") from error
        except OSError as error:
            if number == PORT and port is None:
                continue
            raise InputError(
                f"--host {host} --port {number or PORT}: cannot listen there "
                f"({error.strerror or error}); give another"
            ) from error
    raise AssertionError("one of the numbers returns or raises")


def is_private(place: socket.socket) -> bool:
    """Whether only this machine reaches an open port."""
    return ip_address(place.getsockname()[0]).is_loopback


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its InputErrors shown on the page, as text."""
    import gradio

    @wraps(function)
    def guarded(*given: Any, **named: Any) -> Any:
        try:
            return function(*given, **named)
        except InputError as error:
            raise gradio.Error(escape(str(error)), duration=None, print_exception=False) from error

    return guarded


def make_app(page: Blocks, documents: Mapping[str, str] | None = None) -> FastAPI:
    """The page as a web application at /; `documents`: path -> HTML that is served beside it."""
    import gradio
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse

    app = FastAPI(openapi_url=None)
    for path, content in (documents or {}).items():
        app.add_api_route(
            path, lambda content=content: HTMLResponse(content), include_in_schema=False
        )
    app.add_middleware(_Policy)
    theme = gradio.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return gradio.mount_gradio_app(
        app, page, path="/", footer_links=["api"], run_history=False, enable_monitoring=False,
        ssr_mode=False, pwa=False, mcp_server=False, theme=theme, css=STYLE,
    )  # fmt: skip


def serve(app: FastAPI, place: socket.socket) -> None:
    """Answer requests at an open port until Ctrl-C."""
    import uvicorn

    host, port = place.getsockname()[:2]
    logger.info("open %s (Ctrl-C ends it)", _address(host, port))
    if not is_private(place):
        logger.warning("whoever can reach port %d of this machine can use the app", port)
    settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(settings).run(sockets=[place])
    except KeyboardInterrupt:
        logger.info("ended")


def _address(host: str, port: int) -> str:
    if ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Policy:
    """Adds POLICY to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message["headers"], own]}
            await send(message)

        await self._app(scope, receive, send_with_policy)
