"""Options of commands that read a corpus or an evaluation set, and what they say of it."""

from __future__ import annotations

from typing import Any

import click

from hf_miwv.common.command_line import options

language_names_option = click.option(
    "--language-names",
    metavar="NAME=CODE",
    help="What names mean that are not known, with commas between: no=nb,zh-TW=zh.",
)
source_options = options(
    click.option(
        "--languages",
        metavar="CODES",
        help="Languages to read, with commas between. Where the data has two names of one "
        "language, en=en-US says which is read.",
    ),
    language_names_option,
    click.option(
        "--cells",
        metavar="NAMES",
        help="For TSV and CSV: what each cell of a line is, with commas between: score,-,en,de. "
        "- is not read; what is no language is kept as a column.",
    ),
    click.option(
        "--skip-broken-units",
        is_flag=True,
        help="For TMX: leave out and count units that are not valid XML.",
    ),
)
"""--languages, --language-names, --cells and --skip-broken-units."""


def source_fields(
    languages: str | None, language_names: str | None, cells: str | None, skip_broken_units: bool
) -> dict[str, Any]:
    """Return the fields of `Source` that these options stand for; none of those that are not given.

    `--languages en=en-US` alone restricts nothing; beside others (`en=en-US,de`) it names a
    language to read, too.

    Args:
        languages (`str`, *optional*): Value of --languages.
        language_names (`str`, *optional*): Value of --language-names.
        cells (`str`, *optional*): Value of --cells.
        skip_broken_units (`bool`): Value of --skip-broken-units.

    Returns:
        `dict[str, Any]`: Fields by name.

    Raises:
        InputError: a name without a code, or the other way round.
    """
    fields: dict[str, Any] = {}
    named = listed(languages)
    variants = _pairs("--languages", [language for language in named if "=" in language], "en=en-US")
    if variants:
        fields["variants"] = variants
    if len(variants) < len(named):
        fields["languages"] = [language.partition("=")[0] for language in named]
    if names := _pairs("--language-names", listed(language_names), "no=nb"):
        fields["language_names"] = names
    if cells:
        fields["cells"] = [part.strip() for part in cells.split(",")]
    if skip_broken_units:
        fields["skip_broken_units"] = True
    return fields


def listed(text: str | None) -> list[str]:
    """Split a text at its commas.

    Args:
        text (`str`, *optional*): The text of an option.

    Returns:
        `list[str]`: Its parts, stripped, without empty ones.
    """
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _pairs(option: str, parts: list[str], example: str) -> dict[str, str]:
    from hf_miwv.common.errors import InputError

    pairs = {}
    for part in parts:
        name, _, value = (side.strip() for side in part.partition("="))
        if not name or not value:
            raise InputError(f"{option} {part}: write NAME=NAME, as in {example}")
        if name in pairs:
            raise InputError(f"{option}: {name} is there twice; give it once")
        pairs[name] = value
    return pairs
