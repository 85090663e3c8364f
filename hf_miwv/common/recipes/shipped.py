"""Recipes and launch files that come with the packages, by name: lmt/0.6b/sft, accelerate/ddp."""

from __future__ import annotations

import logging
from pathlib import Path

from hf_miwv.common.errors import InputError, did_you_mean

logger = logging.getLogger(__name__)

PACKAGE = Path(__file__).parents[2]
LAUNCH_FILES = "accelerate"


def recipe_folder() -> Path:
    """Return the folder of the recipes: within an installed package, else that of the checkout.

    Returns:
        `Path`: `recipe_files` of the package, where setup.py puts them in a wheel; `recipes` beside it
            in a checkout or an editable installation.
    """
    installed = PACKAGE / "recipe_files"
    return installed if installed.is_dir() else PACKAGE.parent / "recipes"


def shipped_recipes(*families: str) -> dict[str, Path]:
    """List the recipes of some families by name, in alphabetical order.

    Args:
        *families (`str`): Folders of the recipes: "miwv", "lmt", "accelerate" (launch files).

    Returns:
        `dict[str, Path]`: `{"lmt/0.6b/sft": path, ...}`.
    """
    folder = recipe_folder()
    files = (path for family in families for path in sorted((folder / family).rglob("*.yaml")))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def shipped_recipe(name: str, *families: str) -> Path:
    """Find a recipe that comes with the package by its name.

    Args:
        name (`str`): Its name, with or without the first of its families: "lmt/0.6b/sft", "0.6b/sft".
        *families (`str`): Where to look, as for `shipped_recipes`; the first may be left out of the name.

    Returns:
        `Path`: The file.

    Raises:
        InputError: There is none of that name.
    """
    recipes = shipped_recipes(*families)
    path = recipes.get(name) or recipes.get(f"{families[0]}/{name}")
    if path is None:
        # also for the path that a recipe has in the checkout
        near = f"{families[0]}/{name.removeprefix('recipes/').removeprefix(f'{families[0]}/').removesuffix('.yaml')}"
        raise InputError(f"{name}: no recipe of that name comes with the package; {did_you_mean(near, recipes)}")
    return path


def find_recipe(recipe: Path, family: str) -> Path:
    """Return the file that a command's `--config` names: a file of the user, else a shipped recipe.

    Args:
        recipe (`Path`): A path, or the name of a recipe that comes with the package.
        family (`str`): The family that the command reads: "miwv", "lmt" or "accelerate".

    Returns:
        `Path`: `recipe` itself where it is there, else the shipped file.

    Raises:
        InputError: No such file, and no shipped recipe of that name.
    """
    if recipe.exists() and not recipe.is_dir():  # a pipe is no regular file, and can be read
        return recipe
    try:
        path = shipped_recipe(recipe.as_posix(), family)
    except InputError as error:
        raise InputError(f"{recipe}: is no file here, and {str(error).partition(': ')[2]}") from error
    logger.info("recipe: %s, which comes with the package (%s)", recipe, path)
    return path
