"""What both command lines stand on: refusals without a traceback, mistyped commands."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from hf_miwv.errors import InputError, did_you_mean


class Refused(click.ClickException):
    """What the caller gave cannot be used."""

    exit_code = 2


class Commands(click.Group):
    """A group that turns InputError into a message and exit code 2, and knows mistyped commands.

    Its help lists the commands in the order in which people need them.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except InputError as error:
            raise Refused(str(error)) from error

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments and arguments[0] not in self.commands:
            hint = did_you_mean(arguments[0], self.commands)
            raise click.UsageError(f"no such command {arguments[0]!r}: {hint}", context)
        return super().resolve_command(context, arguments)


def start_logging(*packages: str) -> None:
    """News of these packages to stderr; of several processes, one does the talking."""
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    first = os.environ.get("RANK", "0") == "0"
    # bitsandbytes tells of a faster kernel that it could not fetch, whatever it is asked for
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    for package in packages:
        logging.getLogger(package).setLevel(logging.INFO if first else logging.WARNING)
