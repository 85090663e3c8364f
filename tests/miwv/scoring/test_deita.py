"""Deita's scores: two scorers against full logits one text at a time, and a choice that passes over near rows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from killing import Stop, contents
from tiny import make_model, make_rows, make_tokenizer

from hf_miwv import InputError, select
from hf_miwv.results.methods import method_scores, needed_columns
from hf_miwv.rows.examples import Example
from hf_miwv.rows.exchanges import Exchange, exchanges_of
from hf_miwv.scoring import scorers
from hf_miwv.scoring.scorer_ratings import (
    COMPLEXITY_PROMPT,
    QUALITY_PROMPT,
    exchange_scores,
    expected_ratings,
    rating_tokens,
    render,
    scorer_passes,
)
from hf_miwv.scoring.scorers import check_scorers, read_prompt
from hf_miwv.training.train_recipe import _selection_faults
from tests.miwv.scoring.test_several_neighbors import score_tiny


def some_rows() -> list[dict[str, Any]]:
    """One without a response, one with earlier exchanges, one too long for the quality scorer and its instruction."""
    rows: list[dict[str, Any]] = [{**row, "history": []} for row in make_rows(10)]
    rows[4]["output"] = ""
    rows[5]["history"] = [["name a flag", "the german flag"], ["and water?", "rain"]]
    rows[6]["output"] = "rain and water " * 80
    rows[7]["instruction"] = "add two and three " * 60
    return rows


@pytest.fixture(scope="module")
def scorer_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models that differ, with room for 512 and 300 tokens."""
    root = tmp_path_factory.mktemp("scorers")
    for kind, model in (("complexity", make_model("llama")), ("quality", make_model("gpt2", positions=300))):
        model.save_pretrained(root / kind)
        make_tokenizer().save_pretrained(root / kind)
    return {f"{kind}_scorer": root / kind for kind in ("complexity", "quality")}


def score_rows(embedder_folder: Path, scorer_folders: dict[str, Path], **settings: Any) -> Dataset:
    settings = {"also": ("deita",), "max_length": 300, "model": make_model("qwen3"), **scorer_folders, **settings}
    return score_tiny(some_rows(), embedder_folder, **settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path, scorer_folders: dict[str, Path]) -> Path:
    output = tmp_path_factory.mktemp("deita") / "scored"
    score_rows(embedder_folder, scorer_folders, output_dir=output, keep_embeddings=True)
    return output


@pytest.fixture(scope="module")
def scored(folder: Path) -> Dataset:
    return load_dataset(str(folder), split="train")


@torch.no_grad()
def plain_rating(model: Any, text: str) -> float:
    """The expectation over "1" to "6" of the logits at the position behind the whole text."""
    tokenizer = make_tokenizer()
    logits = model(input_ids=torch.tensor([tokenizer(text)["input_ids"]])).logits[0, -1].double()
    six = [logits[tokenizer(str(rating), add_special_tokens=False)["input_ids"][0]] for rating in range(1, 7)]
    probabilities = torch.softmax(torch.stack(six), dim=0)
    return float(sum(rating * probability for rating, probability in enumerate(probabilities, 1)))


def test_scores_equal_the_plain_expectation(scored: Dataset, folder: Path) -> None:
    complexity, quality = make_model("llama"), make_model("gpt2", positions=300)
    for row in (0, 3, 5):
        values = some_rows()[row]
        question = "\n\n".join(part for part in (values["instruction"], values["input"]) if part)
        pairs = [*values["history"], (question, values["output"])]
        c = [plain_rating(complexity, COMPLEXITY_PROMPT.replace("{instruction}", x)) for x, _ in pairs]
        q = [
            plain_rating(quality, QUALITY_PROMPT.replace("{instruction}", x).replace("{output}", y)) for x, y in pairs
        ]
        assert scored["deita"][row] == pytest.approx(np.dot(c, q), rel=1e-4)
        assert scored["deita_complexity"][row] == pytest.approx(np.mean(c), rel=1e-4)
        assert scored["deita_quality"][row] == pytest.approx(np.mean(q), rel=1e-4)
    assert len(scored["deita"]) == 10
    assert np.ptp([value for value in scored["deita_quality"] if value is not None]) > 1e-3
    # The six ratings share the pass of their exchange.
    stages = json.loads((folder / "run.json").read_text())["stages"]
    assert stages["deita_complexity"]["exchanges"] == 11  # ten rows, one without a response, one with two more
    assert set(stages["deita_complexity"]["reuse"]) == {"all of the neighbor's pass"}


def test_what_is_not_rated_has_no_score_and_says_so(scored: Dataset) -> None:
    unrated = [row for row, flags in enumerate(scored["miwv_flags"]) if "deita_unrated" in flags]
    assert scored["miwv_status"][4] == "empty_response"
    assert [row for row, value in enumerate(scored["deita"]) if value is None] == [4, 7]
    assert [row for row in unrated if scored["miwv_status"][row] == "ok"] == unrated
    assert scored["deita_quality"][7] is None  # the instruction alone is too long
    assert scored["deita_complexity"][7] is None or scored["deita_complexity"][7] > 0
    assert 1 < scored["deita_quality"][6] < 6  # cut on the right of its answer


def test_an_answer_is_cut_and_never_an_instruction() -> None:
    tokenizer = make_tokenizer()
    exchanges = [Exchange("add", "rain " * 90), Exchange("add " * 90, "rain"), Exchange("add", "rain")]
    passes = scorer_passes(exchanges, [0, 1, 2], QUALITY_PROMPT, tokenizer, 180)
    end = tokenizer(QUALITY_PROMPT.partition("{output}")[2], add_special_tokens=False)["input_ids"]
    trunks = [passes.zero_shot[number] for number in range(3)]
    assert [len(trunk) for trunk in trunks] == [179, 0, len(tokenizer(render(QUALITY_PROMPT, exchanges[2]))[0])]
    assert all(trunk[-len(end) :] == end for trunk in (trunks[0], trunks[2]))
    assert [passes.row_of(3 + 6 * number) for number in range(3)] == [0, 1, 2]


class SpacedDigits:
    """A tokenizer whose numbers have the space before them in their token, as GPT-2's."""

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {
            "input_ids": [[hash(part) % 10**6 for part in re.findall(r" ?\w+| ?[^\w ]+| ", text)] for text in texts]
        }


def test_a_rating_is_what_follows_the_prompt_whatever_the_tokens() -> None:
    spaced = rating_tokens(QUALITY_PROMPT, SpacedDigits())
    assert spaced == [[hash(f" {rating}") % 10**6] for rating in range(1, 7)]
    plain = make_tokenizer()
    assert (
        rating_tokens(QUALITY_PROMPT, plain)
        == plain([str(n) for n in range(1, 7)], add_special_tokens=False)["input_ids"]
    )


def test_expectations_and_sums_by_hand() -> None:
    probabilities = np.array([[0.5, 0, 0, 0, 0, 0.5], [0.1, 0.2, 0.3, 0.2, 0.1, 0.1]])
    losses = -np.log(np.maximum(probabilities, 1e-300)) + 7  # what is common to all six counts for nothing
    np.testing.assert_allclose(expected_ratings(losses, np.ones(6)), [3.5, 3.3])
    assert np.isnan(expected_ratings(np.full((1, 6), np.nan), np.ones(6))).all()
    columns = exchange_scores(np.array([2.0, 3.0, 4.0, np.nan]), np.array([5.0, 6.0, 1.0, 2.0]), [0, 0, 2, 3], 5)
    np.testing.assert_array_equal(columns["deita"], [28, np.nan, 4, np.nan, np.nan])
    np.testing.assert_array_equal(columns["deita_complexity"], [2.5, np.nan, 4, np.nan, np.nan])
    np.testing.assert_array_equal(columns["deita_quality"], [5.5, np.nan, 1, 2, np.nan])


def test_exchanges_of_a_conversation() -> None:
    turns = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Rain?"},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "weather"}}]},
        {"role": "tool", "content": "3 mm"},
    )
    first, second = exchanges_of(Example("", "", turns, "Yes.", answer={"role": "assistant", "content": "Yes."}))
    assert first.instruction == "Be brief.\n\nRain?"
    assert "weather" in first.output
    assert second == Exchange("3 mm", "Yes.")
    assert exchanges_of(Example("", "", None, "5")) == []


def plain_choice(scores: np.ndarray, vectors: np.ndarray, count: int) -> list[int]:
    kept: list[int] = []
    for row in np.argsort(-scores, kind="stable").tolist():
        if len(kept) < count and all(float(vectors[row] @ vectors[other]) <= 0.9 for other in kept):
            kept.append(row)
    return kept


def test_near_rows_are_passed_over_unless_asked_otherwise(scored: Dataset) -> None:
    scores = np.array(scored["deita"], float)
    usable = [row for row in np.flatnonzero(np.isfinite(scores)) if scored["miwv_status"][row] == "ok"]
    generator = np.random.default_rng(2)
    vectors = generator.normal(size=(10, 6))
    order = sorted(usable, key=lambda row: -scored["deita"][row])
    vectors[order[2]] = vectors[order[0]] + 0.1 * generator.normal(size=6)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = scored.remove_columns("prompt_embedding").add_column("prompt_embedding", vectors.tolist())
    expected = plain_choice(scores[usable], vectors[usable], 4)
    assert select(rows, method="deita", count=4)["row"] == [usable[position] for position in expected]
    assert order[2] not in select(rows, method="deita", count=4)["row"]
    for settings in ({"diversity": 1.0}, {"diversity": 0.9999}):
        assert select(rows, method="deita", count=4, **settings)["row"] == order[:4]
    assert select(rows, method="deita_low", count=4)["row"] == order[::-1][:4]
    with pytest.raises(InputError, match=r"no column prompt_embedding, by which --diversity \(of the methods deita"):
        select(scored.remove_columns("prompt_embedding"), method="deita", count=2)
    fault = "selection: method deita needs the embeddings; in scoring, keep_embeddings: true"
    assert _selection_faults({"method": "deita", "count": 2}, {"also": ["deita"]}) == [fault]
    assert needed_columns("deita_low") == ("deita",)
    with pytest.raises(InputError, match="score them with `hf-miwv score --also deita`"):
        method_scores(scored.remove_columns("deita"), "deita")


def test_a_prompt_from_a_file(
    folder: Path, tmp_path: Path, embedder_folder: Path, scorer_folders: dict[str, Path]
) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Rate {x} {instruction}: \n", "utf-8")
    output = tmp_path / "scored"
    scored = score_rows(embedder_folder, scorer_folders, complexity_prompt=prompt, output_dir=output)
    expected = plain_rating(make_model("llama"), f"Rate {{x}} {some_rows()[1]['instruction']}: ")
    assert scored["deita_complexity"][1] == pytest.approx(expected, rel=1e-4)
    run, earlier = (json.loads((path / "run.json").read_text()) for path in (output, folder))
    assert run["scorers"]["complexity"]["prompt"] == "Rate {x} {instruction}: "
    assert run["identity"]["scorers"]["quality"] == earlier["identity"]["scorers"]["quality"]
    assert run["identity"]["scorers"]["complexity"] != earlier["identity"]["scorers"]["complexity"]


@pytest.mark.parametrize(
    ("also", "settings", "message"),
    [
        ((), {"quality_scorer": "m"}, "--quality-scorer: is for --also deita"),
        ((), {"complexity_prompt": "p"}, "--complexity-prompt: is for --also deita"),
        (("deita",), {}, "give --complexity-scorer and --quality-scorer .the paper's are hkust-nlp"),
        (("deita",), {"complexity_scorer": "m"}, "give --quality-scorer"),
    ],
)
def test_scorers_that_are_missing_or_for_nothing(also: tuple[str], settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_scorers(also, settings)


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("complexity", None, "cannot be read as a text"),
        ("complexity", b"\xff\xfe", "cannot be read as a text"),
        ("complexity", b"Rate this:", "has no {instruction}"),
        ("quality", b"Rate {instruction}: ", "has no {output}, .* write {instruction} and {output} into it"),
        ("complexity", b"{instruction} {output}: ", "the instruction alone is rated"),
        ("quality", b"{instruction}{output}\n", "ends in a placeholder"),
    ],
)
def test_prompts_that_cannot_be_used(kind: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_prompt(kind, path)


def test_stopped_between_the_scorers_it_goes_on(
    folder: Path,
    tmp_path: Path,
    embedder_folder: Path,
    scorer_folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output, score_forest = tmp_path / "scored", scorers.score_forest

    def stop_at_quality(model: Any, *arguments: Any) -> Any:
        if "quality" in model.name_or_path:
            raise Stop
        return score_forest(model, *arguments)

    settings = {"output_dir": output, "keep_embeddings": True}
    with monkeypatch.context() as patch:
        patch.setattr(scorers, "score_forest", stop_at_quality)
        with pytest.raises(Stop):
            score_rows(embedder_folder, scorer_folders, **settings)
    loaded = []
    load_model = scorers.load_model
    monkeypatch.setattr(
        scorers, "load_model", lambda name, **more: [loaded.append(Path(name).name), load_model(name, **more)][1]
    )
    score_rows(embedder_folder, scorer_folders, **settings)
    assert loaded == ["complexity", "quality", "quality"]  # to see what they are, then the one that had not rated
    assert contents(output) == contents(folder)
