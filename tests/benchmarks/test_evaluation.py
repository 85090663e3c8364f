"""benchmarks/false_alarms.py and scoring.py, small, on the sample sentences."""

from __future__ import annotations

import csv
import runpy
import sys
from importlib.resources import files
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SAMPLE = files("hf_lmt") / "sample" / "sentences.csv"


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, *words: str
) -> list[list[str]]:
    """The cells of the last table that a script prints, without its head."""
    monkeypatch.setattr(sys, "argv", [name, *words])
    runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    rule = max(place for place, line in enumerate(lines) if line.startswith("|---"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[rule + 1 :]]


def test_equally_good_systems_are_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--directions", "en-de,kk-en", "--lines", "30", "--trials", "2", "--samples", "40"]
    (cells,) = run(monkeypatch, capsys, "false_alarms.py", *words)
    assert (cells[:2], cells[3]) == (["2", "30"], "2")
    assert all(40 < float(mean) < 95 for mean in cells[2].split(", "))
    assert int(cells[4]) in (0, 1, 2)


def test_all_directions_are_scored(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = list(csv.DictReader(SAMPLE.read_text("utf-8").splitlines()))
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "table.parquet")
    words = ["--data", str(tmp_path / "table.parquet"), "--lines", "5", "--directions", "9", "--num-proc", "1"]
    (cells,) = run(monkeypatch, capsys, "scoring.py", *words)
    assert cells[0] == "1"
    assert 0 < float(cells[3]) < 100
    assert 0 < float(cells[4]) < 100
