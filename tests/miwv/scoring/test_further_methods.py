"""k-center, SelectIT and Nuggets: each against a plain version on rows that a tiny model has scored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from killing import Stop, contents, fail_on
from plain import plain_alpaca, plain_loss
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, select
from hf_miwv.neighbors.farthest_first import farthest_first, group_centers
from hf_miwv.results.methods import method_scores, needed_columns, row_keys
from hf_miwv.rows.schema import FURTHER_COLUMNS
from hf_miwv.scoring.self_ratings import RATING_PROMPTS, sentence_ratings, token_ratings
from hf_miwv.training.train_recipe import _selection_faults
from tests.miwv.scoring.test_several_neighbors import embeddings, score_tiny

ALL = ("kcenter", "selectit", "selectit_sentence", "nuggets")


def some_rows() -> list[dict[str, str]]:
    rows = make_rows()
    rows[4]["output"] = ""
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    output = tmp_path_factory.mktemp("further") / "scored"
    score_tiny(some_rows(), embedder_folder, also=ALL, output_dir=output)
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")


def ids(text: str) -> list[int]:
    return make_tokenizer()(text, add_special_tokens=False)["input_ids"]


def plain_farthest_first(points: np.ndarray, starts: list[int], count: int) -> list[int]:
    """After the starts, always the point whose nearest taken point is farthest away."""
    taken = list(starts)
    while len(taken) < count:
        distances = [
            -1.0 if row in taken else min(float(np.linalg.norm(point - points[other])) for other in taken)
            for row, point in enumerate(points)
        ]
        taken.append(int(np.argmax(distances)))
    return taken


def test_the_farthest_comes_first() -> None:
    points = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    points[7] = points[3]
    for starts in ([3], [3, 11, 20]):
        order = farthest_first(points, starts, 40).tolist()
        assert order == plain_farthest_first(points, starts, 40)
        assert order[-1] == 7  # the copy of a point taken at once comes last
        assert farthest_first(points, starts, 9).tolist() == order[:9]
    assert farthest_first(points, [0], 99).tolist() == plain_farthest_first(points, [0], 40)


def test_centers_of_groups_lie_in_the_groups() -> None:
    generator = np.random.default_rng(1)
    middles = 10 * generator.normal(size=(4, 6))
    points = np.concatenate([middle + generator.normal(size=(15, 6)) for middle in middles]).astype(np.float32)
    centers = group_centers(points, 5, 4).tolist()
    assert sorted(center // 15 for center in centers) == [0, 1, 2, 3]
    for center in centers:  # the point nearest to the mean of its group
        group = points[center // 15 * 15 : center // 15 * 15 + 15]
        assert center % 15 == np.linalg.norm(group - group.mean(axis=0), axis=1).argmin()
    assert group_centers(points[:3], 0, 8).tolist() == [0, 1, 2]


@torch.no_grad()
def plain_mean_states(model: Any, rows: list[dict[str, str]]) -> np.ndarray:
    """Mean over prompt and response of the states that go into the output layer, one row at a time."""
    sequences = [[1, *ids(plain_alpaca(row)), *ids(row["output"])] for row in rows]
    states = [model.model(input_ids=torch.tensor([sequence])).last_hidden_state[0] for sequence in sequences]
    return np.stack([state.mean(dim=0).numpy() for state in states])


def test_kcenter_goes_by_the_mean_hidden_state(scored: Dataset, folder: Path) -> None:
    usable = [row for row in range(24) if row != 4]
    means = plain_mean_states(make_model("llama"), [some_rows()[row] for row in usable])
    keys = row_keys(scored)
    start = min(range(23), key=lambda position: keys[usable[position]])
    order = [usable[position] for position in plain_farthest_first(means, [start], 23)]
    assert scored["kcenter_rank"][4] is None
    ranks = {rank: row for row, rank in enumerate(scored["kcenter_rank"]) if rank is not None}
    assert [ranks[rank] for rank in range(23)] == order
    assert select(scored, method="kcenter", count=6)["row"] == order[:6]
    # Not a pass more than without it.
    stages = json.loads((folder / "run.json").read_text())["stages"]
    assert stages["score"]["reuse"] == {"all of the neighbor's pass": 23}
    assert stages["kcenter"] == {"rows": 24}


def test_hidden_states_without_shared_passes_are_the_same(scored: Dataset, embedder_folder: Path) -> None:
    model = make_model("llama")
    model.set_attn_implementation("eager")
    alone = score_tiny(some_rows(), embedder_folder, also=("kcenter",), model=model)
    assert alone["kcenter_rank"] == scored["kcenter_rank"]


@torch.no_grad()
def plain_rating(model: Any, row: dict[str, str], prompt: str) -> float:
    """SelectIT's formula at token level, from the probabilities of " 1" to " 5", whatever their tokens."""
    question = "\n\n".join(part for part in (row["instruction"], row["input"]) if part)
    head = f"{prompt}\n\nInstruction:\n{question}\n\nResponse:\n"
    context = [1, *ids(head), *ids(row["output"]), *ids("\n\nThe answer is:")]
    tokens = [ids(f" {rating}") for rating in range(1, 6)]
    probabilities = [np.exp(-plain_loss(model, context, rating) * len(rating)) for rating in tokens]
    shares = [probability / sum(probabilities) for probability in probabilities]
    base = int(np.argmax(shares))
    return (base + 1) * sum(abs(share - shares[base]) for k, share in enumerate(shares) if k != base) / 4


def test_selectit_equals_its_formula(scored: Dataset, folder: Path) -> None:
    model = make_model("llama")
    for row in (0, 5, 11):
        ratings = [plain_rating(model, some_rows()[row], prompt) for prompt in RATING_PROMPTS]
        assert np.ptp(ratings) > 1e-4
        assert scored["selectit"][row] == pytest.approx(ratings[0], rel=1e-3)
        expected = np.mean(ratings) / (1 + 0.2 * np.std(ratings))
        assert scored["selectit_sentence"][row] == pytest.approx(expected, rel=1e-3)
    assert (scored["selectit"][4], scored["selectit_sentence"][4]) == (None, None)
    # A row's five ratings share its pass but for themselves.
    stage = json.loads((folder / "run.json").read_text())["stages"]["selectit_1"]
    assert stage["reuse"] == {"all of the neighbor's pass": 5 * 23}
    rating = sum(len(ids(f" {number}")) for number in range(1, 6))
    trunks = [
        1
        + len(ids(f"{RATING_PROMPTS[0]}\n\nInstruction:\n"))
        + sum(len(ids(row[name])) for name in ("instruction", "input", "output"))
        for row in some_rows()
        if row["output"]
    ]
    assert 0 < stage["tokens"] - sum(trunks) - 23 * rating < 23 * 60


def test_ratings_by_hand() -> None:
    probabilities = np.array([[0.1, 0.1, 0.2, 0.5, 0.1], [0.2, 0.2, 0.2, 0.2, 0.2], [1e-30, 0, 0, 0, 0]])
    with np.errstate(divide="ignore"):
        losses = -np.log(probabilities) / 2  # two tokens each
    losses = np.where(np.isfinite(losses), losses, 200.0)
    found = token_ratings(losses, np.full(5, 2))
    np.testing.assert_allclose(found, [4 * (0.4 + 0.4 + 0.3 + 0.4) / 4, 0, 1], atol=1e-9)
    assert np.isnan(token_ratings(np.full((1, 5), np.nan), np.ones(5))).all()
    np.testing.assert_allclose(sentence_ratings(np.array([[1.0], [3.0]])), [2 / 1.2])


def test_nuggets_equals_the_plain_loop(scored: Dataset, folder: Path, embedder_folder: Path) -> None:
    rows, model = some_rows(), make_model("llama")
    usable = [row for row in range(24) if row != 4]
    stage = json.loads((folder / "run.json").read_text())["stages"]["nuggets"]
    anchors = stage["anchors"]
    assert len(anchors) == 8
    # Spread over the prompts: each has some that are nearer to it than to the others.
    vectors = embeddings(embedder_folder, rows)
    nearest = np.linalg.norm(vectors[usable][:, None] - vectors[anchors], axis=2).argmin(axis=1)
    assert len(set(nearest.tolist())) == 8
    for row in (1, anchors[0]):
        gains = []
        for anchor in anchors:
            if anchor == row:
                continue
            x, y = ids(plain_alpaca(rows[anchor])), ids(rows[anchor]["output"])
            example = [*ids(plain_alpaca(rows[row])), *ids(rows[row]["output"]), *ids("\n\n")]
            gains.append(plain_loss(model, [1, *x], y) - plain_loss(model, [1, *example, *x], y))
        assert scored["nuggets"][row] == pytest.approx(np.mean(np.array(gains) > 0))
        assert scored["nuggets_gain"][row] == pytest.approx(np.mean(gains), abs=1e-4)
    assert scored["nuggets"][4] is None
    assert set(stage["reuse"]) == {"all of the neighbor's pass"}
    shares, gains = (np.array([np.nan if v is None else v for v in scored[n]]) for n in ("nuggets", "nuggets_gain"))
    order = sorted(usable, key=lambda row: (-shares[row], -gains[row]))
    assert select(scored, method="nuggets", count=23)["row"] == order
    assert np.nanmax(np.abs(method_scores(scored, "nuggets") - shares)) <= 1e-6


def test_in_chat_form_and_where_there_is_no_room(embedder_folder: Path) -> None:
    rows = some_rows()[:10]
    rows[2]["output"] = "rain " * 200
    settings = {"tokenizer": make_tokenizer(chat_template=CHATML), "template": "chat", "max_length": 300}
    scored = score_tiny(rows, embedder_folder, also=ALL, **settings)
    for name in ("selectit", "nuggets", "kcenter_rank"):
        assert [value is None for value in scored[name]][3:6] == [False, True, False]
    assert None not in [scored["selectit"][2], scored["selectit_sentence"][2]]  # its response is cut for the rating


def test_each_says_what_it_needs(scored: Dataset, folder: Path) -> None:
    for method in ALL:
        for column in FURTHER_COLUMNS[method]:
            if method == "selectit_sentence" and column == "selectit":
                continue
            with pytest.raises(InputError, match=f"score them with `hf-miwv score --also {method}`"):
                method_scores(scored.remove_columns(column), f"{method}_low")
        assert needed_columns(f"{method}_low") == (method,)
        fault = f"selection: method {method} needs its own losses; in scoring, also: [{method}]"
        assert _selection_faults({"method": method, "fraction": 0.1}, {}) == [fault]
    card = (folder / "README.md").read_text()
    for name in ("kcenter_rank", "selectit", "selectit_sentence", "nuggets", "nuggets_gain"):
        assert f"| {name} |" in card or f"`{name}`" in card or name.replace("_", "\\_") in card
    assert json.loads((folder / "run.json").read_text())["settings"]["also"] == list(ALL)


def test_stopped_and_called_again_it_ends_with_the_same_bytes(
    folder: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    stopped = tmp_path / "scored"
    model = make_model("llama")
    work = tmp_path / "scored.work" / "process-0-of-1"
    fail_on(model, lambda *_: Stop() if (work / "selectit_1.npy").exists() else None)
    with pytest.raises(Stop):
        score_tiny(some_rows(), embedder_folder, also=ALL, output_dir=stopped, model=model)
    assert (work / "means-000000000.npy").exists()
    score_tiny(some_rows(), embedder_folder, also=ALL, output_dir=stopped)
    assert contents(stopped) == contents(folder)
