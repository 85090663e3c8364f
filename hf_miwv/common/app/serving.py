"""A page of Gradio's, served from this machine: nothing is sent or fetched elsewhere.

Gradio's telemetry is off, and the pages' policy lets the browser ask no other machine for anything.
There is no password and no public link: who can reach the address can use the app. Requests under
a host name that nobody gave are refused, so that a page elsewhere cannot have its name point here
and read the answers (DNS rebinding); and no file can be uploaded.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from html import escape
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import click

from hf_miwv.common.command_line import options
from hf_miwv.common.errors import InputError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from gradio import Blocks

PORT = 7860  # Gradio's own, and what a Space expects
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'"
)  # Gradio's pages have scripts in line
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
HOST_NAME = re.compile(r"\*|(\*\.)?[\w-]+(\.[\w-]+)*\.?|\[[0-9a-fA-F:.]+\]")
UPLOADS = ("/gradio_api/upload", "/gradio_api/process_recording")  # Gradio's, where files come in
STYLE = """
img.wide { width: 100%; max-width: 60rem; border-radius: .4rem; }
table.facts { font-variant-numeric: tabular-nums; }
table.facts th { font-weight: 400; text-align: left; }
"""

logger = logging.getLogger(__name__)


def require_gradio() -> None:
    """Turn off the reports of Gradio and `datasets` to their makers, before either is imported.

    Raises:
        InputError: Gradio is not installed.
    """
    if find_spec("gradio") is None:
        raise InputError(
            "the app needs the package gradio, which is not installed; run\n  pip install 'hf-miwv-lmt[app]'"
        )
    # Gradio reads the variable as it is imported; later would be too late.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_UPDATE_DOWNLOAD_COUNTS"] = "0"  # `datasets` counts each load, of local files too


def listen(host: str, port: int | None) -> socket.socket:
    """Open a port at `host`.

    Args:
        host (`str`): Address of this machine.
        port (`int`, *optional*): The port; by default PORT, or where that is taken any free one.

    Returns:
        `socket.socket`: The open port.

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
                f"--host {host} --port {number or PORT}: cannot listen there ({error.strerror or error}); give another"
            ) from error
    raise AssertionError("one of the numbers returns or raises")


def is_private(listener: socket.socket) -> bool:
    """Check whether only this machine reaches an open port.

    Args:
        listener (`socket.socket`): The open port.

    Returns:
        `bool`: True for a loopback address.
    """
    return ip_address(listener.getsockname()[0]).is_loopback


def host_names(host: str, allowed: Sequence[str] = ()) -> list[str]:
    """List the names that requests may be addressed to, as they stand in a Host header without its port.

    Args:
        host (`str`): The address that was asked for to listen at.
        allowed (`Sequence[str]`, *optional*, defaults to `()`): Further names: of a host, of all hosts of a
            domain (*.example.com), or * for any.

    Returns:
        `list[str]`: The names, without repetition.

    Raises:
        InputError: one of `allowed` cannot be the name of a host.
    """
    for name in allowed:
        if not HOST_NAME.fullmatch(name):
            raise InputError(
                f"--allowed-host {name}: give the name alone, as in scores.example.com: no scheme, "
                "no port; *.example.com stands for all hosts of a domain"
            )
    listening = f"[{host}]" if ":" in host else host
    return list(dict.fromkeys([*LOOPBACK, listening, *allowed]))


def show_faults(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of the page so that its InputErrors are shown there, as text.

    Args:
        function (`Callable`): The function.

    Returns:
        `Callable`: The wrapped function.
    """
    import gradio

    @wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            # Gradio renders the message as HTML, and it may quote a cell of the rows.
            raise gradio.Error(escape(str(error)), duration=None, print_exception=False) from error

    return guarded


def make_app(page: Blocks, documents: Mapping[str, str] | None = None, hosts: Sequence[str] = LOOPBACK) -> FastAPI:
    """Make the page a web application at /.

    Args:
        page (`Blocks`): The page of Gradio's.
        documents (`Mapping[str, str]`, *optional*): Path -> HTML that is served beside it.
        hosts (`Sequence[str]`, *optional*, defaults to `LOOPBACK`): Names that requests may be addressed to, as
            `host_names` lists them, beside the very address at which they arrive; others are answered
            with 400.

    Returns:
        `FastAPI`: The application.
    """
    import gradio
    from fastapi import FastAPI
    from fastapi.responses import HTMLResponse, PlainTextResponse

    app = FastAPI(openapi_url=None)
    refusal = PlainTextResponse("this app takes no files", status_code=403)
    # They stand before Gradio's routes, which would keep any file on the disk.
    for path in UPLOADS:
        app.add_api_route(path, lambda: refusal, methods=["POST"], include_in_schema=False)
    for path, content in (documents or {}).items():
        app.add_api_route(path, lambda content=content: HTMLResponse(content), include_in_schema=False)
    app.add_middleware(_Policy)
    app.add_middleware(_KnownHosts, hosts=hosts)
    theme = gradio.themes.Default(
        primary_hue="blue",
        font=["system-ui", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
    )
    return gradio.mount_gradio_app(
        app,
        page,
        path="/",
        footer_links=["api"],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme,
        css=STYLE,
    )


def serve(app: FastAPI, listener: socket.socket) -> None:
    """Answer requests at an open port until Ctrl-C.

    Args:
        app (`FastAPI`): The application.
        listener (`socket.socket`): The open port.
    """
    import uvicorn

    host, port = listener.getsockname()[:2]
    logger.info("open %s (Ctrl-C ends it)", _address(host, port))
    if not is_private(listener):
        logger.warning("whoever can reach port %d of this machine can use the app", port)
    settings = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    try:
        uvicorn.Server(settings).run(sockets=[listener])
    except KeyboardInterrupt:
        logger.info("ended")


def _address(host: str, port: int) -> str:
    if ip_address(host).is_unspecified:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Policy:
    """Add POLICY to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                policy_header = (b"content-security-policy", POLICY.encode())
                message = {**message, "headers": [*message["headers"], policy_header]}
            await send(message)

        await self._app(scope, receive, send_with_policy)


class _KnownHosts:
    """Answer 400 where a request is addressed to a host that is not among `hosts`.

    Starlette's middleware decides; the answer is ours, because its text names no way out.
    """

    def __init__(self, app: Any, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import PlainTextResponse

        # The middleware is run with an application of ours that only notes that it was let through.
        trusted = False

        async def trust(*_: Any) -> None:
            nonlocal trusted
            trusted = True

        async def ignore(_: Any) -> None:
            pass

        # The address of the connection itself: all of this machine's where it listens at 0.0.0.0.
        hosts = [*self._hosts, *_address_in(scope)]
        await TrustedHostMiddleware(trust, hosts, www_redirect=False)(scope, receive, ignore)
        refusal = PlainTextResponse(
            "unknown host in the address of this page; who runs the app can add it with --allowed-host NAME\n",
            status_code=400,
        )
        await (self._app if trusted else refusal)(scope, receive, send)


def _address_in(scope: Mapping[str, Any]) -> list[str]:
    """Return the numeric address at which a request arrived, as a Host header has it."""
    try:
        address = ip_address((scope.get("server") or [""])[0])
    except ValueError:
        return []
    return [f"[{address}]" if address.version == 6 else str(address)]


serving_options = options(
    click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen "
        "at. The default is reached from this machine only; 0.0.0.0 from all "
        "that can reach it, without a password.",
    ),
    click.option(
        "--port",
        type=click.IntRange(1, 65535),
        help="Port to listen at. [default: 7860, or a free one where that is taken]",
    ),
    click.option(
        "--allowed-host",
        "allowed_hosts",
        metavar="NAME",
        multiple=True,
        help="A name under which the app is reached, beside localhost and --host, without port; "
        "may be given several times. Requests under other names are refused.",
    ),
)
"""The options that say where an app is served: the same for every app."""
