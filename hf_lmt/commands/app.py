"""`hf-lmt app`: translate, and look at evaluations, in the browser."""

from __future__ import annotations

import logging
from typing import Any

import click

from hf_lmt.commands.model_options import weight_options
from hf_miwv.common.app.serving import serving_options

logger = logging.getLogger(__name__)


@click.command(
    "app",
    help="""
    Translate with MODEL in the browser, in any direction, with the hint and the prompt behind each
    sentence; or look at the page of EVAL, what `hf-lmt evaluate` wrote; or both.

    The address to open is printed; Ctrl-C ends it. EVAL is a folder or a Hub id
    (USER/NAME@REVISION); of several of one set, the page shows them side by side. It has sources
    and references only where no other machine reaches it.
    """,
)
@click.option(
    "--model",
    help="A causal language model: Hub id (USER/NAME@REVISION), folder, GGUF file, or the folder of a PEFT adapter.",
)
@click.option("--evaluation", "evaluations", metavar="EVAL", multiple=True, help="May be given several times.")
@click.option(
    "--hints",
    type=click.Choice(["none", "self"]),
    default="none",
    show_default=True,
    help="Where the choice on the page stands first.",
)
@click.option(
    "--num-beams",
    "--beams",
    "num_beams",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Width of the beam search, as in the paper; 1: greedy, quicker.",
)
@click.option("--prompt", help="As for translate. [default: what the model was trained with, else lmt]")
@click.option("--form", type=click.Choice(["conversation", "text"]), help="As for translate. [default: the prompt's]")
@weight_options
@serving_options
def app_command(
    model: str | None,
    evaluations: tuple[str, ...],
    host: str,
    port: int | None,
    allowed_hosts: tuple[str, ...],
    **options: Any,
) -> None:
    """Serve the page; see the help text."""
    from hf_miwv.common.app.serving import host_names, is_private, listen, make_app, require_gradio, serve
    from hf_miwv.common.errors import InputError

    if model is None and not evaluations:
        raise InputError("nothing to show: give --model MODEL, --evaluation EVAL, or both")
    require_gradio()
    hosts = host_names(host, allowed_hosts)
    with listen(host, port) as address:
        from hf_lmt.app.translation_page import EVALUATION, build_page

        documents = {}
        if evaluations:
            documents[EVALUATION] = _page(evaluations, is_private(address))
        translator = _load(model, options) if model is not None else None
        page = build_page(translator, model or "", bool(evaluations))
        serve(make_app(page, documents, hosts), address)


def _page(evaluations: tuple[str, ...], with_texts: bool) -> str:
    from hf_lmt.evaluation.report.write_report import report_page

    logger.info("drawing %s", ", ".join(evaluations))
    return report_page(evaluations, with_texts)


def _load(model: str, options: dict[str, Any]) -> Any:
    from hf_lmt.translation.translator import Translator

    logger.info("loading %s", model)
    return Translator(model, **options)
