"""`hf-lmt train`: a recipe to a trained model."""

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
    Train the model of a recipe on its rows, and write it to the recipe's output_dir.

    The recipe is a YAML file, or the name of one that comes with the package (`hf-lmt recipe
    list`): the names of trl.SFTConfig and trl.ModelConfig, and the sections
    data, directions, curation, downsampling, pmp, mixture, evaluation and hub. KEYS replace parts
    of it: --max_steps 3 --pmp.share 0. With stage: grpo the model is rewarded for translations of
    its own, by a list of rewards and the names of trl.GRPOConfig. Killed at any moment, the same
    command goes on where it stopped. Several processes: `hf-lmt recipe copy accelerate/ddp`, then
    accelerate launch --config_file ddp.yaml -m hf_lmt train --config RECIPE. Needs the extra
    hf-miwv-lmt[train].
    """,
)
@click.option(
    "--config",
    "recipe",
    required=True,
    type=click.Path(path_type=Path),
    help="The recipe: a file, or a name such as lmt/0.6b/sft.",
)
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.argument("keys", nargs=-1, type=click.UNPROCESSED)
def train_command(recipe: Path, overwrite: bool, keys: tuple[str, ...]) -> None:
    """Train the model; see the help text."""
    from hf_lmt.recipes.training_recipe import read_training_recipe
    from hf_miwv.common.recipes.shipped import find_recipe

    training_recipe = read_training_recipe(find_recipe(recipe, "lmt"), keys)

    from hf_lmt.training.training import train

    run = train(training_recipe, overwrite=overwrite, origin={"command_line": ["hf-lmt", *sys.argv[1:]]})
    if "rewards" in run:
        last = f"reward {run['reward_curve'][-1]['reward']:.4f}"
    else:
        last = f"loss {run['loss_curve'][-1]['loss']:.4f} nats per token"
    logger.info("%d steps, last %s; written: %s", run["steps"], last, training_recipe.output)
