"""The terminal tables: their numbers, and texts that try to be markup."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from sample_run import NAN, make_chosen_run, make_columns, make_scored_run

from hf_miwv.common.cards.terminal import plain
from hf_miwv.results.score_summary import show_selection, show_summary


def make_row(**changes: Any) -> dict[str, Any]:
    row = {
        "row": 7,
        "miwv": 0.5,
        "loss_zero_shot": 1.25,
        "loss_one_shot": 1.75,
        "response_tokens": 1200,
        "prompt": "say\nhi",
        "response": "hi",
    }
    return {**row, **changes}


def summary(highest: list[dict[str, Any]], lowest: list[dict[str, Any]], width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    run = make_scored_run(make_columns([1.0, -1.0, NAN, 0.0]))
    show_summary(run, highest, lowest, console)
    return console.file.getvalue()  # type: ignore[attr-defined]


def line(text: str, start: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.strip().startswith(start))


def test_summary_tells_the_numbers() -> None:
    text = summary([make_row()], [make_row(row=8, miwv=-2.0)])
    assert line(text, "all") == ["all", "4"]
    assert line(text, "scored") == ["scored", "3", "(75.0", "%)"]
    assert line(text, "empty response") == ["empty", "response", "1", "(25.0", "%)"]
    assert line(text, "flag: duplicate") == ["flag:", "duplicate", "prompt", "0", "(0.0", "%)"]
    assert line(text, "MIWV (nats")[-5:] == ["1", "above", "zero,", "1", "below"]
    assert line(text, "embed") == ["embed", "1.5", "38%", "4", "3,000", "2,000"]
    assert line(text, "neighbors") == ["neighbors", "0.0", "0%", "4", "–", "–"]
    assert line(text, "score ") == ["score", "2.5", "62%", "4", "5,000", "2,000"]
    assert line(text, "tokens run")[2:] == ["5,000", "(2.00", "x", "T0)"]
    assert line(text, "with padding")[2:] == ["6,000", "(2.40", "x", "T0)"]
    assert line(text, "padding") == ["padding", "16.7%"]
    assert line(text, "rows that share all")[-1] == "3"
    assert line(text, "peak memory") == ["peak", "memory", "1.50", "GiB"]
    assert line(text, "7 ") == ["7", "0.500", "1.250", "1.750", "1,200", "say", "hi", "hi"]
    assert text.index("high = weak = keep") < text.index("lowest:") < text.index("-2.000")


@pytest.mark.parametrize("text", ["[red]x[/red]", "[/]", "[link=http://x]y", "\\[bold]"])
def test_markup_in_texts_is_shown_and_not_obeyed(text: str) -> None:
    assert text in summary([make_row(prompt=text)], [])


def test_terminal_escapes_are_taken_out() -> None:
    shown = summary([make_row(prompt="a\x1b[31mb\x07c", response="\u202ed")], [])
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\u202e" not in shown


@pytest.mark.parametrize("text", ["word " * 5000, "x" * 9000, "日本語" * 900, "a\r\n\tb " * 300])
def test_rows_fit_the_width_in_one_line_each(text: str) -> None:
    shown = summary([make_row(prompt=text, response=text)] * 5, [], width=100)
    bare = summary([make_row()] * 5, [], width=100)
    assert len(shown.splitlines()) == len(bare.splitlines())
    assert all(len(line) <= 100 for line in shown.splitlines())
    assert "…" in shown


def test_plain() -> None:
    assert plain(" a\n\n b\x00c ").plain == "a b c"
    assert plain("").plain == ""


def test_selection_tells_the_numbers() -> None:
    columns = make_columns([2.0, -1.0, 1.0, NAN], tokens=[2, 40, 4, 0])
    run = make_chosen_run(columns, [0, 2])
    run["selection"]["note"] = "[red]fewer"
    console = Console(file=io.StringIO(), width=100)
    show_selection(run, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.startswith("chosen by MIWV (high = weak = keep)\n")
    assert "passed over" not in text
    assert "2 (50.0 %)" in text
    assert line(text, "of them scored") == ["of", "them", "scored", "3"]
    assert line(text, "lowest kept score") == ["lowest", "kept", "score", "1.000"]
    assert line(text, "chosen  ") == ["chosen", "2", "2.2", "3.0", "3.0", "3.8"]
    assert line(text, "all scored") == ["all", "scored", "3", "2.4", "4.0", "15.3", "32.8"]
    assert "[red]fewer" in text


def test_selection_names_another_method_and_the_rows_passed_over() -> None:
    run = make_chosen_run(make_columns([2.0, -1.0, 1.0, NAN]), [0, 2])
    run["selection"].update(method="random", seed=7, diversity=0.8, passed_over=1234)
    console = Console(file=io.StringIO(), width=100)
    show_selection(run, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.startswith("chosen by random draw (a number in [0, 1) from a hash of the seed 7")
    assert line(text, "passed over: cosine above 0.8 with one kept")[-1] == "1,234"


def test_without_a_terminal_it_goes_to_stderr_wide_enough(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    run = make_scored_run(make_columns([1.0, -1.0]))
    show_summary(run, [make_row(prompt="p" * 300)], [])
    out, err = capsys.readouterr()
    assert out == ""
    assert max(len(line) for line in err.splitlines()) == 100
