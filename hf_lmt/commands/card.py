"""`hf-lmt card`: the card of a model, with its evaluations; or of one that a recipe will make."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(
    "card",
    help="""
    Write the card of MODEL, a folder that `hf-lmt train` wrote, anew: with results, and ready to be
    pushed. The evaluations' tables and heat maps go into MODEL/eval. What stands between the
    markers "your words" of the card is kept.

    In place of MODEL, a recipe (YAML, or the name of one that `hf-lmt recipe list` shows): the card
    of what it will make, which says that it is not trained yet, to the file --output.
    """,
)
@click.argument("model", metavar="MODEL|RECIPE", type=click.Path(path_type=Path))
@click.option(
    "--evaluation",
    "evaluations",
    metavar="EVAL",
    multiple=True,
    help="A folder that `hf-lmt evaluate` wrote of this model, or its id on the Hub; "
    "several: give the option again. Those of earlier cards stay.",
)
@click.option(
    "--repo-id",
    "--repository",
    "repository",
    metavar="OWNER/NAME",
    help="Where the model is, or will be, on the Hub: the card's title, and what its examples load.",
)
@click.option(
    "--base-model", metavar="OWNER/NAME", help="The base on the Hub, where training started from a local path."
)
@click.option(
    "--license",
    "--licence",
    "license",
    metavar="NAME",
    help="Of the model, by the Hub's name: apache-2.0. [default: the recipe's hub: {license: ...}]",
)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="With a recipe: the file to write.")
def card_command(
    model: Path,
    evaluations: tuple[str, ...],
    repository: str | None,
    base_model: str | None,
    license: str | None,
    output: Path | None,
) -> None:
    """Write the card; see the help text."""
    from hf_lmt.model_card.metadata import CardAdditions
    from hf_lmt.model_card.write_model_card import write_model_card, write_planned_card
    from hf_miwv.common.errors import InputError

    statements = CardAdditions(repository, base_model, license)
    if model.is_dir():
        if output is not None:
            raise InputError(f"--output {output}: the card of a model lies in its folder; leave --output out")
        written = write_model_card(model, evaluations, statements)
    else:
        if output is None or evaluations:
            raise InputError(
                f"{model}: is no folder that hf-lmt train wrote; of a recipe, which is not trained yet, "
                "give --output FILE, and no --evaluation"
            )
        from hf_lmt.recipes.launch import Launch
        from hf_lmt.recipes.training_recipe import read_training_recipe
        from hf_miwv.common.recipes.shipped import find_recipe

        training_recipe = read_training_recipe(find_recipe(model, "lmt"), (), Launch())
        written = write_planned_card(training_recipe, output, statements)
    click.echo(f"written: {written}", err=True)
