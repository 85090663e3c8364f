"""RECOST: two ranks combined, and rows apart out of a sliding window, each against a plain version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset
from tiny import make_rows

from hf_miwv import InputError, select
from hf_miwv.__main__ import main
from hf_miwv.common.runs.folder import read_record
from hf_miwv.results.methods import method_scores, needed_columns
from hf_miwv.selection.window_sampling import WINDOW, sample_by_window
from hf_miwv.training.train_recipe import _selection_faults
from tests.miwv.results.methods_rows import score_tiny, some_target


def unit_vectors(rows: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 5)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain_window(vectors: np.ndarray, wanted: int, window: int) -> list[int]:
    """A window as a list of rows: take the one whose nearest taken row is farthest, and let the next row in."""
    taken, held, coming = [0], list(range(1, window + 1)), window + 1
    while len(taken) < wanted:
        cosines = [max(float(vectors[row] @ vectors[other]) for other in taken) for row in held if row < len(vectors)]
        taken.append(held.pop(int(np.argmin(cosines))))
        held.append(coming)
        coming += 1
    return sorted(taken)


@pytest.mark.parametrize(("rows", "wanted", "window"), [(60, 12, 4), (60, 12, 1), (20, 15, 8), (9, 9, 32), (5, 1, 3)])
def test_the_farthest_of_the_window_is_taken(rows: int, wanted: int, window: int) -> None:
    vectors = unit_vectors(rows)
    chosen = sample_by_window(vectors, wanted, window).tolist()
    assert chosen == plain_window(vectors, wanted, window)
    assert len(chosen) == wanted
    assert chosen[-1] < wanted + window
    if window == 1:
        assert chosen == list(range(wanted))


@pytest.fixture(scope="module")
def scored(embedder_folder: Path) -> Dataset:
    rows = make_rows(45)
    rows[3]["output"] = ""
    dataset = score_tiny(rows, embedder_folder, also=(), demonstrations_from=some_target(), keep_embeddings=True)
    vectors = unit_vectors(len(dataset), seed=1)
    return dataset.remove_columns("prompt_embedding").add_column("prompt_embedding", vectors.tolist())


def plain_scores(scored: Dataset) -> dict[int, float]:
    """Mean of two ranks as shares, counted by hand."""
    usable = [row for row, status in enumerate(scored["miwv_status"]) if status == "ok"]
    ranks = []
    for column in (list(scored["loss_zero_shot"]), list(scored["target_gain"])):
        ranks.append(
            {
                row: sum(column[other] < column[row] for other in usable)
                + (1 + sum(column[other] == column[row] for other in usable)) / 2
                for row in usable
            }
        )
    return {row: (ranks[0][row] + ranks[1][row]) / (2 * len(usable)) for row in usable}


def test_unlikely_rows_that_knowledge_helps_are_on_top(scored: Dataset) -> None:
    expected, scores = plain_scores(scored), method_scores(scored, "recost")
    assert np.isnan(scores[3])
    for row, value in expected.items():
        assert value <= scores[row] < value + 1 / (4 * len(expected))  # less than the step between two sums of ranks
    assert len(set(scores[np.isfinite(scores)])) > len(set(expected.values()))
    assert method_scores(scored, "recost_low")[5] == -scores[5]


def test_rows_are_chosen_out_of_the_window_unless_asked_otherwise(scored: Dataset, tmp_path: Path) -> None:
    scores = method_scores(scored, "recost")
    ranked = np.argsort(-scores, kind="stable")[:44]
    vectors = np.array(scored["prompt_embedding"], np.float32)
    expected = ranked[plain_window(vectors[ranked], 6, WINDOW)]
    assert select(scored, method="recost", count=6)["row"] == expected.tolist()
    assert expected.tolist() != ranked[:6].tolist()
    select(scored, method="recost", count=6, output_dir=tmp_path / "chosen")
    selection = read_record(tmp_path / "chosen")["selection"]
    assert (selection["window"], selection["diversity"]) == (WINDOW, None)
    assert selection["passed_over"] == ranked.tolist().index(expected[-1]) - 5
    assert select(scored, method="recost", count=6, diversity=1.0)["row"] == ranked[:6].tolist()
    assert select(scored, method="recost_low", count=6)["row"] == ranked[::-1][:6].tolist()
    reaching = select(scored, method="recost", threshold=float(scores[ranked[4]]))["row"]
    assert reaching == ranked[:5].tolist()  # a threshold keeps all that reach it


def test_it_says_what_it_needs(scored: Dataset, tmp_path: Path) -> None:
    message = "method 'recost' needs the column target_gain, .*score them with `hf-miwv score --demonstrations-from"
    with pytest.raises(InputError, match=message):
        select(scored.remove_columns("target_gain"), method="recost", count=2)
    with pytest.raises(InputError, match="no column prompt_embedding"):
        select(scored.remove_columns("prompt_embedding"), method="recost", count=2)
    assert needed_columns("recost") == ()
    assert _selection_faults({"method": "recost", "count": 2}, {}) == [
        "selection: method recost needs a target set; in scoring, demonstrations_from: TARGET",
        "selection: method recost needs the embeddings; in scoring, keep_embeddings: true",
    ]
    (tmp_path / "rows.jsonl").write_text("{}", "utf-8")
    words = ["select", str(tmp_path / "rows.jsonl"), "--model", "m", "--method", "recost", "--count", "2"]
    done = CliRunner().invoke(main, [*words, "--output", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "method 'recost' needs the rows of a target set; give --demonstrations-from" in " ".join(
        done.output.split()
    )
