"""`hf-miwv recipe`: the recipes that come with the package; what one will do, before it costs."""

from __future__ import annotations

from pathlib import Path

import click

from hf_miwv.common.recipes.recipe_commands import add_shipped_commands


@click.group("recipe", help="The recipes that come with the package; look at one before it is run.")
def recipe_command() -> None:
    """Group the commands about recipes."""


add_shipped_commands(recipe_command, "miwv")


@recipe_command.command(
    "check",
    context_settings={"ignore_unknown_options": True},
    help="""
    Read RECIPE, a file or the name of a recipe that comes with the package, as `hf-miwv train` would
    in one process, and say what it will do. Needs neither GPU nor weights. KEYS replace parts of it,
    as for `train`. Ends with 2 where there is anything wrong, and says all of it.
    """,
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("keys", nargs=-1, type=click.UNPROCESSED)
def check_command(recipe: Path, keys: tuple[str, ...]) -> None:
    """Print what a recipe will do, on standard output."""
    from hf_miwv.common.recipes.shipped import find_recipe
    from hf_miwv.training.train_recipe import read_recipe

    wanted = read_recipe(find_recipe(recipe, "miwv"), keys)
    tuned = "all weights" if wanted.lora is None else "a LoRA adapter"
    for name, words in {
        "model": f"{wanted.model}, {tuned}",
        "data": ", ".join(str(entry["path"]) for entry in wanted.datasets),
        "scoring": _words(wanted.scoring),
        "selection": _words(wanted.selection),
        "training": _words(wanted.training),
        "output": wanted.output_dir,
    }.items():
        click.echo(f"{name}: {words}")


def _words(section: dict[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in section.items()) or "the defaults"
