"""`hf-miwv push`: a finished folder to the Hub."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from hf_miwv.common.command_line import options

logger = logging.getLogger(__name__)

push_options = options(
    click.argument("repo_id", metavar="USER/NAME"),
    click.option(
        "--public",
        is_flag=True,
        help="A repository that is made now can be read by all; "
        "needed, too, to push to one that is public already. [default: private]",
    ),
    click.option("--revision", help="Branch to push to; made where it is not there."),
    click.option("--pull-request", is_flag=True, help="Propose the change to the main branch."),
    click.option("--message", metavar="TEXT", help="Of the commit."),
    click.option(
        "--base-model",
        metavar="OWNER/NAME",
        help="Of a model whose own was a local path: what the card and the adapter name.",
    ),
    click.option(
        "--allow",
        multiple=True,
        metavar="FILE",
        help="Send this file of FOLDER although "
        "it looks like a pickle, or holds what looks like a token or a key. May be given "
        "several times.",
    ),
)
"""Options that `hf-miwv push` and `hf-lmt push` have in common, behind the folder."""

TO_HUB_OPTIONS = (
    click.option(
        "--push-to-hub",
        metavar="USER/NAME",
        help="Then put OUTPUT on the Hub, in one commit. Private, unless --public is given.",
    ),
    click.option("--public", is_flag=True, help="With --push-to-hub: as for hf-miwv push."),
    click.option("--hub-revision", metavar="BRANCH", help="With --push-to-hub: branch to push to."),
    click.option("--pull-request", is_flag=True, help="With --push-to-hub: propose the change to the main branch."),
)
"""Options that commands have in common that push their results."""


def take_hub_options(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """Take the arguments for `push`, which follows the work, out of a command's arguments.

    Args:
        arguments (`dict[str, Any]`): The command's arguments; those of TO_HUB_OPTIONS are removed.

    Returns:
        `dict[str, Any] | None`: Arguments of `push`; None where the result stays here.

    Raises:
        InputError: before any work, for what `push` would refuse afterwards.
    """
    from hf_miwv.common.errors import InputError

    repository = arguments.pop("push_to_hub")
    options = {
        "private": not arguments.pop("public"),
        "revision": arguments.pop("hub_revision"),
        "pull_request": arguments.pop("pull_request"),
    }
    if repository is None:
        if not options["private"] or options["revision"] or options["pull_request"]:
            raise InputError(
                "--public, --hub-revision and --pull-request: are for --push-to-hub "
                "USER/NAME; give it, or leave them out"
            )
        return None
    # The Hub's client is imported only here, so that commands without --push-to-hub start quickly.
    from hf_miwv.common.hub.push import check_destination, check_login

    check_destination(repository, options["revision"], options["pull_request"])
    check_login()
    return {"repo_id": repository, **options}


def push_result(output: Path, to_hub: dict[str, Any] | None) -> None:
    """Push what a command has written; of several processes, one does.

    Args:
        output (`Path`): The folder.
        to_hub (`dict[str, Any]`, *optional*): As `take_hub_options` returned it: None where the result stays here.
    """
    from hf_miwv.common.runs.processes import Processes

    if to_hub is not None and Processes.launched().first:
        from hf_miwv.common.hub.telling import push_folder

        push_folder(output, logger, **to_hub)


@click.command(
    "push",
    help="""
    Put FOLDER, as score, select, train or judge wrote it, on the Hub as USER/NAME.

    All of it in one commit. A model becomes a model repository, rows a data set that
    `load_dataset` opens by its id. Private unless --public is given. Interrupted, the same
    command goes on and sends nothing twice. The token is that of `hf auth login`, or HF_TOKEN.
    """,
)
@click.argument("folder", type=click.Path(path_type=Path))
@push_options
@click.option(
    "--config",
    metavar="NAME",
    help="Push a data set as one of several configurations of USER/NAME: scored and chosen rows side by side.",
)
def push_command(folder: Path, public: bool, **options: Any) -> None:
    """Push the folder; see the help text."""
    from hf_miwv.common.hub.telling import push_folder

    push_folder(folder, logger, private=not public, **options)
