"""benchmarks/rewarding.py: which lines it takes, and which numbers of a run it compares."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from rewarding import held_out_values, write_lines


def test_lines_that_are_short_enough_in_both_languages(tmp_path: Path) -> None:
    right = ("Good morning to all of you.", "Buenos días a todos ustedes.")
    lines = [
        right,
        ("Too short.", "Demasiado corto, pero no aquí."),
        ("x" * 81, "Una línea de buena medida."),
        ("", ""),
    ]
    with (tmp_path / "lines.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("en", "es"), *lines])
    assert write_lines(str(tmp_path / "lines.csv"), "es", tmp_path / "kept.csv") == 1
    with (tmp_path / "kept.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["en", "es"], list(right)]


def test_before_is_the_first_evaluation_and_after_the_last() -> None:
    entries = [
        {"eval_reward": 0.1, "step": 0},
        {"eval_chrf_overall": 20.0, "step": 0},
        {"eval_reward": 0.3, "step": 60},
    ]
    assert held_out_values({"evaluations": entries}, "eval_reward") == (0.1, 0.3)
    assert held_out_values({"evaluations": entries}, "eval_chrf_overall") == (20.0, 20.0)
