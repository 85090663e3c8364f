"""What both programs have in common: how much they say, and the codes they end with."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from hf_miwv.common.command_line import Commands, logging_options, start_logging
from hf_miwv.common.errors import InputError

logger = logging.getLogger("hf_miwv.somewhere")


@click.group(cls=Commands)
@logging_options
def program(quiet: bool, verbose: bool, log_level: str | None) -> None:
    start_logging("hf_miwv", quiet=quiet, verbose=verbose, log_level=log_level)


@program.command("say")
def say_command() -> None:
    levels = ("debug", "info", "warning", "error")
    click.echo(" ".join(level for level in levels if logger.isEnabledFor(getattr(logging, level.upper()))))


@program.command("end")
@click.argument("how")
def end_command(how: str) -> None:
    if how == "finding":
        raise click.exceptions.Exit(1)
    raise {"input": InputError("no"), "interrupted": KeyboardInterrupt(), "fault": ZeroDivisionError()}[how]


@pytest.fixture(autouse=True)
def _level() -> Iterator[None]:
    level = logging.getLogger("hf_miwv").level
    yield
    logging.getLogger("hf_miwv").setLevel(level)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "info warning error"),
        (["--quiet"], "warning error"),
        (["-v"], "debug info warning error"),
        (["--log-level", "error"], "error"),
        (["--log-level", "INFO"], "info warning error"),
    ],
)
def test_how_much_is_said(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CliRunner().invoke(program, [*words, "say"]).stdout == f"{said}\n"
    monkeypatch.setenv("RANK", "1")  # of several processes, the others are never louder than warnings
    quieter = " ".join(word for word in said.split() if word in ("warning", "error"))
    assert CliRunner().invoke(program, [*words, "say"]).stdout == f"{quieter}\n"


def test_two_of_the_three_are_refused() -> None:
    result = CliRunner().invoke(program, ["--quiet", "--log-level", "info", "say"])
    assert result.exit_code == 2
    assert "give one of --quiet, --verbose and --log-level" in result.output


@pytest.mark.parametrize(("how", "code"), [("finding", 1), ("input", 2), ("interrupted", 130)])
def test_the_codes_that_a_command_ends_with(how: str, code: int) -> None:
    result = CliRunner().invoke(program, ["end", how])
    assert result.exit_code == code
    assert isinstance(result.exception, SystemExit)


def test_a_fault_of_ours_keeps_its_traceback() -> None:
    assert isinstance(CliRunner().invoke(program, ["end", "fault"]).exception, ZeroDivisionError)
