"""`recipe list`, `show` and `copy` of both programs: the recipes that come with the packages."""

from __future__ import annotations

import re
import shutil
from itertools import takewhile
from pathlib import Path

import click

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.shipped import LAUNCH_FILES, shipped_recipe, shipped_recipes


def add_shipped_commands(group: click.Group, family: str) -> None:
    """Add the commands `list`, `show` and `copy` to a program's group `recipe`.

    Args:
        group (`click.Group`): The group.
        family (`str`): The program's recipes: "miwv" or "lmt". Launch files are shown beside them.
    """
    families = (family, LAUNCH_FILES)

    @group.command(
        "list",
        help=f"List the recipes that come with the package ({family}/), and the launch files of "
        f"`accelerate launch` ({LAUNCH_FILES}/), each with the first sentence of its head.",
    )
    @click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
    def list_command(as_json: bool) -> None:
        recipes = {name: (path, _first_sentence(path)) for name, path in shipped_recipes(*families).items()}
        if as_json:
            from hf_miwv.common.runs.json_text import json_text

            rows = [{"name": name, "description": line, "path": str(path)} for name, (path, line) in recipes.items()]
            click.echo(json_text({"recipes": rows}))
            return
        width = max(map(len, recipes))
        for name, (_, line) in recipes.items():
            click.echo(f"{name:<{width}}  {line}")

    @group.command("show", help=f"Print the recipe or launch file NAME: {family}/..., {LAUNCH_FILES}/....")
    @click.argument("name")
    def show_command(name: str) -> None:
        click.echo(shipped_recipe(name, *families).read_text("utf-8"), nl=False)

    @group.command(
        "copy",
        help="Copy the recipe or launch file NAME into FOLDER, by default the working folder, to be "
        "changed or given to `accelerate launch --config_file`.",
    )
    @click.argument("name")
    @click.argument("folder", type=click.Path(path_type=Path), default=Path())
    @click.option("--overwrite", is_flag=True, help="Replace a file of that name.")
    def copy_command(name: str, folder: Path, overwrite: bool) -> None:
        source = shipped_recipe(name, *families)
        target = folder / source.name
        if target.is_dir() or (target.exists() and not overwrite):
            advice = "give another FOLDER" if target.is_dir() else "give --overwrite, or another FOLDER"
            raise InputError(f"{target}: is there already; {advice}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        except OSError as error:
            raise InputError(f"{target}: cannot be written: {error.strerror}; give another FOLDER") from error
        click.echo(f"written: {target}", err=True)


def _first_sentence(path: Path) -> str:
    lines = takewhile(lambda line: re.match("# ?[^ #]", line), path.read_text("utf-8").splitlines())
    return " ".join(line.lstrip("# ") for line in lines).partition(". ")[0].rstrip(".")
