"""How precisions are compared: the sample, the figures by hand, the command from end to end."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset
from rich.console import Console
from tiny import make_rows

from hf_miwv import InputError
from hf_miwv.commands.precision import precision_command
from hf_miwv.comparing import compare_precisions as precision
from hf_miwv.comparing.compare_precisions import compare_precisions, compare_scores, precision_table, sample_rows
from hf_miwv.results.score_columns import ScoreColumns


def columns(zero_shot: list[float], one_shot: list[float]) -> ScoreColumns:
    """Made-up scores; nan for a row that has none."""
    first, second = np.array(zero_shot), np.array(one_shot)
    rows = np.arange(len(first))
    return ScoreColumns(
        row=rows,
        miwv=second - first,
        loss_zero_shot=first,
        loss_one_shot=second,
        neighbor=rows,
        neighbor_similarity=np.ones(len(first)),
        response_tokens=rows + 1,
        status=["ok" if np.isfinite(v) else "not_finite" for v in second - first],
        flags=[[] for _ in rows],
    )


def test_the_figures_by_hand() -> None:
    nan = float("nan")
    reference = columns([1, 1, 1, 1, 1], [5, 4, 3, 2, 1])  # miwv 4 3 2 1 0: kept are 0, 1
    other = columns([1, 1, 1.5, 1, nan], [5, 3, 4, 2.25, nan])  # miwv 4 2 2.5 1.25: kept 0, 2
    figures = compare_scores(reference, other, "0.4")
    assert figures == {
        "rows_compared": 4,
        "rank_correlation": pytest.approx(0.8),  # ranks 4 3 2 1 and 4 2 3 1: 1 - 6 * 2 / (4 * 15)
        "top_share_overlap": 0.5,
        "largest_difference": {"miwv": 1.0, "losses": 1.0},
        "mean_difference": {
            "miwv": pytest.approx((0 + 1 + 0.5 + 0.25) / 4),
            "losses": pytest.approx((0.5 + 1 + 1 + 0.25) / 8),
        },
        "changed_status": 1,
    }


def test_the_same_scores_differ_in_nothing() -> None:
    scores = columns([1, 2, 3, 1], [2, 2, 5, 0])
    figures = compare_scores(scores, scores, 0.25)
    assert figures["rank_correlation"] == pytest.approx(1)
    assert figures["top_share_overlap"] == 1
    assert figures["largest_difference"] == figures["mean_difference"] == {"miwv": 0, "losses": 0}
    assert figures["changed_status"] == 0


def test_no_row_scored_in_both_has_no_figures() -> None:
    nan = float("nan")
    figures = compare_scores(columns([1, nan], [2, nan]), columns([nan, 1], [nan, 2]), "0.5")
    assert (figures["rows_compared"], figures["rank_correlation"]) == (0, None)
    assert figures["mean_difference"] == {"miwv": None, "losses": None}


def contents(dataset: Dataset) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in dataset.to_list())


def test_the_sample_does_not_hang_on_the_row_order() -> None:
    rows = make_rows(40) + make_rows(3)  # three rows twice
    shuffled = random.Random(5).sample(rows, len(rows))  # noqa: S311
    one, two = (sample_rows(Dataset.from_list(part), 20, 0) for part in (rows, shuffled))
    assert len(one) == 20
    assert contents(one) == contents(two)
    places = [rows.index(row) for row in one.to_list() if rows.count(row) == 1]
    assert places == sorted(places)  # input order


def test_another_seed_is_another_sample() -> None:
    rows = Dataset.from_list(make_rows(40))
    assert contents(sample_rows(rows, 20, 0)) != contents(sample_rows(rows, 20, 1))


def test_copies_of_a_row_are_drawn_apart() -> None:
    rows = Dataset.from_list([make_rows(1)[0]] * 100 + make_rows(100)[1:])
    copies = sum(row == rows[0] for row in sample_rows(rows, 50, 0))
    assert 5 < copies < 45


def test_a_sample_above_all_rows_is_all_rows(rows: Dataset) -> None:
    assert sample_rows(rows, 1000, 0).to_list() == rows.to_list()


@pytest.fixture(scope="module")
def invoked(model_folder: Path, embedder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("precision")
    data = folder / "rows.json"
    data.write_text(json.dumps(make_rows()))
    words = [
        data,
        "--model",
        model_folder,
        "--embedder",
        embedder_folder,
        "--sample",
        8,
        "--fraction",
        0.25,
        "--device",
        "cpu",
        "--output",
        folder / "report.json",
    ]
    return CliRunner().invoke(precision_command, [str(word) for word in words]), folder


def test_the_command_compares_all_four(invoked: tuple[Any, Path]) -> None:
    result, folder = invoked
    assert result.exit_code == 0, result.output
    report = json.loads((folder / "report.json").read_text())
    assert (report["rows"], report["sample"], report["fraction"]) == (24, 8, "0.25")
    assert list(report["precisions"]) == ["float32", "bfloat16", "8bit", "4bit"]
    exact = report["precisions"]["float32"]
    assert (exact["largest_difference"]["losses"], exact["speed"]) == (0, 1)
    for name in ("bfloat16", "8bit", "4bit"):
        figures = report["precisions"][name]
        assert figures["rows_compared"] == 8
        assert 0 < figures["mean_difference"]["losses"] < 1
        assert figures["rows_per_second"] > 0
    losses = {name: part["mean_difference"]["losses"] for name, part in report["precisions"].items()}
    assert losses["bfloat16"] < losses["4bit"]


def test_the_table_says_how_to_read_it(invoked: tuple[Any, Path]) -> None:
    output = " ".join(invoked[0].output.split())
    assert "rank corr. top 25 % MIWV max mean loss max mean status speed" in output
    assert "rank corr. near 1 and top 25 % near 100 %: float32's choice" in output
    assert sorted(path.name for path in invoked[1].iterdir()) == ["report.json", "rows.json"]


def test_what_cannot_run_is_reported_with_its_reason(
    rows: Dataset, model_folder: Path, embedder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hf_miwv.common.models.quantization.find_spec", lambda name: None)
    report = compare_precisions(
        rows,
        str(model_folder),
        embedder=str(embedder_folder),
        sample=6,
        precisions=["4bit"],
        device="cpu",
        progress=False,
    )
    assert list(report["precisions"]) == ["float32", "4bit"]
    assert "pip install 'hf-miwv-lmt[quantization]'" in report["precisions"]["4bit"]["cannot_run"]
    console = Console(record=True, width=160)
    console.print(precision_table(report))
    text = console.export_text()
    assert "4bit cannot run here: 4bit weights need the package bitsandbytes" in text


def test_what_fails_in_float32_is_told_at_once(rows: Dataset, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        compare_precisions(rows, "./nowhere", embedder=str(embedder_folder))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precisions": ["4bits"]}, "precision '4bits' is not one of ours: did you mean '4bit'"),
        ({"sample": 1}, "sample 1 is too small to rank; give 2 rows or more"),
        ({"fraction": "2"}, "outside"),
        ({"output": "."}, "--output . is there already"),
        ({"output": "no/such/report.json"}, "no such folder; make it first"),
    ],
)
def test_what_is_refused_before_any_work(
    given: dict[str, Any], message: str, rows: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "sample_rows", None)  # never reached
    with pytest.raises(InputError, match=message):
        compare_precisions(rows, "model", **given)
