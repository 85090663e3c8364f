"""The planted pool of benchmarks/planted.py: what its kinds of rows are, and the measure that they are compared by."""

from __future__ import annotations

import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("peft")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from planted import auc
from planted_rows import FAMILIES, make_pool, rows_of


@pytest.mark.parametrize("family", FAMILIES)
def test_kinds_of_a_pool(family: str) -> None:
    pool = make_pool(family, 3, real_rows=5)
    counts = Counter(row["kind"] for row in pool)
    assert counts == {
        "known": 60, "unknown": 60, "other": 40, "false": 40, "doubled": 20, "short": 20, "long": 20, "real": 5,
    }  # fmt: skip
    known = {(row["instruction"], row["output"]) for row in pool if row["kind"] == "known"}
    assert all((row["instruction"], row["output"]) in known for row in pool if row["kind"] == "doubled")


@pytest.mark.parametrize("family", FAMILIES)
def test_false_rows_have_a_wrong_answer_of_the_same_form(family: str) -> None:
    _, solve = FAMILIES[family]["unknown"]
    for row in make_pool(family, 0):
        items = row["instruction"].split(": ", 1)[1].split(", ")
        if row["kind"] in ("unknown", "false", "short", "long"):
            is_right = row["output"] == ", ".join(solve(items))
            assert is_right == (row["kind"] != "false")


def test_the_same_seed_makes_the_same_rows_and_another_seed_others() -> None:
    assert make_pool("words", 1, 4) == make_pool("words", 1, 4)
    assert make_pool("words", 1) != make_pool("words", 2)
    assert rows_of("words", "known", 3, "tuning 0") != rows_of("words", "known", 3, "held out 0")


def test_auc_is_the_share_of_pairs() -> None:
    first, second = np.array([1.0, 2.0, math.nan, 2.0]), np.array([0.0, 2.0])
    pairs = [(a, b) for a in (1.0, 2.0, 2.0) for b in (0.0, 2.0)]
    assert auc(first, second) == sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    assert math.isnan(auc(np.array([math.nan]), second))
