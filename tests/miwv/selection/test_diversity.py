"""The greedy choice of rows that lie apart, against the plain loop, and `select` with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score, select
from hf_miwv.rows.columns import read_embeddings
from hf_miwv.selection.diversity import choose_diverse
from tests.miwv.scoring.test_score import plain_embeddings


def unit_vectors(rows: int, width: int = 4, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def plain_choice(ranked: list[int], vectors: np.ndarray, wanted: int, cosine: float) -> tuple[list[int], int]:
    """One row at a time: taken where it is close to none that was taken."""
    taken: list[int] = []
    passed_over = 0
    for row in ranked:
        if len(taken) == wanted:
            break
        if any(float(vectors[row] @ vectors[other]) > cosine for other in taken):
            passed_over += 1
        else:
            taken.append(row)
    return taken, passed_over


@pytest.mark.parametrize("block", [1, 3, 16, 200])
@pytest.mark.parametrize(
    ("wanted", "cosine"),
    [
        (1, 0.5),
        (20, 0.9),
        (20, 0.6),
        (120, 0.99),
        (120, 0.0),
        (7, -0.5),
        (120, -1.0),
    ],
)
def test_any_blocking_equals_the_plain_choice(wanted: int, cosine: float, block: int) -> None:
    vectors = unit_vectors(120)
    ranked = np.random.default_rng(1).permutation(120)
    expected, passed_over = plain_choice(ranked.tolist(), vectors, wanted, cosine)
    found, count = choose_diverse(ranked, lambda rows: vectors[rows], wanted, cosine, block)
    assert found.tolist() == expected
    assert count == passed_over


def test_only_what_is_needed_is_read() -> None:
    vectors, read = unit_vectors(50), []

    def reader(rows: np.ndarray) -> np.ndarray:
        read.extend(rows.tolist())
        return vectors[rows]

    choose_diverse(np.arange(50), reader, 4, 0.999, block=5)
    assert read == list(range(5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    """24 scored rows with their embeddings, of which 4 and 5 have the prompt of row 2."""
    rows = make_rows()
    for copy in (4, 5):
        rows[copy] = {**rows[2], "output": rows[copy]["output"]}
    rows[9]["output"] = ""
    output = tmp_path_factory.mktemp("diversity") / "scored"
    score(
        Dataset.from_list(rows),
        make_model("llama"),
        tokenizer=make_tokenizer(),
        embedder=str(embedder_folder),
        output_dir=output,
        keep_embeddings=True,
        progress=False,
        embed_text="bare",
    )
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")


def test_the_embeddings_are_those_of_the_prompts(scored: Dataset, embedder_folder: Path) -> None:
    texts = ["\n\n".join(filter(None, (row["instruction"], row["input"]))) for row in scored]
    expected = plain_embeddings(embedder_folder, texts)
    found = read_embeddings(scored)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    part = scored.select([7, 2, 11])
    assert read_embeddings(part).tolist() == found[[7, 2, 11]].tolist()
    np.testing.assert_allclose(
        scored["neighbor_similarity"],
        (found * found[np.array(scored["neighbor"])]).sum(axis=1),
        atol=1e-5,
    )


def ranking(scored: Dataset) -> list[int]:
    scores = [-np.inf if value is None else value for value in scored["miwv"]]
    return sorted((row for row in range(len(scored)) if row != 9), key=lambda row: -scores[row])


@pytest.mark.parametrize("choice", [{"count": 6}, {"fraction": "0.25"}, {"threshold": -0.05}])
def test_select_equals_the_plain_choice(choice: dict[str, Any], folder: Path, scored: Dataset, tmp_path: Path) -> None:
    vectors, ranked = read_embeddings(scored), ranking(scored)
    cosine, wanted = 0.93, 6
    if "threshold" in choice:
        ranked = [row for row in ranked if scored["miwv"][row] >= choice["threshold"]]
        wanted = len(ranked)
    expected, passed_over = plain_choice(ranked, vectors, wanted, cosine)
    assert passed_over > 0
    found = select(folder, **choice, diversity=cosine, output_dir=tmp_path / "chosen")
    assert found["row"] == expected
    chosen = load_dataset(str(tmp_path / "chosen"), split="train")
    assert chosen["row"] == expected
    assert "prompt_embedding" not in chosen.column_names
    run = json.loads((tmp_path / "chosen" / "run.json").read_text())
    selection = run["selection"]
    assert (selection["diversity"], selection["passed_over"]) == (cosine, passed_over)
    assert (selection["kept"], selection["note"]) == (len(expected), None)
    assert run["identity"]["diversity"] == cosine
    assert f"{passed_over} rows were passed over" in (tmp_path / "chosen/README.md").read_text()


def test_of_rows_with_one_prompt_the_best_is_kept(folder: Path, scored: Dataset) -> None:
    kept = select(folder, fraction=1, diversity=0.999999)["row"]
    assert len({2, 4, 5} & set(kept)) == 1
    assert kept == plain_choice(ranking(scored), read_embeddings(scored), 24, 0.999999)[0]
    assert 9 not in kept


def test_another_method_ranks_the_same_way(folder: Path, scored: Dataset) -> None:
    lengths = np.array(scored["response_tokens"])
    ranked = sorted((row for row in range(24) if row != 9), key=lambda row: -lengths[row])
    expected, _ = plain_choice(ranked, read_embeddings(scored), 5, 0.93)
    assert select(folder, method="length", count=5, diversity=0.93)["row"] == expected


def test_too_few_are_far_apart(folder: Path, scored: Dataset, tmp_path: Path) -> None:
    far, _ = plain_choice(ranking(scored), read_embeddings(scored), 24, 0.9)
    assert 1 <= len(far) < 12
    with pytest.raises(InputError, match=f"count 12: only {len(far)} rows with a score have"):
        select(folder, count=12, diversity=0.9)
    chosen = select(folder, fraction="0.5", diversity=0.9, output_dir=tmp_path / "chosen")
    assert chosen["row"] == far
    note = json.loads((tmp_path / "chosen" / "run.json").read_text())["selection"]["note"]
    assert note == (
        f"12 rows were asked for, but only {len(far)} rows with a score have cosines of at most "
        "0.9 to one another: all of those kept"
    )


@pytest.mark.parametrize("cosine", [1.5, -1.1, float("nan")])
def test_what_is_no_limit(cosine: float, folder: Path) -> None:
    with pytest.raises(InputError, match="is no cosine from -1 to 1"):
        select(folder, count=1, diversity=cosine)


def test_rows_scored_without_their_embeddings(scored: Dataset) -> None:
    with pytest.raises(InputError, match=r"no column prompt_embedding.* with --keep-embeddings"):
        select(scored.remove_columns("prompt_embedding"), count=1, diversity=0.9)


def test_without_diversity_nothing_is_passed_over(scored: Dataset, folder: Path) -> None:
    assert select(folder, count=12)["row"] == ranking(scored)[:12]
    run = json.loads((folder / "run.json").read_text())
    assert run["settings"]["keep_embeddings"] is True
    assert "| prompt_embedding |" in (folder / "README.md").read_text()
