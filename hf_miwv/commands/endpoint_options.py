"""The options of commands that ask an OpenAI-compatible endpoint, and the refusal of options of the other kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from hf_miwv.common.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])


def endpoint_options(command: Command) -> Command:
    """Add --request-fields, --timeout and --concurrency to a command.

    Args:
        command (`Callable[..., Any]`): The function of the command.

    Returns:
        `Callable[..., Any]`: The same function, with the options.
    """
    options = [
        click.option(
            "--request-fields",
            metavar="JSON",
            help="Endpoint: fields to add to each request, or to take out with null: '{\"temperature\": null}'.",
        ),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0, min_open=True),
            help="Endpoint: seconds to wait for a reply. [default: 120]",
        ),
        click.option("--concurrency", type=click.IntRange(min=1), help="Endpoint: requests at a time. [default: 8]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def read_request_fields(text: str | None) -> dict[str, Any] | None:
    """Read the value of --request-fields.

    Args:
        text (`str`, *optional*): The value.

    Returns:
        `dict[str, Any] | None`: The fields; None where the option is not given.

    Raises:
        InputError: it is no JSON object.
    """
    if text is None:
        return None
    try:
        fields = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"--request-fields {text!r} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise InputError(f'--request-fields {text!r}: give an object, as {{"temperature": null}}')
    return fields


def refuse_options(settings: Mapping[str, Any], names: Sequence[str], kind: str) -> None:
    """Refuse options that would have no effect, which must not pass in silence.

    Args:
        settings (`Mapping[str, Any]`): Values of the options, None where not given.
        names (`Sequence[str]`): Those that do not go with `kind`.
        kind (`str`): The endpoint or model that is used, for the message.

    Raises:
        InputError: one of them is given.
    """
    wrong = [f"--{name.replace('_', '-')}" for name in names if settings[name] is not None]
    if wrong:
        raise InputError(f"{', '.join(wrong)}: not for {kind}; leave it out")
