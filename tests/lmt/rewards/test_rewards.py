"""Rewards by overlap and by COMET, products and sums of them, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sacrebleu import sentence_bleu, sentence_chrf

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.load_comet import load_comet
from hf_lmt.rewards import bleu, chrf, combined, comet, gated, gated_kiwi, make_comet_reward
from hf_miwv.common.errors import InputError

CHECKPOINTS = Path(__file__).parents[1] / "comet" / "checkpoints"
TEXTS = ["the red house is here", "two dogs ran", "", "the red house"]
REFERENCES = ["the red house is near", "two dogs ran by", "nothing", "the red house"]


@pytest.fixture
def small_comet(monkeypatch: pytest.MonkeyPatch) -> CometModel:
    monkeypatch.chdir(CHECKPOINTS)
    return load_comet("comet", device="cpu")


def test_chrf_and_bleu_are_those_of_sacrebleu() -> None:
    messages = [[{"role": "assistant", "content": text}] for text in TEXTS]
    pairs = list(zip(TEXTS, REFERENCES, strict=True))
    expected_chrf = [sentence_chrf(text, [reference]).score / 100 for text, reference in pairs]
    expected_bleu = [
        sentence_bleu(text, [reference], use_effective_order=True).score / 100 for text, reference in pairs
    ]
    for completions in (TEXTS, messages):
        assert chrf(completions, target=REFERENCES) == pytest.approx(expected_chrf)
        assert bleu(completions, target=REFERENCES, target_lang=["de"] * 4) == pytest.approx(expected_bleu)
    assert len(set(expected_bleu)) == 4
    assert (expected_chrf[3], expected_bleu[3]) == pytest.approx((1, 1))
    chinese = sentence_bleu("我有一只狗", ["我有两只狗"], tokenize="zh", use_effective_order=True).score / 100
    assert bleu(["我有一只狗"], target=["我有两只狗"], target_lang=["zh"]) == [pytest.approx(chinese)]
    assert chrf([], target=[]) == bleu([], target=[], target_lang=[]) == []


def test_comet_is_that_of_the_evaluation(small_comet: CometModel) -> None:
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8").splitlines()][20:30]
    expected = json.loads(Path("scores.json").read_text())
    columns = {"source": [row["src"] for row in rows], "target": [row["ref"] for row in rows]}
    completions = [row["mt"] for row in rows]
    reward = make_comet_reward(small_comet, references=True)
    assert reward(completions, **columns) == pytest.approx(expected["comet"][20:30], abs=1e-5)
    kiwi = make_comet_reward("./cometkiwi", references=False, device="cpu")
    assert kiwi(completions, **columns) == pytest.approx(expected["cometkiwi"][20:30], abs=1e-5)
    assert (reward.__name__, kiwi.__name__, comet.__name__) == ("comet", "comet_kiwi", "comet")
    with pytest.raises(InputError, match=r"reward comet_kiwi: comet scores with a reference only"):
        make_comet_reward(small_comet, references=False)(completions, **columns)


def test_a_score_that_is_no_number_is_0(
    small_comet: CometModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CometModel, "score", lambda *_: np.array([0.5, np.nan]))
    assert make_comet_reward(small_comet, references=True)(["a", "b"], source=["a", "b"], target=["a", "b"]) == [
        0.5,
        0,
    ]
    assert "comet gave no finite score for 1 of 2 completions: they get 0" in caplog.text


def constant(*values: Any, name: str = "mine") -> Any:
    def reward(completions: Any, **_: Any) -> list[Any]:
        return list(values)

    reward.__name__ = name
    return reward


def test_gated_is_the_product_and_never_below_0() -> None:
    reward = gated(constant(0.5, -0.2, 0.7, 0.9), constant(1, 1, 0, 1), constant(1, 1, 1, 0))
    assert reward(TEXTS) == [0.5, 0, 0, 0]
    assert reward.__name__ == "gated_mine"
    assert gated_kiwi.__name__ == "gated_kiwi"


def test_combined_is_normalized_within_each_group() -> None:
    first, second = (0.1, 0.3, 0.5, 0.5), (10, 20, 900, 100)
    total = combined(constant(*first), constant(*second), weights=[1, 0.5])
    expected = np.zeros(4)
    for values, weight in ((first, 1), (second, 0.5)):
        for rows in ([0, 1], [2, 3]):
            group = np.array(values, float)[rows]
            expected[rows] += weight * (group - group.mean()) / (group.std(ddof=1) + 1e-4)
    assert total(TEXTS, prompts=["a", "a", "b", "b"]) == pytest.approx(expected)
    columns = {"source": ["a", "a", "b", "b"], "source_lang": ["en"] * 4, "target_lang": ["de"] * 4}
    assert total(TEXTS, **columns) == pytest.approx(expected)
    assert total(TEXTS, prompts=["a", "b", "c", "d"]) == [0] * 4  # groups of one have no spread
    with pytest.raises(InputError, match=r"weights \[1\] for 2 rewards"):
        combined(chrf, bleu, weights=[1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: chrf(TEXTS), "reward chrf reads the column 'target', which the rows do not have"),
        (lambda: chrf(TEXTS, target=["a"]), "column 'target' has 1 values for 4 completions"),
        (lambda: chrf(TEXTS, target="abcd"), "column 'target' has one text for 4"),
        (lambda: chrf(["a"], target=[None]), "column 'target' holds None in row 0, not a text"),
        (lambda: chrf("a text", target=["a"]), "completions are one text: give a list"),
        (lambda: chrf([["a"]], target=["a"]), r"completion 0 is .* give a text, or messages"),
        (lambda: bleu(["a"], target=["a"]), "reward bleu reads the column 'target_lang'"),
        (lambda: bleu(["a"], target=["a"], target_lang=["xx"]), "no language 'xx'"),
        (lambda: comet(["a"], source=["a"]), "reward comet reads the column 'target'"),
        (lambda: comet(["a"], source=["a"], target=["b"]), "'Unbabel/wmt22-comet-da' cannot be loaded"),
        (lambda: gated(constant(1, 2))(["a"]), "reward mine gave 2 values for 1 completions"),
        (lambda: gated(constant(None))(["a"]), "reward mine gave None for completion 0; it is to give a finite"),
        (lambda: gated(constant(float("nan")))(["a"]), "reward mine gave nan for completion 0"),
        (lambda: combined(chrf)(["a"], target=["a"]), "reward combined reads the column 'source'"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_messages_of_parts() -> None:
    parts = [
        [{"role": "assistant", "content": [{"type": "text", "text": "the red "}, {"type": "text", "text": "house"}]}]
    ]
    assert chrf(parts, target=["the red house"]) == [1]
    assert chrf([[{"role": "assistant", "content": None}]], target=["the red house"]) == [0]
