"""`hf-miwv app`: look at scored rows in the browser."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import click

logger = logging.getLogger(__name__)


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where an app is to be had: the same for every app."""
    host = click.option(
        "--host",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen "
        "at. The default is reached from this machine only; 0.0.0.0 from all "
        "that can reach it, without a password.",
    )
    port = click.option(
        "--port",
        type=click.IntRange(1, 65535),
        help="Port to listen at. [default: 7860, or a free one where that is taken]",
    )
    allowed = click.option(
        "--allowed-host",
        "allowed_hosts",
        metavar="NAME",
        multiple=True,
        help="A name under which the app is reached, beside localhost and --host, without port; "
        "may be given several times. Requests under other names are refused.",
    )
    return host(port(allowed(function)))


@click.command(
    "app",
    help="""
    Look at the scored rows of SCORED in the browser: by MIWV or another number, by status, flag or
    words; each beside its neighbour, with both losses and its place among all.

    SCORED: what `hf-miwv score` or `hf-miwv select` wrote, as a folder or a Hub id
    (USER/NAME@REVISION). The address to open is printed; Ctrl-C ends it. Rows are read from the
    disk page by page.
    """,
)
@click.argument("scored")
@click.option("--config", help="Configuration of a Hub data set.")
@serving_options
def app_command(scored: str, config: str | None, host: str, port: int | None, allowed_hosts: tuple[str, ...]) -> None:
    from hf_miwv.app.serving import host_names, listen, make_app, require_gradio, serve
    from hf_miwv.errors import InputError
    from hf_miwv.reading import is_local

    require_gradio()
    if config is not None and is_local(scored):
        raise InputError(f"--config {config}: is for the Hub, and {scored} is here; omit it")
    hosts = host_names(host, allowed_hosts)
    with listen(host, port) as place:
        from hf_miwv.app.page import build_page
        from hf_miwv.app.scored_rows import ScoredRows
        from hf_miwv.publishing.fetching import fetch_folder

        logger.info("reading %s", scored)
        rows = ScoredRows.open(fetch_folder(scored, config=config), scored)
        serve(make_app(build_page(rows), hosts=hosts), place)
