"""benchmarks/watching_alarms.py: outputs that ignore their source, and equally good ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sacrebleu")

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def benchmark() -> Any:
    import watching_alarms

    return watching_alarms


def test_a_line_for_each_share(benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    table = tmp_path / "table.jsonl"
    words = [" ".join(letter * 4 for letter in (one, one.upper(), one)) for one in LETTERS]
    lines = [json.dumps({"en": one, "de": one.swapcase()}) + "\n" for one in words]
    table.write_text("".join(lines), "utf-8")
    options = ["--data", str(table), "--trials", "2", "--per-direction", "12", "--shares", "0,0.9"]
    monkeypatch.setattr(sys, "argv", ["watching_alarms.py", *options])
    benchmark.main()
    head, _, _, _, *rows = capsys.readouterr().out.splitlines()
    assert head == "table.jsonl: 2 directions x 12 rows, 2 trials"
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [row[:2] for row in cells] == [
        ["0%", "the same"],
        ["0%", "3 points less"],
        ["90%", "3 points less"],
    ]
    assert cells[2][4] == "100%"
    assert float(cells[2][2]) < -10


def test_only_into_english_sources_are_ignored(benchmark: Any) -> None:
    rows = [
        benchmark.WatchedRow(benchmark.Direction(*pair), f"source {n}", f"target number {n}", None, None)
        for pair in (("en", "de"), ("de", "en"))
        for n in range(6)
    ]
    sound, ill = (benchmark.written("a", rows, share, 2, 0.0) for share in (0.0, 1.0))
    assert sound[:6] == ill[:6]
    assert {one.text for one in ill[6:]} <= {"target number 0", "target number 1"}
    assert benchmark.false_alarms.DAMAGE == 0.25
