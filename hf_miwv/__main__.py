"""The door: `hf-miwv COMMAND`; heavy imports wait inside the commands."""

from __future__ import annotations

import click

from hf_miwv.commands.answer import answer_command
from hf_miwv.commands.app import app_command
from hf_miwv.commands.compare import compare_command
from hf_miwv.commands.demo import demo_command
from hf_miwv.commands.judge import judge_command
from hf_miwv.commands.precision import precision_command
from hf_miwv.commands.recipe import recipe_command
from hf_miwv.commands.score import score_command
from hf_miwv.commands.score_options import HIGH
from hf_miwv.commands.select import select_command
from hf_miwv.commands.train import train_command
from hf_miwv.commands.trial import trial_command
from hf_miwv.common.command_line import CONTEXT, Commands, logging_options, start_logging
from hf_miwv.common.hub.push_command import push_command


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    help=f"""
    Choose the instructions that would teach your own model most (MIWV, arXiv 2511.07074).

    Each row is scored with the very model that will be tuned: its loss on the response behind the
    nearest other row as a worked example, less its loss without. {HIGH}
    """,
)
@click.version_option(package_name="hf-miwv-lmt", prog_name="hf-miwv")
@logging_options
def main(quiet: bool, verbose: bool, log_level: str | None) -> None:
    """Set up the log; the work is in the commands."""
    start_logging("hf_miwv", quiet=quiet, verbose=verbose, log_level=log_level)


for command in (
    score_command,
    select_command,
    precision_command,
    compare_command,
    recipe_command,
    train_command,
    trial_command,
    answer_command,
    judge_command,
    push_command,
    app_command,
    demo_command,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
