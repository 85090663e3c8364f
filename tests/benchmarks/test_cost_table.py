"""benchmarks/cost_table.py: the rows that need no model, small, and its way from a row to a line of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("resource", reason="Linux and macOS alone have it")
import cost_table


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("neighbors", 300, "300 rows, 384 dimensions"),
        ("inspect", 700, "700 rows"),
        ("bleu-chrf", 2, "2 directions x 1,012 lines"),
    ],
)
def test_a_row_is_measured_at_the_size_that_it_names(name: str, size: int, words: str) -> None:
    figures = cost_table.measure(name, size)
    assert figures["size"] == words
    assert figures["seconds"] > 0
    assert 0 < figures["peak_gib"] < 16


def test_what_is_made_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([10.0, 12.5])
    events: list[str] = []

    def make(size: int, folder: Path) -> cost_table.Job:
        events.append("made")
        return cost_table.Job(f"{size} rows", lambda: events.append("worked"), lambda _: ", told")

    def clock() -> float:
        events.append("clock")
        return next(ticks)

    monkeypatch.setitem(cost_table.ROWS, "neighbors", cost_table.Row("any", 7, make))
    monkeypatch.setattr(cost_table, "_processor_seconds", clock)
    figures = cost_table.measure("neighbors", 7)
    assert events == ["made", "clock", "worked", "clock"]
    assert (figures["size"], figures["seconds"]) == ("7 rows, told", 2.5)


def test_the_machine_is_named_with_its_versions() -> None:
    assert "torch" in cost_table.machine()
