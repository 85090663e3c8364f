"""`hf-lmt push`: a model, an evaluation or prepared rows to the Hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from hf_miwv.common.hub.push_command import push_options

logger = logging.getLogger(__name__)


@click.command(
    "push",
    help="""
    Put FOLDER, a model, an evaluation or prepared rows, on the Hub as USER/NAME.

    All of it in one commit. A model becomes a model repository, all else a data set that
    `load_dataset` opens by its id. Private unless --public is given. Interrupted, the same
    command goes on and sends nothing twice. The token is that of `hf auth login`, or HF_TOKEN.
    """,
)
@click.argument("folder", type=click.Path(path_type=Path))
@push_options
def push_command(folder: Path, **options: Any) -> None:
    """Push the folder; see the help text."""
    from hf_miwv.common.hub.telling import push_folder

    push_folder(folder, logger, **options)
