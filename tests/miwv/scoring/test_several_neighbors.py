"""Each row behind each of its K nearest: equal to K plain loops, at (1 + K) times the tokens of the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import Dataset, load_dataset
from killing import Stop, contents, fail_on
from plain import plain_alpaca, plain_loss, plain_miwv, plain_neighbors
from sentence_transformers import SentenceTransformer
from tiny import CHATML, make_model, make_rows, make_tokenizer

from hf_miwv import InputError, score
from hf_miwv.__main__ import main
from hf_miwv.rows.schema import INFLUENCE_COLUMNS, NEIGHBORS_COLUMNS, SCORE_COLUMNS


def score_tiny(rows: list[dict[str, Any]], embedder_folder: Path, **settings: Any) -> Dataset:
    settings = {"tokenizer": make_tokenizer(chat_template=CHATML), "progress": False, **settings}
    model = settings.pop("model", None) or make_model("llama")
    return score(Dataset.from_list(rows), model, embedder=str(embedder_folder), **settings)


def embeddings(folder: Path, rows: list[dict[str, str]]) -> np.ndarray:
    """Mean of the last hidden states, one prompt at a time, made a unit vector."""
    model = SentenceTransformer(str(folder), device="cpu")
    states = [model[0].auto_model(**model.tokenizer(plain_alpaca(row), return_tensors="pt")) for row in rows]
    means = [state.last_hidden_state[0].mean(dim=0).detach().numpy() for state in states]
    return np.stack([mean / np.linalg.norm(mean) for mean in means])


@pytest.mark.parametrize("search", ["exact", "index"])
def test_every_loss_equals_the_plain_loop(search: str, embedder_folder: Path) -> None:
    if search == "index":
        pytest.importorskip("usearch")
    rows = make_rows()
    scored = score_tiny(rows, embedder_folder, neighbors=3, search=search)
    vectors = embeddings(embedder_folder, rows)
    neighbors = list(scored["neighbors"])
    for row, found in enumerate(neighbors):  # of prompts equally near but for a rounding, either may be first
        expected = plain_neighbors(vectors, row, 3)
        np.testing.assert_allclose(vectors[found] @ vectors[row], vectors[expected] @ vectors[row], atol=1e-6)
        assert len({row, *found}) == 4
    assert scored["neighbor"] == [first for first, *_ in neighbors]
    model, tokenizer = make_model("llama"), make_tokenizer()
    rounds = [plain_miwv(model, tokenizer, rows, [row[k] for row in neighbors], [1]) for k in range(3)]
    losses = np.array(rounds)[:, :, 1].T
    assert np.ptp(losses, axis=1).max() > 0.1  # three different numbers, or the comparison shows nothing
    np.testing.assert_allclose(np.array(scored["losses_one_shot"]), losses, atol=1e-4)
    zero_shot = np.array(rounds)[0, :, 0]
    np.testing.assert_allclose(scored["loss_zero_shot"], zero_shot, atol=1e-4)
    np.testing.assert_allclose(scored["loss_one_shot"], losses.mean(axis=1), atol=1e-4)
    np.testing.assert_allclose(scored["miwv"], losses.mean(axis=1) - zero_shot, atol=1e-4)
    np.testing.assert_allclose(scored["miwv_spread"], (losses - zero_shot[:, None]).std(axis=1), atol=1e-4)


def test_one_neighbor_is_scored_as_ever(tmp_path: Path, embedder_folder: Path) -> None:
    before, one = tmp_path / "before", tmp_path / "one"
    score_tiny(make_rows(), embedder_folder, output_dir=before)
    scored = score_tiny(make_rows(), embedder_folder, output_dir=one, neighbors=1)
    assert contents(one) == contents(before)
    assert scored.column_names == [*make_rows(1)[0], *SCORE_COLUMNS]
    run = json.loads((one / "run.json").read_text())
    assert "neighbors" not in run["settings"]
    assert "neighbors" not in run["identity"]


def test_tokens_are_those_of_the_rows_for_each_pass(tmp_path: Path, embedder_folder: Path) -> None:
    for count in (1, 2, 4):
        output = tmp_path / str(count)
        score_tiny(make_rows(60), embedder_folder, neighbors=count, output_dir=output, batch_tokens=1024)
        stage = json.loads((output / "run.json").read_text())["stages"]["score"]
        assert stage["reuse"] == {"all of the neighbor's pass": 60 * count}
        assert stage["tokens"] <= 1.05 * (1 + count) * stage["row_tokens"]


def test_the_record_the_card_and_the_columns_say_so(tmp_path: Path, embedder_folder: Path) -> None:
    output = tmp_path / "scored"
    scored = score_tiny(make_rows(), embedder_folder, neighbors=2, output_dir=output)
    assert scored.column_names == [*make_rows(1)[0], *SCORE_COLUMNS, *NEIGHBORS_COLUMNS, *INFLUENCE_COLUMNS]
    run = json.loads((output / "run.json").read_text())
    assert run["settings"]["neighbors"] == run["identity"]["neighbors"] == 2
    spread = np.array(scored["miwv_spread"])
    assert run["statistics"]["miwv_spread"]["mean"] == pytest.approx(spread.mean())
    card = (output / "README.md").read_text()
    assert "each of the 2 nearest: other row" in card
    assert "| spread of MIWV over the neighbors |" in card
    for name in NEIGHBORS_COLUMNS:
        assert f"`{name}`" in card or f"| {name} |" in card
    again = score_tiny([dict(row) for row in scored.to_list()], embedder_folder, overwrite_columns=True)
    assert again.column_names == [*make_rows(1)[0], *SCORE_COLUMNS]
    with pytest.raises(InputError, match="not the same: neighbors"):
        score_tiny(make_rows(), embedder_folder, neighbors=3, output_dir=output)


def test_fewer_neighbors_than_asked_for_are_those_that_there_are(embedder_folder: Path) -> None:
    first, second = make_rows(2)
    answers = [row["output"] for row in make_rows(6)]
    rows = [{**(first if row % 2 else second), "output": answer} for row, answer in enumerate(answers)]
    del rows[4:]  # rows 0 and 2 have one prompt, 1 and 3 the other
    scored = score_tiny(rows, embedder_folder, neighbors=3, avoid_duplicate_neighbors=True)
    assert [sorted(row) for row in scored["neighbors"]] == [[1, 3], [0, 2], [1, 3], [0, 2]]
    model, tokenizer = make_model("llama"), make_tokenizer()
    expected = np.array(
        [plain_miwv(model, tokenizer, rows, [row[k] for row in scored["neighbors"]], [1]) for k in (0, 1)]
    )
    np.testing.assert_allclose(scored["loss_one_shot"], expected[:, :, 1].mean(axis=0), atol=1e-4)
    assert {flag for flags in scored["miwv_flags"] for flag in flags} == {"duplicate_prompt"}


def test_one_loss_alone_has_no_spread(embedder_folder: Path) -> None:
    rows = [{"prompt": f"say {word}", "completion": word} for word in ("rain", "water", "paris")]
    rows[1]["completion"] = None
    scored = score_tiny(rows, embedder_folder, neighbors=2, unreadable_rows="flag")
    assert scored["neighbors"] == [[2], [], [0]]
    assert scored["miwv_status"] == ["ok", "unreadable", "ok"]
    assert scored["miwv_spread"] == [None, None, None]
    assert [row is None for row in scored["miwv"]] == [False, True, False]


def test_an_example_without_room_is_null_in_its_list(embedder_folder: Path) -> None:
    rows = make_rows(8)
    rows[7]["output"] = "rain " * 200  # longer than the limit by itself
    rows[0]["output"] = "water " * 60  # leaves room for a part of an example
    scored = score_tiny(rows, embedder_folder, neighbors=2, max_length=250)
    assert scored["miwv_status"][7] == "demonstration_dropped"
    assert scored["losses_one_shot"][7] == [None, None]
    assert scored["miwv_spread"][7] is None
    assert "demonstration_trimmed" in scored["miwv_flags"][0]
    assert None not in scored["losses_one_shot"][0]


def test_rows_that_open_otherwise_share_nothing_and_are_counted(tmp_path: Path, embedder_folder: Path) -> None:
    def conversation(row: dict[str, str], system: str | None) -> dict[str, Any]:
        turns = [{"role": "system", "content": system}] if system else []
        turns += [{"role": "user", "content": row["instruction"]}, {"role": "assistant", "content": row["output"]}]
        return {"messages": turns}

    systems = [None] * 9 + [f"{word} is what you are made of, and you say so." for word in ("rain", "water", "paris")]
    rows = [conversation(row, system) for row, system in zip(make_rows(12), systems, strict=True)]
    output = tmp_path / "scored"
    scored = score_tiny(rows, embedder_folder, neighbors=2, output_dir=output)
    reuse = json.loads((output / "run.json").read_text())["stages"]["score"]["reuse"]
    alone = sum(systems[row] != systems[neighbor] for row in range(12) for neighbor in scored["neighbors"][row])
    assert alone >= 6
    assert reuse == {
        "all of the neighbor's pass": 24 - alone,
        "nothing: its own system turn or tools come first": alone,
    }
    model, tokenizer = make_model("llama"), make_tokenizer(chat_template=CHATML)
    for row, k in ((11, 0), (0, 1)):
        turns, example = rows[row]["messages"], rows[scored["neighbors"][row][k]]["messages"]
        system = turns[:-2]
        text = tokenizer.apply_chat_template(
            [*system, *example[-2:], turns[-2]], tokenize=False, add_generation_prompt=True
        )
        context, response = (
            tokenizer(part, add_special_tokens=False)["input_ids"] for part in (text, turns[-1]["content"])
        )
        assert scored["losses_one_shot"][row][k] == pytest.approx(plain_loss(model, context, response), abs=1e-4)


def test_stopped_and_called_again_it_ends_with_the_same_bytes(tmp_path: Path, embedder_folder: Path) -> None:
    def run(output: Path, model: Any) -> None:
        settings = {"neighbors": 2, "also": ("ifd",), "batch_tokens": 1500}
        score_tiny(make_rows(), embedder_folder, model=model, output_dir=output, **settings)

    run(tmp_path / "whole", make_model("llama"))
    stopping = make_model("llama")
    fail_on(stopping, lambda call, _: Stop() if call == 5 else None)
    with pytest.raises(Stop):
        run(tmp_path / "stopped", stopping)
    run(tmp_path / "stopped", make_model("llama"))
    assert contents(tmp_path / "stopped") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("neighbors", "message"),
    [
        (0, "neighbors 0: give 1, as in the paper, or more"),
        (8, "neighbors 8: each of the 8 rows has 7 others; give 7 or fewer"),
    ],
)
def test_numbers_that_cannot_be(neighbors: int, message: str, embedder_folder: Path) -> None:
    with pytest.raises(InputError, match=message):
        score_tiny(make_rows(8), embedder_folder, neighbors=neighbors)


def test_a_stream_on_the_command_line(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    data, output = tmp_path / "rows.jsonl", tmp_path / "scored"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(10)))
    words = ["score", data, "--model", model_folder, "--embedder", embedder_folder, "--streaming", "--neighbors", 2]
    done = CliRunner().invoke(main, [*map(str, words), "--output", str(output)])
    assert done.exit_code == 0, done.output
    scored = load_dataset(str(output), split="train")
    assert {len(row) for row in scored["neighbors"]} == {2}
