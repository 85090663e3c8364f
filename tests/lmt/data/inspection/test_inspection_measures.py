"""What an inspection measures, on numbers that one can check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hf_lmt.data.inspection.measures import fan_in, kind_of, tier_of
from hf_lmt.directions import parse_direction
from tests.lmt.data.inspection.test_inspection import looked_at, make_row


def test_fan_in_by_hand() -> None:
    sources, targets = np.array([1, 2, 2, 3, 9], np.uint64), np.array([7, 7, 7, 7, 8], np.uint64)
    found = fan_in(sources, targets)
    assert found["unique_sources"] == 4
    assert (found["unique_targets"], found["pairs"], found["largest"]) == (2, 4, 3)
    assert (found["many_to_one"], found["sources_per_target"]) == (2.5, 2.0)
    assert set(fan_in(sources[:0], targets[:0]).values()) == {0}


def test_lengths_by_hand() -> None:
    row = make_row("en", "de", 1)
    rows = [{**row, "source": "a" * 10, "target": "ä" * (10 * times)} for times in (1, 2, 3)]
    measured = looked_at(rows).directions["en-de"]
    assert measured["source_length"] == {"mean": 10, "median": 10, "p95": 10}
    assert measured["target_length"]["mean"] == 20
    assert measured["length_ratio"] == pytest.approx({"p5": 1.1, "median": 2, "p95": 2.9})
    assert measured["length_ratio_spread"] == pytest.approx(2.9 / 1.1)


@pytest.mark.parametrize(
    ("name", "kind", "tier"),
    [
        ("en-kk", "en2x", "low"),
        ("zh-sv", "zh2x", "medium"),
        ("kk-en", "x2en", "low"),
        ("de-zh", "x2zh", "high"),
        ("en-zh", "en2x", "high"),
        ("zh-en", "zh2x", "high"),
        ("de-kk", "other", "low"),
    ],
)
def test_kind_and_tier(name: str, kind: str, tier: str) -> None:
    assert (kind_of(parse_direction(name)), tier_of(parse_direction(name))) == (kind, tier)
