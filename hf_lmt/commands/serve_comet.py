"""`hf-lmt serve-comet`: a COMET model behind an address, for rewards of trainings elsewhere."""

from __future__ import annotations

import logging

import click

logger = logging.getLogger(__name__)


@click.command(
    "serve-comet",
    help="""
    Serve MODEL, a COMET checkpoint, over HTTP: its scores as rewards for trainings on other devices
    or machines, with `rewards: [{reward: gated_comet, base_url: "http://HOST:8500/v1"}]` in the recipe.

    MODEL is a folder or an id on the Hub, such as Unbabel/wmt22-comet-da. POST /v1/score takes JSON
    with the lists `source`, `translation` and `reference`; GET /v1/identity says which model it is.
    Ctrl-C ends it.
    """,
)
@click.argument("model")
@click.option("--model-revision", "revision", help="Revision of MODEL on the Hub.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of the encoder. [default: bfloat16 on an accelerator, float32 on a CPU]",
)
@click.option("--device", help="cpu, cuda, cuda:1, mps. [default: the accelerator at hand]")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at. The default is reached from this machine only; 0.0.0.0 from all that can reach it, "
    "without a password.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8500, show_default=True, help="Port to listen at.")
def serve_comet_command(
    model: str, revision: str | None, dtype: str | None, device: str | None, host: str, port: int
) -> None:
    """Load the model and serve it; see the help text."""
    from hf_lmt.comet.comet_server import CometServer, serve_comet
    from hf_lmt.comet.load_comet import default_dtype, load_comet
    from hf_miwv.common.app.serving import is_private, listen

    # The port before the model: one that is taken is told at once, and who asks while the model is loaded waits.
    with listen(host, port) as listener:
        logger.info("loading %s", model)
        loaded = load_comet(model, revision=revision, dtype=dtype or default_dtype(device), device=device)
        server = CometServer(loaded, listener)
        address = f"[{host}]" if ":" in host else host
        logger.info("%s is served at http://%s:%d/v1 (Ctrl-C ends it)", loaded.identity, address, port)
        if not is_private(listener):
            logger.warning("whoever can reach port %d of this machine can use the model", port)
        serve_comet(server)
