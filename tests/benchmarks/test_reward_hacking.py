"""benchmarks/reward_hacking.py: a reward that a single right word satisfies; the whole of it in a few steps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import reward_hacking

    return reward_hacking


def test_the_toy_reward_knows_nothing_of_length(benchmark: Any) -> None:
    reference = "Guten Morgen, hast du gut geschlafen?"
    texts = ["Guten", reference, "Gute Nacht, hast du gut geschlafen?", ""]
    assert benchmark.precision(texts, target=[reference] * 4) == [1.0, 1.0, 4 / 6, 0.0]
    columns = {
        "source": ["Good morning, did you sleep well?"] * 2,
        "source_lang": ["en"] * 2,
        "target_lang": ["de"] * 2,
    }
    assert benchmark.gated_precision(texts[:2], target=[reference] * 2, **columns) == [0.0, 1.0]


@pytest.mark.slow
def test_it_runs(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reward_hacking.py", "--steps", "1", "--learning-steps", "2", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    benchmark.main()
    assert "| gated | last 5 |" in capsys.readouterr().out
    assert (tmp_path / benchmark.PICTURE).stat().st_size > 10_000
