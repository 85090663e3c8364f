"""`hf-lmt recipe`: the recipes that come with the package; what one will do, before it costs."""

from __future__ import annotations

from pathlib import Path

import click

from hf_miwv.common.command_line import json_option, show_result
from hf_miwv.common.recipes.recipe_commands import add_shipped_commands


@click.group("recipe", help="The recipes that come with the package; look at one before it is run.")
def recipe_command() -> None:
    """Group the commands about recipes."""


add_shipped_commands(recipe_command, "lmt")


@recipe_command.command(
    "check",
    context_settings={"ignore_unknown_options": True},
    help="""
    Read RECIPE, a file or the name of a recipe that comes with the package, as `hf-lmt train` would,
    and say what it will train on, for how many steps and in how much memory. Needs neither GPU nor
    weights. KEYS replace parts of it, as for `train`. Ends with 2 where there is anything wrong, and
    says all of it.
    """,
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--launch",
    "launch_file",
    type=click.Path(path_type=Path),
    help="The launch file that it will be run with, or its name (accelerate/ddp). [default: one process]",
)
@click.argument("keys", nargs=-1, type=click.UNPROCESSED)
@json_option
def check_command(as_json: bool, recipe: Path, launch_file: Path | None, keys: tuple[str, ...]) -> None:
    """Check the recipe; see the help text."""
    from hf_lmt.recipes.launch import Launch
    from hf_miwv.common.recipes.shipped import LAUNCH_FILES, find_recipe

    launch = Launch.from_file(find_recipe(launch_file, LAUNCH_FILES)) if launch_file else Launch()

    from hf_lmt.recipes.training_recipe import read_training_recipe

    training_recipe = read_training_recipe(find_recipe(recipe, "lmt"), keys, launch)

    from hf_lmt.training.check import check_recipe, show_check

    facts = check_recipe(training_recipe, launch)
    show_result(as_json, facts, lambda: show_check(facts, training_recipe))
