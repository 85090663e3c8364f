"""`score` on real (tiny) models: equal to the plain loop, every row in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from plain import plain_alpaca, plain_miwv, plain_neighbor
from sentence_transformers import SentenceTransformer
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score
from hf_miwv.rows.schema import SCORE_COLUMNS

QUIET: dict[str, Any] = {"progress": False}


def plain_embeddings(folder: Path, texts: list[str]) -> np.ndarray:
    """Mean of the last hidden states, one text at a time, made a unit vector."""
    model = SentenceTransformer(str(folder), device="cpu")
    vectors = [model[0].auto_model(**model.tokenizer(t, return_tensors="pt")) for t in texts]
    means = [v.last_hidden_state[0].mean(dim=0).detach().numpy() for v in vectors]
    return np.stack([mean / np.linalg.norm(mean) for mean in means])


@pytest.mark.parametrize("batch_tokens", [100, 4096])
@pytest.mark.parametrize(
    ("kind", "tied", "bos", "side"),
    [
        ("llama", True, True, "right"),
        ("llama", False, False, "left"),
        ("qwen3", True, False, "right"),
        ("qwen3", False, True, "left"),
        ("gpt2", True, True, "left"),
        ("gpt2", True, False, "right"),
    ],
)
def test_scores_equal_the_plain_loop(
    kind: str, tied: bool, bos: bool, side: str, batch_tokens: int, embedder_folder: Path
) -> None:
    rows, model, tokenizer = make_rows(), make_model(kind, tied), make_tokenizer(bos, side)
    scored = score(
        Dataset.from_list(rows),
        model,
        tokenizer=tokenizer,
        embedder=str(embedder_folder),
        batch_tokens=batch_tokens,
        **QUIET,
    )
    vectors = plain_embeddings(embedder_folder, [plain_alpaca(row) for row in rows])
    neighbors = [plain_neighbor(vectors, row) for row in range(len(rows))]
    assert scored["neighbor"] == neighbors
    expected = np.array(plain_miwv(model, tokenizer, rows, neighbors, [1] if bos else []))
    found = np.array([scored["loss_zero_shot"], scored["loss_one_shot"], scored["miwv"]]).T
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.ptp(expected[:, 2]) > 0.1
    assert set(scored["miwv_status"]) == {"ok"}


def test_every_row_keeps_its_place_and_columns(rows: Dataset, embedder_folder: Path) -> None:
    dataset = rows.add_column("id", [f"r{i}" for i in range(len(rows))])
    scored = score_tiny(dataset, embedder_folder)
    assert scored.column_names == [*dataset.column_names, *SCORE_COLUMNS]
    assert scored["id"] == dataset["id"]
    assert scored["row"] == list(range(len(rows)))


def score_tiny(dataset: Dataset, embedder_folder: Path, **settings: Any) -> Dataset:
    settings = {"tokenizer": make_tokenizer(chat_template=CHATML), **QUIET, **settings}
    return score(dataset, make_model("llama"), embedder=str(embedder_folder), **settings)


def test_rows_that_cannot_be_scored_are_flagged_not_dropped(embedder_folder: Path) -> None:
    rows = make_rows(8)
    rows[2]["output"] = ""
    rows[5]["output"] = " \n"
    rows[6] = dict(rows[1], output="another answer")
    rows[7]["output"] = "rain " * 200  # longer than the limit by itself
    rows[0]["output"] = "water " * 60  # leaves room for a part of the demonstration
    scored = score_tiny(Dataset.from_list(rows), embedder_folder, max_length=250)
    status, flags = scored["miwv_status"], scored["miwv_flags"]
    assert [status[i] for i in (2, 5, 7)] == [
        "empty_response",
        "empty_response",
        "demonstration_dropped",
    ]
    assert flags[7] == ["response_truncated"]
    assert "demonstration_trimmed" in flags[0]
    assert [i for i in range(8) if "duplicate_prompt" in flags[i]] == [1, 6]
    for row in scored:
        assert (row["miwv"] is None) == (row["miwv_status"] != "ok")
    assert scored[7]["loss_zero_shot"] is not None  # it was measured
    assert scored[7]["loss_one_shot"] is None
    assert scored["response_tokens"][2] == 0


def test_a_loss_that_is_not_finite_is_said(rows: Dataset, embedder_folder: Path) -> None:
    model, tokenizer = make_model("llama", tied=False), make_tokenizer()
    poison = tokenizer("hydrogen", add_special_tokens=False)["input_ids"][0]
    model.model.embed_tokens.weight.data[poison] = float("nan")
    few = Dataset.from_list([*make_rows(4), {"instruction": "hydrogen", "input": "", "output": "a"}])
    scored = score(few, model, tokenizer=tokenizer, embedder=str(embedder_folder), **QUIET)
    assert scored["miwv_status"][4] == "not_finite"
    assert scored["miwv"][4] is None


def test_a_trained_model_is_scored_as_it_stands_and_left_as_it_was(rows: Dataset, embedder_folder: Path) -> None:
    model = make_model("llama").train()
    score(rows, model, tokenizer=make_tokenizer(), embedder=str(embedder_folder), **QUIET)
    assert model.training


@pytest.mark.parametrize("shape", ["prompt_completion", "chat_completion", "messages", "sharegpt"])
def test_the_other_shapes(shape: str, embedder_folder: Path) -> None:
    def convert(row: dict[str, str]) -> dict[str, Any]:
        user, assistant = row["instruction"], row["output"]
        turns = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
        return {
            "prompt_completion": {"prompt": user, "completion": assistant},
            "chat_completion": {"prompt": turns[:1], "completion": turns[1:]},
            "messages": {"messages": turns},
            "sharegpt": {"conversations": [{"from": "human", "value": user}, {"from": "gpt", "value": assistant}]},
        }[shape]

    scored = score_tiny(Dataset.from_list([convert(r) for r in make_rows(8)]), embedder_folder)
    assert set(scored["miwv_status"]) == {"ok"}
    if shape != "prompt_completion":
        alpaca = Dataset.from_list([{**r, "input": ""} for r in make_rows(8)])
        same = score_tiny(alpaca, embedder_folder, template="chat")
        np.testing.assert_allclose(scored["miwv"], same["miwv"], atol=1e-5)


def test_row_order_does_not_matter(embedder_folder: Path) -> None:
    rows = make_rows(16)
    order = np.random.default_rng(5).permutation(16)
    one = score_tiny(Dataset.from_list(rows), embedder_folder)
    other = score_tiny(Dataset.from_list([rows[i] for i in order]), embedder_folder)
    np.testing.assert_allclose(np.array(one["miwv"])[order], other["miwv"], atol=1e-4)


def test_embedding_the_bare_text_and_other_pooling(rows: Dataset, embedder_folder: Path) -> None:
    bare = score_tiny(rows, embedder_folder, embed_text="bare")
    vectors = plain_embeddings(
        embedder_folder,
        ["\n\n".join(filter(None, (r["instruction"], r["input"]))) for r in make_rows()],
    )
    assert bare["neighbor"] == [plain_neighbor(vectors, i) for i in range(len(rows))]


def copies() -> list[dict[str, str]]:
    """Rows of which three have one prompt, and two another."""
    rows = make_rows(16)
    for copy, first in ((5, 2), (11, 2), (9, 4)):
        rows[copy] = {**rows[first], "output": rows[copy]["output"]}
    return rows


@pytest.mark.parametrize("search", ["exact", "index"])
def test_neighbors_with_another_prompt(search: str, embedder_folder: Path) -> None:
    if search == "index":
        pytest.importorskip("usearch")
    rows, model, tokenizer = copies(), make_model("llama"), make_tokenizer()
    settings: dict[str, Any] = {"embedder": str(embedder_folder), "tokenizer": tokenizer, **QUIET}
    found = score(Dataset.from_list(rows), model, avoid_duplicate_neighbors=True, search=search, **settings)
    prompts = [plain_alpaca(row) for row in rows]
    vectors = plain_embeddings(embedder_folder, prompts)
    expected = []
    for row, prompt in enumerate(prompts):
        others = [other for other in range(16) if prompts[other] != prompt]
        expected.append(max(others, key=lambda other: float(vectors[row] @ vectors[other])))
    same = [prompts[a] == prompts[b] for a, b in zip(found["neighbor"], expected, strict=True)]
    assert all(same)  # of rows with one prompt, either may be first by a rounding
    losses = np.array(plain_miwv(model, tokenizer, rows, found["neighbor"], [1]))
    np.testing.assert_allclose(found["miwv"], losses[:, 2], atol=1e-4)
    assert [row for row in range(16) if found["miwv_flags"][row]] == [2, 4, 5, 9, 11]
    assert {flag for flags in found["miwv_flags"] for flag in flags} == {"duplicate_prompt"}
    allowed = score(Dataset.from_list(rows), model, search=search, **settings)
    assert {allowed["neighbor"][row] for row in (2, 5, 11)} <= {2, 5, 11}
    assert {allowed["neighbor"][row] for row in (4, 9)} == {4, 9}


def test_where_all_rows_have_one_prompt_the_nearest_is_taken_and_flagged(
    embedder_folder: Path,
) -> None:
    rows = [{**make_rows(1)[0], "output": row["output"]} for row in make_rows(5)]
    found = score_tiny(Dataset.from_list(rows), embedder_folder, avoid_duplicate_neighbors=True)
    assert found["neighbor"] == score_tiny(Dataset.from_list(rows), embedder_folder)["neighbor"]
    assert found["miwv_flags"] == [["duplicate_prompt", "duplicate_neighbor"]] * 5
    assert set(found["miwv_status"]) == {"ok"}


def test_avoiding_duplicates_is_part_of_the_run(tmp_path: Path, embedder_folder: Path) -> None:
    rows, output = Dataset.from_list(copies()), tmp_path / "scored"
    score_tiny(rows, embedder_folder, output=output, avoid_duplicate_neighbors=True)
    run = json.loads((output / "run.json").read_text())
    assert run["settings"]["avoid_duplicate_neighbors"] is True
    assert "nearest row with another prompt" in (output / "README.md").read_text()
    with pytest.raises(InputError, match="not the same: duplicate neighbors"):
        score_tiny(rows, embedder_folder, output=output)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pooling": "cls"}, "pooling 'cls' is not one of ours: known: mean, model"),
        ({"embed_text": "bar"}, "did you mean 'bare'"),
        ({"max_length": 1}, "leaves no room"),
        ({"max_length": 100_000}, "above the model's own limit of 512 tokens"),
        ({"batch_tokens": 0}, "give 1 or more"),
        ({"columns": {"prompt": "instruction", "completion": "answer"}}, "no column 'answer'"),
        ({"tokenizer": None}, "a loaded model needs its tokenizer"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str, rows: Dataset, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(rows, embedder_folder, **settings)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make_rows(1), "has 1 row; a row is scored behind its nearest neighbor"),
        ([{"instruction": "a", "output": " "}] * 3, "none of the 3 rows has a response"),
        (
            [{"instruction": "a", "output": "b"}, {"instruction": "c", "output": None}],
            "row 1: column 'output' must be a string, found null",
        ),
        ([{"text": "a"}] * 2, "columns found: text"),
        ([{**row, "miwv": 1.0} for row in make_rows(3)], "give --overwrite-columns"),
    ],
)
def test_bad_rows(rows: list[dict[str, Any]], message: str, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(Dataset.from_list(rows), embedder_folder)


def test_our_columns_are_replaced_when_asked(rows: Dataset, embedder_folder: Path) -> None:
    once = score_tiny(rows, embedder_folder)
    twice = score_tiny(once, embedder_folder, overwrite_columns=True)
    assert twice.column_names == once.column_names
    assert twice["miwv"] == once["miwv"]


def test_a_dataset_dict_is_refused(rows: Dataset) -> None:
    with pytest.raises(InputError, match="choose the split"):
        score({"train": rows}, make_model("llama"))  # type: ignore[arg-type]
