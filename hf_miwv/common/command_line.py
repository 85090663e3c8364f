"""Basics of both command lines: refusals without a traceback, mistyped commands, Ctrl-C, options together."""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hf_miwv.common import progress
from hf_miwv.common.errors import InputError, did_you_mean

CACHES = ("HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_XET_CACHE")
INTERRUPTED = 130  # what shells give for Ctrl-C: 128 and the number of the signal
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, *ABSENT}


def option_name(name: str) -> str:
    """Return the name under which an option is known: dashes for underscores, `output` for `output_dir`.

    The libraries write --output_dir and --num_beams, other programs --output-dir; both are read.

    Args:
        name (`str`): A name as it was typed, without its dashes in front.

    Returns:
        `str`: The name, with dashes.
    """
    dashed = name.replace("_", "-")
    return "output" if dashed == "output-dir" else dashed


CONTEXT = {"help_option_names": ["-h", "--help"], "token_normalize_func": option_name}
"""Settings of click for both programs."""


class Refused(click.ClickException):
    """Refuse input of the caller that cannot be used: exit code 2 and no traceback."""

    exit_code = 2


class Interrupted(click.ClickException):
    """End after Ctrl-C, with the exit code that shells give for it."""

    exit_code = INTERRUPTED

    def show(self, file: Any = None) -> None:
        """Print the message on a line of its own, behind the terminal's ^C.

        Args:
            file (`Any`, *optional*): Not used: the message goes to stderr.
        """
        click.echo(f"\n{self.message}", err=True)


class Commands(click.Group):
    """Group commands, turn InputError into a message and exit code 2, and know mistyped commands.

    Its help lists the commands in the order in which people need them.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        """List the commands in the order in which they were added; click would sort them.

        Args:
            context (`click.Context`): Context of the call; not used.

        Returns:
            `list[str]`: Names of the commands.
        """
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        """Run a command; turn its InputError into a refusal.

        Args:
            context (`click.Context`): Context of the call.

        Returns:
            `Any`: Whatever the command returns.

        Raises:
            Refused: the command raised an InputError, or a cache cannot be written.
            Interrupted: Ctrl-C was pressed.
        """
        try:
            return super().invoke(context)
        except KeyboardInterrupt as error:
            raise Interrupted(_kept_words()) from error
        except click.exceptions.Exit:
            raise
        except Exception as error:
            # a reader may take a cache that cannot be written for a fault of the file
            message = _unwritable_cache(error)
            if message is None and isinstance(error, InputError):
                message = str(error)
            if message is None:
                raise
            raise Refused(message) from error

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the nearest one where it is mistyped.

        Args:
            context (`click.Context`): Context of the call.
            arguments (`list[str]`): The words behind the program's name.

        Returns:
            `tuple[str | None, click.Command | None, list[str]]`: Name and command, and the words behind them.

        Raises:
            click.UsageError: there is no such command.
        """
        if arguments and arguments[0] not in self.commands:
            hint = did_you_mean(arguments[0], self.commands)
            raise click.UsageError(f"no such command {arguments[0]!r}: {hint}", context)
        return super().resolve_command(context, arguments)


def _kept_words() -> str:
    """Tell which finished work Ctrl-C has left; modules that are not loaded have left none."""
    workspace = sys.modules.get("hf_miwv.common.runs.workspace")
    kept = list(map(str, workspace.KEPT)) if workspace else []
    if not kept:
        return "stopped; nothing was finished yet that could be kept"
    return f"stopped; what was finished is kept in {', '.join(kept)}, and the same command goes on"


def _unwritable_cache(error: BaseException | None) -> str | None:
    """Say that a cache of the libraries cannot be written; None where it is another fault.

    By the path in the error or in its causes, and the folders that the environment names or
    the libraries use.
    """
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    if error is None or error.errno not in UNWRITABLE or not error.filename:
        return None
    path = Path(os.fsdecode(error.filename)).absolute()
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    named = {name: os.environ[name] for name in CACHES if os.environ.get(name)}
    for name, folder in {"HF_HOME": str(home), **named}.items():
        cache = Path(folder).expanduser().absolute()
        if error.errno in ABSENT and cache.is_dir():  # only a file in it is missing
            continue
        if path.is_relative_to(cache) or cache.is_relative_to(path):
            return (
                f"{cache}, the cache of the libraries, cannot be written "
                f"({error.strerror}: {path}); set {name} to a folder that can be"
            )
    return None


def logging_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--quiet`, `--verbose` and `--log-level`, the arguments of `start_logging`, to a program.

    Args:
        function (`Callable`): The function of the program.

    Returns:
        `Callable`: The same with the options.
    """
    return options(
        click.option("-q", "--quiet", is_flag=True, help="Say what is wrong or should be known, and no more."),
        click.option("-v", "--verbose", is_flag=True, help="Say more, for a search for faults."),
        click.option(
            "--log-level",
            type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
            help="The least messages to show; --quiet is warning, --verbose debug. [default: info]",
        ),
    )(function)


def start_logging(*packages: str, quiet: bool = False, verbose: bool = False, log_level: str | None = None) -> None:
    """Log messages of these packages to stderr; of several processes, one does the talking.

    Args:
        *packages (`str`): Names of the packages.
        quiet (`bool`, *optional*, defaults to `False`): Warnings and faults alone.
        verbose (`bool`, *optional*, defaults to `False`): Also what helps a search for faults.
        log_level (`str`, *optional*): "debug", "info", "warning" or "error"; "info" where none of the three is there.

    Raises:
        click.UsageError: Two of the three.
    """
    if quiet + verbose + (log_level is not None) > 1:
        raise click.UsageError("give one of --quiet, --verbose and --log-level")
    level = logging.getLevelName((log_level or ("warning" if quiet else "debug" if verbose else "info")).upper())
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    if level > logging.DEBUG:
        _quiet_libraries()
    first = os.environ.get("RANK", "0") == "0"
    # bitsandbytes tells of a faster kernel that it could not fetch, whatever it is asked for
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    for package in packages:
        logging.getLogger(package).setLevel(level if first else max(level, logging.WARNING))


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the result as one JSON object on standard output, and nothing else there, in place of tables.",
)


def show_result(as_json: bool, result: Any, show: Callable[[], Any]) -> None:
    """Show a result in tables, or print it as JSON where `--json` is given.

    Args:
        as_json (`bool`): Whether `--json` is given.
        result (`Any`): What JSON can hold.
        show (`Callable[[], Any]`): Prints the tables.
    """
    if not as_json:
        show()
        return
    # Only here, because the text of JSON needs numpy.
    from hf_miwv.common.runs.json_text import json_text

    click.echo(json_text(result))


def _quiet_libraries() -> None:
    """Keep to the libraries' errors: their bars and warnings are about what the user did not write."""
    progress.library_bars = False
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for library in ("transformers", "trl", "peft", "accelerate", "datasets", "torch", "sentence_transformers"):
        for category in (FutureWarning, DeprecationWarning, UserWarning):
            warnings.filterwarnings("ignore", category=category, module=rf"{library}\b")


def options(*decorators: Callable[..., Any]) -> Callable[..., Any]:
    """Join several click options into one decorator, in their order.

    Args:
        *decorators (`Callable`): The options.

    Returns:
        `Callable`: The decorator.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def comma_separated(text: str) -> list[str]:
    """Read the value of an option that takes several names.

    Args:
        text (`str`): Names with commas between them.

    Returns:
        `list[str]`: The names without white space around them; empty ones are left out.

    >>> comma_separated("miwv, ifd,")
    ['miwv', 'ifd']
    """
    return [name.strip() for name in text.split(",") if name.strip()]
