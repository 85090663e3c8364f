"""References that are not in NFC: counted, and what a perfect translation in NFC would get."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.confidence import compare_resampled, paired_bootstrap
from hf_lmt.evaluation.metrics.corpus_scores import sentence_statistics
from hf_lmt.evaluation.metrics.normal_forms import by_language, not_nfc_lines, perfect_in_nfc
from hf_lmt.evaluation.report.report_figures import missing_reasons
from hf_lmt.evaluation.report.write_report import write_reports
from hf_lmt.evaluation.results.evaluation_card import write_evaluation_card
from hf_lmt.evaluation.results.evaluation_table import warnings_of

# NFC takes the escaped letters apart
WORDS = "\u09dcাল ও ভাত রাজশাহীর ব\u09dc হাটে বিক্রি হ\u09df প্রতিদিন সকালে অনেক"
PLAIN = "আমি আজ সকালে নদীর ধারে একা বসে ছিলাম"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("sets")
    lines = [("one", WORDS, "eins"), ("two", PLAIN, "zwei"), ("three", WORDS, "drei")]
    with open(folder / "set.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("en", "bn", "de"), *lines])
    composed = [unicodedata.normalize("NFC", line[1]) for line in lines]
    texts = {"en-bn": composed, "de-bn": composed, "en-de": [line[2] for line in lines]}
    return evaluate(str(folder / "set.csv"), folder / "out", hypotheses=texts, progress=False)


def test_scores_stay_and_the_perfect_output_is_said(judged: Evaluation) -> None:
    assert unicodedata.normalize("NFC", WORDS) != WORDS
    found = judged.scores["not_nfc"]
    assert list(found) == ["bn"]
    assert (found["bn"]["count"], found["bn"]["rows"]) == (2, 3)
    scores = judged.scores["directions"]["en-bn"]["scores"]
    composed = [unicodedata.normalize("NFC", text) for text in (WORDS, PLAIN, WORDS)]
    own = BLEU().corpus_score(composed, [[WORDS, PLAIN, WORDS]]).score
    assert found["bn"]["scores"]["bleu"] == scores["bleu"]["value"] == own < 99
    assert found["bn"]["scores"]["chrf++"] == scores["chrf++"]["value"]
    assert "not_nfc" not in judged.scores["directions"]["en-de"]


def test_card_page_and_terminal_say_so(judged: Evaluation, tmp_path: Path) -> None:
    bleu = judged.scores["not_nfc"]["bn"]["scores"]["bleu"]
    card = (judged.folder / "README.md").read_text("utf-8")
    assert "References that are not in NFC" in card
    assert f"| Bengali (bn) | 3 | 2 | {bleu:.2f} |" in card
    line = (
        "2 of 3 references in Bengali (bn) are not in Unicode's form NFC: a perfect translation in "
        f"NFC would get bleu {bleu:.1f}"
    )
    assert any(one.startswith(line) for one in warnings_of(judged))
    page = write_reports([judged.folder], tmp_path / "page").read_text("utf-8")
    assert "2 of 3 references in Bengali (bn) are not in" in page
    write_evaluation_card(judged.run, {**judged.scores, "not_nfc": {}}, tmp_path)
    assert "not in NFC" not in (tmp_path / "README.md").read_text("utf-8")


def test_earlier_evaluations_without_the_figure_are_read() -> None:
    assert not_nfc_lines({}) == []
    assert perfect_in_nfc(["a", "é"], "fr", ["bleu"]) is None
    few, many = {"rows": 1}, {"rows": 2}
    figures = {"en-bn": {"not_nfc": few}, "zh-bn": {"not_nfc": many}, "de-bn": {}}
    named = {parse_direction(name): own for name, own in figures.items()}
    assert by_language(named) == {"bn": many}


def test_languages_that_a_set_lacks_are_one_reason(judged: Evaluation) -> None:
    lacks = "the evaluation set x has no text in "
    missing = {
        "en-kk": f"{lacks}Kazakh (kk)",
        "kk-en": f"{lacks}Kazakh (kk)",
        "ru-kk": f"{lacks}Russian (ru) and Kazakh (kk)",
        "en-fr": "no hypotheses",
    }
    one = Evaluation(judged.folder, judged.run, {**judged.scores, "missing": missing}, "x")
    assert missing_reasons(one) == {
        "no hypotheses": ["en-fr"],
        f"{lacks}2 languages: Kazakh (kk), Russian (ru)": ["en-kk", "kk-en", "ru-kk"],
    }


def test_systems_that_do_not_differ_have_a_p_value_of_one(judged: Evaluation) -> None:
    texts = ["ein Haus", "zwei Häuser am Fluss", "drei"]
    same = sentence_statistics(texts, texts[::-1], "de", "chrf++")
    assert paired_bootstrap(same, same).p_value == 1
    other = sentence_statistics(texts, texts, "de", "chrf++")
    assert paired_bootstrap(same, other).p_value < 1
    nothing, chance = np.zeros(100), np.random.default_rng(0).normal(size=100)
    assert compare_resampled((1.0, 1.0), [nothing, nothing]).p_value == 1
    assert compare_resampled((1.0, 4.0), [nothing, chance + 3]).p_value < 0.05


def test_the_record_is_json_with_the_figure(judged: Evaluation) -> None:
    text = (judged.folder / "scores.json").read_text("utf-8")
    assert json.loads(text)["not_nfc"]["bn"]["count"] == 2
