"""`hf-miwv app`: look at scored rows in the browser."""

from __future__ import annotations

import logging

import click

from hf_miwv.common.app.serving import serving_options

logger = logging.getLogger(__name__)


@click.command(
    "app",
    help="""
    Look at the scored rows of SCORED in the browser: by MIWV or another number, by status, flag or
    words; each beside its neighbor, with both losses and its place among all.

    SCORED: what `hf-miwv score` or `hf-miwv select` wrote, as a folder or a Hub id
    (USER/NAME@REVISION). The address to open is printed; Ctrl-C ends it. Rows are read from the
    disk page by page.
    """,
)
@click.argument("scored")
@click.option("--config", help="Configuration of a Hub data set.")
@serving_options
def app_command(scored: str, config: str | None, host: str, port: int | None, allowed_hosts: tuple[str, ...]) -> None:
    """Serve the page; see the help text."""
    from hf_miwv.common.app.serving import host_names, listen, make_app, require_gradio, serve
    from hf_miwv.common.errors import InputError
    from hf_miwv.common.reading.source import Source

    require_gradio()
    source = Source.parse(scored, config=config)
    if config is not None and source.is_local:
        raise InputError(f"--config {config}: is for the Hub, and {scored} is here; omit it")
    hosts = host_names(host, allowed_hosts)
    with listen(host, port) as listener:
        # Behind the open port: a port that is taken is said before gradio is imported, which takes seconds.
        from hf_miwv.app.row_page import build_page
        from hf_miwv.app.scored_rows import ScoredRows
        from hf_miwv.common.hub.fetching import fetch_folder

        logger.info("reading %s", scored)
        rows = ScoredRows.open(fetch_folder(source), scored)
        serve(make_app(build_page(rows), hosts=hosts), listener)
