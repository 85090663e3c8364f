"""The door: `hf-lmt COMMAND`; heavy imports wait inside the commands."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import click

from hf_lmt.errors import InputError, did_you_mean
from hf_lmt.languages_command import languages_command


class Refused(click.ClickException):
    """What the caller gave cannot be used."""

    exit_code = 2


class Commands(click.Group):
    """A group that turns InputError into a message and exit code 2, and knows mistyped commands."""

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


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, help="""
    Train and judge one model that translates 60 languages in 234 directions (LMT, arXiv
    2511.07003) without losing some of them.
    """)  # fmt: skip
@click.version_option(package_name="hf-miwv-lmt", prog_name="hf-lmt")
def main() -> None:
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    first = os.environ.get("RANK", "0") == "0"  # of several processes, one does the talking
    logging.getLogger("hf_lmt").setLevel(logging.INFO if first else logging.WARNING)


for command in (languages_command,):
    main.add_command(command)


if __name__ == "__main__":
    main()
