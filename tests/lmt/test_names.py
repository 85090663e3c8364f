"""Names of the libraries in hf_lmt: classes by from_pretrained, names of before with a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, make_model, make_tokenizer

import hf_lmt
from hf_lmt.recipes.evaluation_section import watching_faults, watching_settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    make_model("llama").save_pretrained(path)
    make_tokenizer(chat_template=CHATML).save_pretrained(path)
    return path


def test_a_translator_by_both_names(folder: Path) -> None:
    shared: dict[str, Any] = {"device": "cpu", "max_new_tokens": 6}
    today = hf_lmt.Translator.from_pretrained(folder, num_beams=2, **shared)
    with pytest.warns(FutureWarning, match="Translator: beams is num_beams now"):
        before = hf_lmt.Translator(folder, beams=2, **shared)
    text = today("Hello world", src_lang="en", tgt_lang="de")
    with pytest.warns(FutureWarning, match="source is src_lang now"):
        assert before("Hello world", source="en", target="de") == text


def test_scores_and_the_section_evaluation_by_both_names() -> None:
    today = hf_lmt.corpus_scores(["Guten Tag"], ["Guten Tag"], tgt_lang="de", metrics=["chrf++"])
    with pytest.warns(FutureWarning, match="corpus_scores: target is tgt_lang now"):
        assert hf_lmt.corpus_scores(["Guten Tag"], ["Guten Tag"], target="de", metrics=["chrf++"]) == today
    assert watching_settings({"beams": 3}) == watching_settings({"num_beams": 3})
    assert watching_faults({"beams": 3, "num_beams": 3}) == ["evaluation: beams is num_beams now; give it once"]
    assert watching_faults({"beams": 0}) == ["evaluation: num_beams 0: give 1 or more"]


def test_train_and_push_are_exported() -> None:
    from hf_lmt.training.training import train
    from hf_miwv.common.hub.push import push

    assert (hf_lmt.train, hf_lmt.push) == (train, push)
    assert {"train", "push"} <= set(hf_lmt.__all__)
