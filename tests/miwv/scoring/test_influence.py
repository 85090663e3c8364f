"""What a row saves others as their example: equal to the plain sums over the edges, and a method of select."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain import plain_influence
from tiny import make_rows

from hf_miwv import InputError, select
from hf_miwv.comparing.comparison import compare
from hf_miwv.results.methods import method_scores, needed_columns
from hf_miwv.rows.schema import INFLUENCE_COLUMNS, SCORE_COLUMNS
from hf_miwv.scoring.neighbor_scores import example_influence
from hf_miwv.training.train_recipe import _selection_faults
from tests.miwv.scoring.test_several_neighbors import embeddings, score_tiny


def as_numbers(values: Any) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values])


@pytest.mark.parametrize("count", [1, 3])
def test_it_equals_the_plain_sums(count: int, embedder_folder: Path) -> None:
    rows = make_rows()
    rows[4]["output"] = ""  # not scored, and a neighbor all the same
    scored = score_tiny(rows, embedder_folder, neighbors=count, also=("influence",))
    lists = ("neighbors", "losses_one_shot") if count > 1 else ("neighbor", "loss_one_shot")
    neighbors, losses = ([value if count > 1 else [value] for value in scored[name]] for name in lists)
    losses = [row if None not in row else [np.nan] * count for row in losses]
    vectors = embeddings(embedder_folder, rows)
    cosines = [[float(vectors[row] @ vectors[other]) for other in neighbors[row]] for row in range(len(rows))]
    zero_shot = [value if value is not None else np.nan for value in scored["loss_zero_shot"]]
    # Row 4 has no losses: it helps others, and none helps it.
    helped = [examples if scored["miwv_status"][row] == "ok" else [] for row, examples in enumerate(neighbors)]
    ones = [[1.0] * len(examples) for examples in helped]
    weights = [[(1 - cosine) / 2 for cosine in cosines[row]][: len(helped[row])] for row in range(len(rows))]
    losses = [loss[: len(helped[row])] for row, loss in enumerate(losses)]
    for name, factors in (("influence", ones), ("influence_diverse", weights)):
        expected = as_numbers(plain_influence(zero_shot, losses, helped, factors))
        found = as_numbers(scored[name])
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert np.isnan(found).any()
    assert np.nanstd(as_numbers(scored["influence"])) > 1e-3


def test_the_weights_are_those_of_each_pair() -> None:
    generator = np.random.default_rng(0)
    gains, weights = generator.normal(size=(20, 3)), generator.uniform(size=(20, 3))
    neighbors = np.array([generator.permutation(15)[:3] for _ in range(20)])
    zero_shot = generator.normal(size=20)
    losses = (zero_shot[:, None] - gains).tolist()
    expected = plain_influence(zero_shot.tolist(), losses, neighbors.tolist(), weights.tolist())
    found = example_influence(gains, neighbors, weights)
    np.testing.assert_allclose(found, as_numbers(expected), atol=1e-12)
    assert np.isnan(found[15:]).all()
    gains[3, 1], neighbors[5, 2] = np.nan, -1  # a pass that was not run, a neighbor that there is not
    fewer = example_influence(gains, neighbors, weights)
    changed = np.flatnonzero(~np.isclose(fewer, found, equal_nan=True))
    assert len(changed) == 2


def test_it_is_a_method_and_an_end_of_the_ranking(embedder_folder: Path) -> None:
    scored = score_tiny(make_rows(), embedder_folder, also=("influence",))
    for method in INFLUENCE_COLUMNS:
        scores = method_scores(scored, method)
        np.testing.assert_array_equal(scores, as_numbers(scored[method]))
        chosen = select(scored, method=method, count=5)
        assert chosen["row"] == np.argsort(-scores)[:5].tolist()
        assert needed_columns(f"{method}_low") == ("influence",)
    without = scored.remove_columns(list(INFLUENCE_COLUMNS))
    with pytest.raises(InputError, match="score them with `hf-miwv score --also influence`"):
        method_scores(without, "influence")


def test_with_one_neighbor_it_is_added_only_where_asked_for(tmp_path: Path, embedder_folder: Path) -> None:
    plain, asked = tmp_path / "plain", tmp_path / "asked"
    without = score_tiny(make_rows(), embedder_folder, output_dir=plain)
    scored = score_tiny(make_rows(), embedder_folder, output_dir=asked, also=("influence",))
    assert without.column_names == [*make_rows(1)[0], *SCORE_COLUMNS]
    assert scored.column_names == [*without.column_names, *INFLUENCE_COLUMNS]
    assert scored["miwv"] == without["miwv"]
    run, plain_run = (json.loads((folder / "run.json").read_text()) for folder in (asked, plain))
    assert run["settings"]["also"] == ["influence"]
    assert run["stages"] == plain_run["stages"]  # not a pass more
    card = (asked / "README.md").read_text()
    assert "| influence | " in card
    assert "what it saves them" in card
    with pytest.raises(InputError, match="not the same: influence"):
        score_tiny(make_rows(), embedder_folder, output_dir=asked)
    report = compare([asked], fractions=["0.2"])
    assert {"influence", "influence_diverse"} <= set(report["rankings"])
    left_out = {entry["method"]: entry["reason"] for entry in compare([plain], fractions=["0.2"])["left_out"]}
    assert "--also influence" in left_out["influence"]


def test_a_recipe_that_chooses_by_it_must_have_it() -> None:
    selection = {"method": "influence", "fraction": 0.1}
    assert _selection_faults(selection, {}) == [
        "selection: method influence needs its own losses; in scoring, also: [influence]"
    ]
    assert not _selection_faults(selection, {"also": ["influence"]})
    assert not _selection_faults(selection, {"neighbors": 2})
