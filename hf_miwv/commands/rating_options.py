"""The options of commands that score: who rates the rows, for Deita and AlpaGasus, and how they are asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_miwv.commands.endpoint_options import read_request_fields
from hf_miwv.common.command_line import options

SCORERS = ("complexity_scorer", "quality_scorer", "complexity_prompt", "quality_prompt")
JUDGE = ("rating_judge", "rating_judge_model", "rating_dimension", "rating_request_fields")
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
    click.option(
        "--rating-judge",
        metavar="ENDPOINT_OR_MODEL",
        help="Of --also alpagasus: who rates the responses, the address of an OpenAI-compatible endpoint "
        "(https://HOST/v1) or a model to run here. The key comes from the environment, as for judge.",
    ),
    click.option("--rating-judge-model", help="With an endpoint: the name of the model behind it."),
    click.option("--rating-dimension", metavar="WORDS", help="What is rated, from 0 to 5. [default: accuracy]"),
    click.option(
        "--rating-request-fields",
        metavar="JSON",
        callback=lambda _context, _option, text: read_request_fields(text),
        help="With an endpoint: fields to add to each request, or to take out with null: '{\"temperature\": null}'.",
    ),
)


def given_ratings(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the values of these options that were given out of all values of a command.

    Args:
        settings (`dict[str, Any]`): The values by name; those of `rating_options` are taken out.

    Returns:
        `dict[str, Any]`: Arguments of `score`; paths as text, for records.
    """
    values = {name: settings.pop(name) for name in (*SCORERS, *JUDGE)}
    return {
        name: str(value) if isinstance(value, Path) else value for name, value in values.items() if value is not None
    }
