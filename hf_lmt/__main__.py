"""The door: `hf-lmt COMMAND`; heavy imports wait inside the commands."""

from __future__ import annotations

import click

from hf_lmt.commands.app import app_command
from hf_lmt.commands.card import card_command
from hf_lmt.commands.curate import curate_command
from hf_lmt.commands.demo import demo_command
from hf_lmt.commands.diagnose import diagnose_command
from hf_lmt.commands.evaluate import evaluate_command
from hf_lmt.commands.inspect import inspect_command
from hf_lmt.commands.languages import languages_command
from hf_lmt.commands.prepare import prepare_command
from hf_lmt.commands.push import push_command
from hf_lmt.commands.recipe import recipe_command
from hf_lmt.commands.report import report_command
from hf_lmt.commands.serve_comet import serve_comet_command
from hf_lmt.commands.synthesize import synthesize_command
from hf_lmt.commands.train import train_command
from hf_lmt.commands.translate import translate_command
from hf_miwv.common.command_line import CONTEXT, Commands, logging_options, start_logging


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    help="""
    Train and judge one model that translates 60 languages in 234 directions (LMT, arXiv
    2511.07003) without losing some of them.
    """,
)
@click.version_option(package_name="hf-miwv-lmt", prog_name="hf-lmt")
@logging_options
def main(quiet: bool, verbose: bool, log_level: str | None) -> None:
    """Start logging; the command does the rest."""
    start_logging("hf_lmt", "hf_miwv", quiet=quiet, verbose=verbose, log_level=log_level)


for command in (
    languages_command,
    inspect_command,
    curate_command,
    synthesize_command,
    prepare_command,
    recipe_command,
    train_command,
    serve_comet_command,
    translate_command,
    evaluate_command,
    diagnose_command,
    report_command,
    app_command,
    card_command,
    push_command,
    demo_command,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
