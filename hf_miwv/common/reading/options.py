"""Options for reading DATA that several commands share."""

from __future__ import annotations

import click

field_option = click.option(
    "--field",
    metavar="KEY",
    help="Of a JSON file {KEY: [row, ...]}: where its rows lie. [default: the one key that holds a list of objects]",
)
