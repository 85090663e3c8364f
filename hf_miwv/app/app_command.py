"""`hf-miwv app`: look at scored rows in the browser."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import click

logger = logging.getLogger(__name__)


def serving_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where an app is to be had: the same for every app."""
    host = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen "
                        "at. The default is reached from this machine only; 0.0.0.0 from all "
                        "that can reach it, without a password.")  # fmt: skip
    port = click.option("--port", type=click.IntRange(1, 65535), help="Port to listen at. "
                        "[default: 7860, or a free one where that is taken]")  # fmt: skip
    return host(port(function))


@click.command("app", help="""
    Look at the scored rows of SCORED in the browser: by MIWV or another number, by status, flag or
    words; each beside its neighbour, with both losses and its place among all.

    SCORED: what `hf-miwv score` or `hf-miwv select` wrote, as a folder or a Hub id. The address to
    open is printed; Ctrl-C ends it. Rows are read from the disk page by page.
    """)  # fmt: skip
@click.argument("scored")
@click.option("--config", help="Of a Hub data set: what it was pushed with as --config.")
@click.option("--revision", help="Of a Hub data set.")
@serving_options
def app_command(
    scored: str, config: str | None, revision: str | None, host: str, port: int | None
) -> None:
    from hf_miwv.app.serving import listen, make_app, require_gradio, serve

    require_gradio()
    with listen(host, port) as place:
        from hf_miwv.app.page import build_page
        from hf_miwv.app.scored_rows import ScoredRows
        from hf_miwv.publishing.fetching import fetch_folder

        logger.info("reading %s", scored)
        rows = ScoredRows.open(fetch_folder(scored, config=config, revision=revision), scored)
        serve(make_app(build_page(rows)), place)
