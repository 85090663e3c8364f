"""Which rows are kept, in which order, and how the folder holds them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.rows.columns import FEATURES, add_score_columns
from hf_miwv.selection.row_choice import choose

NAN = float("nan")


def scored_rows(miwv: list[float]) -> Dataset:
    """Rows with these scores; nan stands for a row that has none."""
    count = len(miwv)
    rows = Dataset.from_dict({"instruction": [f"q{i}" for i in range(count)], "output": ["a"] * count})
    scores = np.array(miwv)
    columns: dict[str, Any] = {
        "row": np.arange(count),
        "miwv": scores,
        "loss_zero_shot": scores * 0 + 1,
        "loss_one_shot": scores + 1,
        "neighbor": np.roll(np.arange(count), 1),
        "neighbor_similarity": np.full(count, 0.5),
        "response_tokens": np.arange(count) + 1,
        "miwv_status": ["empty_response" if np.isnan(s) else "ok" for s in miwv],
        "miwv_flags": [[]] * count,
    }
    return add_score_columns(rows, columns)


@pytest.mark.parametrize(
    ("rows", "fraction", "kept"),
    [
        (100, 0.29, 29),  # 28.999999999999996 in binary arithmetic
        (100, "0.29", 29),
        (52_002, 0.01, 520),
        (52_002, 0.05, 2600),
        (52_002, 0.10, 5200),
        (52_002, 0.15, 7800),
        (63_655, 0.01, 636),
        (63_655, 0.05, 3182),
        (63_655, 0.10, 6365),
        (63_655, 0.15, 9548),
        (10, 0.01, 1),
        (10, 1, 10),
    ],
)
def test_sizes_are_the_papers(rows: int, fraction: float | str, kept: int) -> None:
    columns = ScoreColumns.from_dataset(scored_rows(list(np.linspace(1, 2, rows))))
    chosen, note = choose(columns, fraction=fraction)
    assert len(chosen) == kept
    assert (note is not None) == (rows * float(fraction) < 1)


def test_highest_first_ties_by_row_and_never_a_row_without_a_score() -> None:
    dataset = scored_rows([0.5, NAN, 0.7, 0.5, -1.0, 0.7, NAN])
    assert select(dataset, count=4)["row"] == [2, 5, 0, 3]
    assert select(dataset, fraction=1)["row"] == [2, 5, 0, 3, 4]
    assert select(dataset, threshold=0.5)["row"] == [2, 5, 0, 3]
    assert select(dataset, threshold=-1.0)["row"] == [2, 5, 0, 3, 4]


def test_a_share_above_the_scored_rows_keeps_those_and_says_so() -> None:
    columns = ScoreColumns.from_dataset(scored_rows([1.0, NAN, NAN, 2.0]))
    chosen, note = choose(columns, fraction="0.75")
    assert chosen.tolist() == [3, 0]
    assert note == "0.75 of 4 rows is 3, but only 2 rows have a score: all of those kept"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({}, "give one of --fraction, --count and --threshold; got none of them"),
        ({"fraction": 0.1, "count": 3}, "got --fraction and --count"),
        ({"fraction": 0}, "outside \\(0, 1\\]"),
        ({"fraction": 1.01}, "outside \\(0, 1\\]"),
        ({"fraction": "-0.1"}, "outside \\(0, 1\\]"),
        ({"fraction": "nan"}, "is not a number"),
        ({"fraction": "1%"}, "'1%' is not a number; 0.01 keeps 1 %"),
        ({"count": 0}, "keeps nothing"),
        ({"count": 4}, "count 4 is above the 3 rows that have a score"),
        ({"threshold": 9.0}, "no row reaches threshold 9.0: the highest score is 3.0000"),
        ({"threshold": NAN}, "no finite number"),
    ],
)
def test_bad_choices(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(scored_rows([1.0, 2.0, NAN, 3.0]), **choice)


def test_rows_that_were_never_scored() -> None:
    with pytest.raises(InputError, match="no column row, miwv"):
        select(Dataset.from_list(make_rows(3)), count=1)
    with pytest.raises(InputError, match="no row has a score"):
        select(scored_rows([NAN, NAN]), count=1)


@pytest.fixture
def folders(tmp_path: Path, embedder_folder: Path) -> Path:
    """tmp_path with a SCORED folder of 24 rows, one of them empty."""
    rows = make_rows()
    rows[3]["output"] = ""
    score(
        Dataset.from_list(rows),
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=str(embedder_folder),
        output_dir=tmp_path / "scored",
        progress=False,
    )
    select(tmp_path / "scored", count=5, output_dir=tmp_path / "chosen")
    return tmp_path


def test_both_folders_open_with_load_dataset(folders: Path) -> None:
    scored = load_dataset(str(folders / "scored"), split="train")
    chosen = load_dataset(str(folders / "chosen"), split="train")
    assert {name: scored.features[name] for name in FEATURES} == dict(FEATURES)
    assert scored["row"] == list(range(24))
    assert scored["miwv"][3] is None
    assert len(chosen) == 5
    assert chosen["miwv"] == sorted(chosen["miwv"], reverse=True)
    assert chosen["miwv"][0] == max(score for score in scored["miwv"] if score is not None)
    for row in chosen:
        assert scored[row["row"]] == row


def test_what_lies_in_the_folders(folders: Path) -> None:
    for name, pictures in (
        (
            "scored",
            ["length_against_score.png", "miwv_histogram.png", "similarity_against_score.png"],
        ),
        ("chosen", ["length_comparison.png", "miwv_histogram.png"]),
    ):
        found = sorted(p.name for p in (folders / name).iterdir())
        assert found == sorted(["README.md", "data", "run.json", *pictures])
        shards = [p.name for p in (folders / name / "data").iterdir()]
        assert shards == ["train-00000-of-00001.parquet"]
        assert sorted(p.name for p in folders.iterdir()) == ["chosen", "scored"]


def test_run_json_tells_what_was_done(folders: Path) -> None:
    scored = json.loads((folders / "scored" / "run.json").read_text())
    chosen = json.loads((folders / "chosen" / "run.json").read_text())
    assert scored["statistics"]["status"]["empty_response"] == 1
    assert scored["model"]["dtype"] == "float32"
    assert scored["template"]["name"] == "alpaca"
    responses = chosen["selection"].pop("responses")
    assert (responses["chosen_rows"], responses["sample_rows"]) == (5, 24)
    assert chosen["selection"] == {
        "method": "miwv",
        "seed": 0,
        "fraction": None,
        "count": 5,
        "threshold": None,
        "diversity": None,
        "all_rows": 24,
        "scored_rows": 23,
        "kept": 5,
        "passed_over": 0,
        "lowest_kept_score": load_dataset(str(folders / "chosen"), split="train")["miwv"][-1],
        "scores": {"all": scored["statistics"]["miwv"], "chosen": chosen["statistics"]["miwv"]},
        "note": None,
    }
    assert chosen["scored_run"] == scored


def test_the_same_choice_again_is_there_already_and_another_is_refused(folders: Path) -> None:
    before = (folders / "chosen" / "run.json").stat().st_mtime_ns
    select(folders / "scored", count=5, output_dir=folders / "chosen")
    assert (folders / "chosen" / "run.json").stat().st_mtime_ns == before
    with pytest.raises(InputError, match="another run \\(not the same: count\\)"):
        select(folders / "scored", count=6, output_dir=folders / "chosen")
    select(folders / "scored", count=6, output_dir=folders / "chosen", overwrite=True)
    assert len(load_dataset(str(folders / "chosen"), split="train")) == 6


def test_what_may_not_be_replaced(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folders / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work")
    scored = folders / "scored"
    for output, overwrite, message in (
        (other, False, "holds something else; give a new folder, or --overwrite"),
        (other / "thesis.txt", True, "is a file; give a folder"),
        (scored, True, "holds the input"),
        (folders, True, "holds the input"),
    ):
        with pytest.raises(InputError, match=message):
            select(scored, count=5, output_dir=output, overwrite=overwrite)
    monkeypatch.chdir(other)
    with pytest.raises(InputError, match="is the folder you stand in"):
        select(scored, count=5, output_dir=other, overwrite=True)
    assert (other / "thesis.txt").read_text() == "years of work"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(folders: Path) -> None:
    locked = folders / "locked"
    locked.mkdir(mode=0o500)
    with pytest.raises(InputError, match="cannot be written"):
        select(folders / "scored", count=5, output_dir=locked / "chosen")
