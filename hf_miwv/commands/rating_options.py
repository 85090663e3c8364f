"""The options of commands that score: who rates the rows for Deita, and by which prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_miwv.common.command_line import options

SCORERS = ("complexity_scorer", "quality_scorer", "complexity_prompt", "quality_prompt")
rating_options = options(
    click.option(
        "--complexity-scorer",
        metavar="MODEL",
        help="Of --also deita: the model that rates how complex an instruction is, such as "
        "hkust-nlp/deita-complexity-scorer, saved as safetensors.",
    ),
    click.option(
        "--quality-scorer",
        metavar="MODEL",
        help="Of --also deita: the model that rates how good an answer is, such as hkust-nlp/deita-quality-scorer.",
    ),
    click.option(
        "--complexity-prompt",
        type=click.Path(path_type=Path),
        help="Text file: what the complexity scorer is asked, with {instruction}. A published scorer needs the prompt "
        "of its card. [default: words of ours]",
    ),
    click.option(
        "--quality-prompt",
        type=click.Path(path_type=Path),
        help="Text file: what the quality scorer is asked, with {instruction} and {output}. [default: words of ours]",
    ),
)


def given_ratings(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the values of these options that were given out of all values of a command.

    Args:
        settings (`dict[str, Any]`): The values by name; those of `rating_options` are taken out.

    Returns:
        `dict[str, Any]`: Arguments of `score`; paths as text, for records.
    """
    values = {name: settings.pop(name) for name in SCORERS}
    return {name: str(value) for name, value in values.items() if value is not None}
