"""Each method against its formula by hand, on rows that a real (tiny) model has scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from plain import plain_loss
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import select
from hf_miwv.results.methods import method_scores, row_keys
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.rows.schema import ALSO_COLUMNS, SCORE_COLUMNS
from tests.miwv.results.methods_rows import score_tiny, some_rows

NAN = float("nan")


@pytest.mark.parametrize("batch_tokens", [60, 4096])
@pytest.mark.parametrize(
    ("kind", "bos", "start", "alone"),
    [
        ("llama", True, [1], [1]),
        ("gpt2", False, [], [2]),
        ("qwen3", True, [1], [1]),
    ],
)
def test_losses_without_the_prompt_equal_the_plain_loop(
    kind: str,
    bos: bool,
    start: list[int],
    alone: list[int],
    batch_tokens: int,
    embedder_folder: Path,
) -> None:
    rows, model, tokenizer = make_rows(12), make_model(kind), make_tokenizer(bos)
    scored = score_tiny(rows, embedder_folder, model=model, tokenizer=tokenizer, batch_tokens=batch_tokens)

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    heading = start + ids("### Response:")
    after_heading = [plain_loss(model, heading, ids(row["output"])) for row in rows]
    after_nothing = [plain_loss(model, alone, ids(row["output"])) for row in rows]
    np.testing.assert_allclose(scored["loss_response_alone"], after_heading, atol=1e-4)
    np.testing.assert_allclose(scored["loss_response_bare"], after_nothing, atol=1e-4)
    assert np.ptp(after_heading) > 0.1
    assert np.abs(np.subtract(after_heading, after_nothing)).max() > 0.01


def test_the_other_columns_do_not_depend_on_it(scored: Dataset, embedder_folder: Path) -> None:
    without = score_tiny(some_rows(), embedder_folder, also=())
    assert without.column_names == [*make_rows(1)[0], *SCORE_COLUMNS]
    assert scored.column_names == [*without.column_names, *ALSO_COLUMNS.values()]
    assert [scored[name] for name in SCORE_COLUMNS] == [without[name] for name in SCORE_COLUMNS]


def test_rows_whose_response_cannot_be_measured_alone(embedder_folder: Path) -> None:
    rows = [{"prompt": "", "completion": "rain " * count} for count in (3, 0, 70)]
    scored = score_tiny(rows, embedder_folder, max_length=60)
    # 59 tokens go behind a prompt of one token, but not behind the heading, which has more.
    assert scored["response_tokens"] == [4, 0, 59]
    assert [value is None for value in scored["loss_response_alone"]] == [False, True, True]
    assert [value is None for value in scored["loss_response_bare"]] == [False, True, False]
    np.testing.assert_allclose(
        np.array(scored["loss_response_bare"], float)[[0, 2]],
        np.array(scored["loss_zero_shot"], float)[[0, 2]],
        atol=1e-5,  # an empty prompt is that very token
    )


def test_in_chat_form_the_same_response_is_measured(embedder_folder: Path) -> None:
    tokenizer, model = make_tokenizer(chat_template=CHATML), make_model("llama")
    rows = make_rows(6)
    scored = score_tiny(rows, embedder_folder, tokenizer=tokenizer, model=model, template="chat")
    response = tokenizer(rows[2]["output"], add_special_tokens=False)["input_ids"]
    assert scored["loss_response_bare"][2] == pytest.approx(plain_loss(model, [1], response), abs=1e-4)


def plain_score(row: dict[str, Any], method: str) -> float:
    """The formulas of the methods, word for word."""
    if row["miwv_status"] != "ok":
        return NAN
    y_given_x, y_given_c_x = row["loss_zero_shot"], row["loss_one_shot"]
    if method == "ifd":
        ratio = y_given_x / row["loss_response_alone"]
        return NAN if ratio > 1 else ratio
    if method == "superfiltering":
        ratio = np.exp(y_given_x) / np.exp(row["loss_response_bare"])
        return NAN if ratio >= 1 else ratio
    return {
        "miwv": y_given_c_x - y_given_x,
        "prompt_loss": y_given_c_x,
        "perplexity": y_given_x,
        "length": row["response_tokens"],
    }[method]


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("method", ["miwv", "prompt_loss", "perplexity", "ifd", "superfiltering", "length"])
def test_every_method_is_its_formula(method: str, low: bool, scored: Dataset) -> None:
    expected = np.array([plain_score(row, method) for row in scored])
    expected = -expected if low else expected
    found = method_scores(scored, f"{method}_low" if low else method)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.isfinite(found).sum() > 4
    assert np.isnan(found[3])  # it has no response
    best = int(np.nanargmax(expected))
    name = f"{method}_low" if low else method
    assert select(scored, method=name, count=1)["row"] == [best]


def test_the_length_is_that_of_the_response(scored: Dataset) -> None:
    tokenizer = make_tokenizer()
    counts = [len(tokenizer(r["output"], add_special_tokens=False)["input_ids"]) for r in scored]
    found = method_scores(scored, "length")
    assert np.delete(found, 3).tolist() == np.delete(counts, 3).tolist()


def made_up(zero_shot: list[float], alone: list[float], bare: list[float]) -> Dataset:
    count = len(zero_shot)
    rows = Dataset.from_dict({"instruction": [f"q{i}" for i in range(count)]})
    columns: dict[str, Any] = {
        "row": np.arange(count),
        "miwv": np.full(count, 0.5),
        "loss_zero_shot": zero_shot,
        "loss_one_shot": np.array(zero_shot) + 0.5,
        "neighbor": np.zeros(count, int),
        "neighbor_similarity": np.full(count, 0.5),
        "response_tokens": np.full(count, 9),
        "miwv_status": ["ok"] * count,
        "miwv_flags": [[]] * count,
        "loss_response_alone": np.array(alone),
        "loss_response_bare": np.array(bare),
    }
    return add_score_columns(rows, columns)


def test_where_the_ratios_end() -> None:
    rows = made_up([1.0, 2.0, 2.1, 0.5, 1.0], [2.0, 2.0, 2.0, 0.0, NAN], [2.0, 2.0, 3.1, 0.4, NAN])
    np.testing.assert_allclose(method_scores(rows, "ifd"), [0.5, 1.0, NAN, NAN, NAN])
    np.testing.assert_allclose(method_scores(rows, "superfiltering"), [np.exp(-1), NAN, np.exp(-1), NAN, NAN])


def test_random_goes_by_content_and_not_by_place(scored: Dataset) -> None:
    order = np.random.default_rng(3).permutation(len(scored))
    found = method_scores(scored, "random", seed=5)
    moved = scored.select(order)
    other = method_scores(moved, "random", seed=5)
    by_content = {
        name: sorted(scores[[row["instruction"] == name for row in rows]].tolist())
        for rows, scores, name in (
            (scored, found, scored["instruction"][6]),
            (moved, other, scored["instruction"][0]),
        )
    }
    assert len(by_content[scored["instruction"][6]]) == 2  # copies have numbers of their own
    assert len(set(by_content[scored["instruction"][6]])) == 2
    assert sorted(np.nan_to_num(found)) == sorted(np.nan_to_num(other))
    single = [place for place in range(len(order)) if order[place] not in (6, 20)]
    np.testing.assert_array_equal(other[single], found[order[single]])
    changed = scored.remove_columns("miwv").add_column("miwv", [1.0] * len(scored))
    np.testing.assert_array_equal(method_scores(changed, "random", seed=5), found)
    assert np.isnan(found[3])


def test_random_is_uniform_and_another_seed_is_another_draw() -> None:
    rows = made_up([1.0] * 2000, [1.0] * 2000, [1.0] * 2000)
    one, other = (method_scores(rows, "random", seed=seed) for seed in (0, 1))
    for drawn in (one, other):
        assert drawn.min() >= 0
        assert drawn.max() < 1
        assert np.histogram(drawn, 4, (0, 1))[0] == pytest.approx([500] * 4, abs=70)
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1


def test_row_keys_are_of_the_rows_own_columns(scored: Dataset) -> None:
    keys = row_keys(scored)
    assert len(set(keys)) == len(scored)
    assert keys == row_keys(Dataset.from_list(some_rows()))
    assert keys == row_keys(scored.select_columns(sorted(scored.column_names)))
    renamed = scored.rename_column("output", "answer")
    assert not set(keys) & set(row_keys(renamed))
