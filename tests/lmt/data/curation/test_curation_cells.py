"""Curation by what a corpus brings along: scores of cells; and texts that are trimmed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from click.testing import CliRunner
from datasets import Dataset, load_dataset

from hf_lmt.__main__ import main
from hf_lmt.data.curation.curate import curate
from hf_lmt.data.curation.curation_report import step_rows
from hf_lmt.data.curation.curation_settings import steps_from
from hf_lmt.data.curation.score_filter import Score
from hf_lmt.data.curation.step import keeps
from hf_lmt.data.curation.whitespace import Whitespace
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_miwv.common.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def rows(*values: Any, column: str = "score") -> Dataset:
    size = len(values)
    texts = {"source": [f"text {n}" for n in range(size)], "target": ["Text"] * size}
    codes = {"source_lang": ["en"] * size, "target_lang": ["de"] * size}
    return Dataset.from_dict({**codes, **texts, column: list(values)})


def kept(step: Any, data: Dataset) -> tuple[list[int], dict[str, Any]]:
    found = curate(data, [step], progress=False, keep_rejects=True)
    return [int(text.split()[1]) for text in found.rows["source"]], found.counts["steps"][0]


def test_scores_at_the_limits_stay() -> None:
    data = rows("1.05", "1.0499", "1.2", "1.3", "nan", "x", "", None)
    left, counts = kept(Score(least=1.05, most=1.2), data)
    assert left == [0, 2, 7]
    assert counts["reasons"] == {
        "score is no number": 3,
        "score too high": 1,
        "score too low": 1,
    }
    assert counts["notes"] == {"without": 1}
    assert step_rows({"steps": [counts]})[0][-1].endswith("without a score, kept: 1")


def test_numbers_and_other_columns_are_scores_too() -> None:
    assert kept(Score("margin", most=0.5), rows(0.5, 0.6, -1.0, column="margin"))[0] == [0, 2]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "give least or most"),
        ({"least": 2, "most": 1}, "least 2 is above most 1"),
        ({"least": "a"}, "give a number"),
        ({"leats": 1}, "did you mean 'least'"),
    ],
)
def test_scores_that_cannot_be_asked_for(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        steps_from({"score": settings})


def test_rows_without_the_column_are_refused_with_what_to_give() -> None:
    with pytest.raises(InputError, match=r"no column 'score' .*--cells score,en,de"):
        curate(rows("1", column="other"), [Score(least=1)], progress=False)


def test_the_command_filters_by_a_cell(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1.04\thello\thallo\n1.05\tworld\tWelt\n", "utf-8")
    command = [
        "curate",
        str(tmp_path / "a.tsv"),
        "--cells",
        "score,en,de",
        "--set",
        "score.least=1.05",
        "--contamination-sets",
        "none",
        "--output",
        str(tmp_path / "clean"),
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    found = load_dataset(str(tmp_path / "clean"), split="train", cache_dir=str(tmp_path / "c"))
    assert set(found["source"]) == {"world", "Welt"}
    assert set(found["score"]) == {"1.05"}


def test_a_recipe_filters_the_source_that_has_scores(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("1.04\thello\thallo\n1.05\tworld\tWelt\n", "utf-8")
    (tmp_path / "b.en-de.tsv").write_text("good\tgut\n", "utf-8")
    recipe = {
        "data": [
            {"path": str(tmp_path / "a.tsv"), "cells": ["score", "en", "de"]},
            {"path": str(tmp_path / "b.en-de.tsv")},
        ],
        "curation": {"score": {"least": 1.05}, "contamination": False},
        "downsampling": False,
        "directions": ["en-de"],
    }
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    run = prepare(read_data_recipe(tmp_path / "r.yaml"), tmp_path / "out", progress=False)
    assert run["rows"] == 2


def test_curation_may_be_switched_off_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("data: [{path: a}]\ncuration: false\n", "utf-8")
    assert read_data_recipe(path).steps == ()
    path.write_text("data: [{path: a}]\ncuration: true\n", "utf-8")
    with pytest.raises(InputError, match="or false for none"):
        read_data_recipe(path)


def test_whitespace_trims_and_counts() -> None:
    data = Dataset.from_dict(
        {
            "source_lang": ["en"] * 3,
            "target_lang": ["de"] * 3,
            "source": [" a  b\n", "c", "\u00a0d"],
            "target": ["x", "\ty", "z\u3000"],
        }
    )
    for _ in range(2):  # what the library has cached must not keep the counts from being made
        step = Whitespace()
        found = curate(data, [step], progress=False)
        assert found.rows["source"][:] == ["a  b", "c", "d"]
        assert found.rows["target"][:] == ["x", "y", "z"]
        counts = found.counts["steps"][0]
        assert counts["notes"] == {"trimmed": {"source": 2, "target": 2}}
        assert step_rows({"steps": [counts]})[0][-1] == "trimmed: source 2, target 2"
    assert curate(data, [Whitespace(inner=True)], progress=False).rows["source"][0] == "a b"


def test_whitespace_comes_first_so_that_copies_are_seen() -> None:
    data = Dataset.from_dict(
        {
            "source_lang": ["en"] * 2,
            "target_lang": ["de"] * 2,
            "source": ["a", "a "],
            "target": ["b", "b"],
        }
    )
    off = {"contamination": False}
    assert len(curate(data, steps_from(off), progress=False).rows) == 2
    steps = steps_from({**off, "whitespace": True})
    assert steps[0].name == "whitespace"
    assert len(curate(data, steps, progress=False).rows) == 1
    with pytest.raises(InputError, match="changes rows"):
        keeps(Whitespace())
