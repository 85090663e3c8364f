"""`hf-miwv score`: rows in, the same rows with their scores out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_miwv.commands.score_options import HIGH, data_options, output_options, scoring_options
from hf_miwv.common.command_line import json_option, options
from hf_miwv.common.hub.push_command import TO_HUB_OPTIONS, push_result, take_hub_options


@click.command(
    "score",
    help=f"""
    Score every row of DATA with MODEL and write the folder OUTPUT.

    DATA: a Hub id, or a JSON, JSONL, CSV or Parquet file, or a folder. MODEL: a Hub id, a folder
    or a GGUF file. {HIGH} Killed at any moment, the same command goes on where it stopped.
    """,
)
@data_options
@click.option("--model", required=True, help="The causal language model that will be tuned.")
@scoring_options
@click.option("--executor", metavar="local:TASKS", help="Score in tasks, in as many processes. Needs the extra scale.")
@click.option(
    "--executor-config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file: tasks, workers.",
)
@output_options
@options(*TO_HUB_OPTIONS)
@json_option
def score_command(**arguments: Any) -> None:
    """Score the rows; see the help text."""
    # Before hours of work: a repository that cannot be pushed to is refused now.
    to_hub = take_hub_options(arguments)
    from hf_miwv.commands.score_and_select import score_data

    score_data(**arguments)
    push_result(arguments["output"], to_hub)
