"""`hf-miwv train`: score, select, tune, save, by a recipe."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

logger = logging.getLogger(__name__)


@click.command(
    "train",
    context_settings={"ignore_unknown_options": True},
    help="""
    Score the data of a recipe with its model, choose, and tune the model on what was chosen.

    The recipe is a YAML file, or the name of one that comes with the package (`hf-miwv recipe list`),
    with TRL's own names at its top (trl.SFTConfig, trl.ModelConfig, dataset_name or
    datasets), and the sections data, scoring, selection and hub; a file for `trl sft` is one once it has a
    section selection. KEYS replace parts of it: --max_steps 3 --selection.fraction 0.1. Killed at any moment,
    the same command goes on where it stopped. Needs the extra hf-miwv-lmt[train].
    """,
)
@click.option(
    "--config",
    "recipe",
    required=True,
    type=click.Path(path_type=Path),
    help="The recipe: a file, or a name such as miwv/smoke.",
)
@click.option(
    "--output", type=click.Path(path_type=Path), help="Folder to write, in place of the recipe's output_dir."
)
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.argument("keys", nargs=-1, type=click.UNPROCESSED)
def train_command(recipe: Path, output: Path | None, overwrite: bool, keys: tuple[str, ...]) -> None:
    """Score, select and tune by a recipe."""
    from hf_miwv.common.recipes.shipped import find_recipe
    from hf_miwv.common.runs.folder import check_output
    from hf_miwv.common.runs.launched_sharding import refuse_shards
    from hf_miwv.common.runs.processes import Processes
    from hf_miwv.training.recipe_rows import local_inputs, origin_of, read_rows
    from hf_miwv.training.train_recipe import read_recipe
    from hf_miwv.training.training import train

    refuse_shards(
        "scoring before the training",
        "accelerate/multi_gpu, with fsdp: full_shard in the recipe where training needs shards",
    )
    wanted = read_recipe(find_recipe(recipe, "miwv"), keys, output)
    for path in local_inputs(wanted.datasets, wanted.model, wanted.scored):
        check_output(wanted.output_dir, overwrite, path)
    held_out = [{**entry, "split": wanted.test_split} for entry in wanted.datasets] if wanted.test_split else None
    run = train(
        read_rows(wanted.datasets),
        wanted.model,
        output_dir=wanted.output_dir,
        selection=wanted.selection,
        training=wanted.training,
        lora=wanted.lora,
        loading=wanted.loading,
        scoring=wanted.scoring,
        columns=wanted.columns,
        held_out=read_rows(held_out) if held_out else None,
        scored=wanted.scored,
        license=wanted.license,
        hub=wanted.hub,
        recipe=wanted.text,
        overwrite=overwrite,
        origin={**origin_of(wanted.datasets), "command_line": ["hf-miwv", *sys.argv[1:]]},
    )
    if Processes.launched().first:
        logger.info(
            "%d steps, last loss %.4f nats per token; written: %s",
            run["steps"],
            run["loss_curve"][-1]["loss"],
            wanted.output_dir,
        )
