"""The door: `hf-lmt COMMAND`; heavy imports wait inside the commands."""

from __future__ import annotations

import logging
import os
import sys

import click

from hf_lmt.commands.languages import languages_command
from hf_miwv.door import Commands


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
