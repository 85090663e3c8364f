"""The option `--json` of commands whose numbers also go to a file, or to standard output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

STDOUT = Path("-")

json_file_option = click.option(
    "--json",
    "json_file",
    is_flag=False,
    flag_value=str(STDOUT),
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="File to write all numbers to; as the last word, without a file: standard output, in place of tables.",
)


def check_json_file(json_file: Path | None) -> None:
    """Check, before any work, that the file can be written where it is asked for.

    Args:
        json_file (`Path`, *optional*): The value of `--json`.

    Raises:
        InputError: Its folder is not there.
    """
    from hf_miwv.common.errors import InputError

    if json_file not in (None, STDOUT) and not Path(str(json_file)).absolute().parent.is_dir():
        raise InputError(f"--json {json_file}: no such folder; make it first")


def show_numbers(json_file: Path | None, text: str, show: Callable[[], Any]) -> None:
    """Show tables and write the numbers to the file, or print the numbers alone where `--json` has no file.

    Args:
        json_file (`Path`, *optional*): The value of `--json`.
        text (`str`): The numbers as JSON.
        show (`Callable[[], Any]`): Prints the tables.
    """
    if json_file == STDOUT:
        click.echo(text.rstrip("\n"))
        return
    show()
    if json_file is not None:
        # Renamed when it is whole, so that a kill leaves no half file.
        part = json_file.with_name(f"{json_file.name}.part")
        part.write_text(text.rstrip("\n") + "\n", "utf-8")
        part.replace(json_file)
