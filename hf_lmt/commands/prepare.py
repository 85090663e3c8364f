"""`hf-lmt prepare`: a recipe to rows that a trainer reads."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from hf_miwv.common.command_line import json_option, show_result
from hf_miwv.common.errors import InputError

logger = logging.getLogger(__name__)


@click.command(
    "prepare",
    help="""
    Make the rows that RECIPE, a YAML file or the name of a recipe that comes with the package
    (`hf-lmt recipe list`), asks for, and write them to the folder OUTPUT.

    Sources are read, curated and limited; rows into English and Chinese are thinned (Strategic
    Downsampling); each gets its prompt, half of them with a hint (Parallel Multilingual
    Prompting). With a mixture in the recipe: lines for continued pre-training. OUTPUT is a data
    set with a card and a run.json. Killed, it goes on when the same command is given.
    """,
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--num-proc",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes for joins and prompts; the rows are the same.",
)
@click.option("--keep-rejects", is_flag=True, help="Write what curation takes, with the reasons.")
@click.option(
    "--executor",
    metavar="NAME[:TASKS]",
    help="Prepare in tasks: local:8, ray, slurm or hf-jobs. Needs the extra scale.",
)
@click.option(
    "--executor-config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file: tasks, workers, and what datatrove's executor takes (partition, time ...).",
)
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@json_option
def prepare_command(
    as_json: bool,
    recipe: Path,
    output: Path,
    num_proc: int,
    keep_rejects: bool,
    executor: str | None,
    executor_config: Path | None,
    overwrite: bool,
) -> None:
    """Prepare the rows; see the help text."""
    from hf_lmt.commands.prepare_in_tasks import prepare_in_tasks
    from hf_lmt.data.prepare.data_recipe import read_data_recipe
    from hf_lmt.data.prepare.preparation_summary import show_prepared
    from hf_lmt.data.prepare.prepare import prepare
    from hf_lmt.data.prepare.trl_line import trl_line
    from hf_miwv.common.recipes.shipped import find_recipe

    data_recipe = read_data_recipe(find_recipe(recipe, "lmt"))
    origin = {"command_line": ["hf-lmt", *sys.argv[1:]]}
    if executor is None:
        if executor_config is not None:
            raise InputError(f"--executor-config {executor_config}: belongs to --executor; give that, too")
        run = prepare(
            data_recipe, output, num_proc=num_proc, overwrite=overwrite, keep_rejects=keep_rejects, origin=origin
        )
    else:
        if keep_rejects or num_proc > 1:
            raise InputError("--keep-rejects and --num-proc belong to one machine; leave them out, or --executor")
        sharded = prepare_in_tasks(data_recipe, output, executor, executor_config, overwrite, origin)
        if sharded is None:
            return
        run = sharded
    show_result(as_json, run, lambda: show_prepared(run))
    click.echo(f"written: {output}; open {output / 'README.md'}", err=True)
    if line := trl_line(output, data_recipe.training):
        logger.info("train on these rows with TRL:\n  %s", line)
    else:
        logger.info("TRL does not train GGUF weights; on this recipe's model: hf-lmt train --config %s", recipe)
