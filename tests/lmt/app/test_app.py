"""The app: a text, its sentences and their hints; served with an evaluation, and asked."""

from __future__ import annotations

import csv
import socket
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import requests
from app_server import ask, running_here
from click.testing import CliRunner
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.__main__ import main
from hf_lmt.app.translated import about_direction, translate_text
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.report.write_report import report_page
from hf_lmt.translation.translator import Translator
from hf_miwv.common.app.serving import is_private
from hf_miwv.common.errors import InputError

SAMPLE = files("hf_lmt") / "sample" / "sentences.csv"
TEXT = "Name the flag. Write a poem.\n\n  hello world"


def translator_of(**given: Any) -> Translator:
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(100, 125))  # so that texts end
    tokenizer = make_tokenizer(chat_template=CHATML)
    return Translator(model, tokenizer, **{"num_beams": 1, "max_new_tokens": 40, **given})


@pytest.fixture(scope="module")
def translator() -> Translator:
    return translator_of()


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = list(csv.DictReader(SAMPLE.read_text("utf-8").splitlines()))
    folder = tmp_path_factory.mktemp("evaluation") / "after"
    texts = {"en-de": [row["de"] for row in rows]}
    evaluate(str(SAMPLE), folder, hypotheses=texts, metrics=["chrf++"], progress=False)
    return folder


def test_sentences_are_translated_and_put_together(translator: Translator) -> None:
    done: list[int] = []
    found = translate_text(translator, TEXT, "en", "de", notify=done.append)
    assert [one.source for one in found.sentences] == ["Name the flag.", "Write a poem.", "hello world"]
    alone = translator([one.source for one in found.sentences], "en", "de")
    assert [one.translation for one in found.sentences] == alone
    first, second, third = (" ".join(one.splitlines()) for one in alone)
    assert found.text == f"{first} {second}\n\n  {third}"
    assert sum(done) == 3
    assert found.summary.startswith("3 sentences, ")
    assert {one.hint for one in found.sentences} == {"–"}
    assert found.sentences[0].prompt == (
        "Translate the following text from English into German:\nEnglish: Name the flag.\nGerman:"
    )


def test_unsplit_text_is_one_sentence(translator: Translator) -> None:
    found = translate_text(translator, TEXT, "en", "de", split=False)
    assert [one.source for one in found.sentences] == [TEXT]
    assert found.text == translator(TEXT, "en", "de")


def test_hints_of_the_models_own_are_shown(translator: Translator) -> None:
    found = translate_text(translator, "hello world", "en", "kk", hints="self")
    first = translate_text(translator, "hello world", "en", "ru").sentences[0]
    (sentence,) = found.sentences
    assert first.status == "ok"
    assert sentence.hint == f"Russian: {first.translation}"
    assert f"into Russian and Kazakh:\nEnglish: hello world\nRussian: {first.translation}\n" in (sentence.prompt)
    assert found.summary.endswith("; 1 hinted")


def test_hints_that_there_are_not_say_why(translator: Translator) -> None:
    (sentence,) = translate_text(translator, "hello world", "en", "zh", hints="self").sentences
    assert sentence.hint == "none for this direction"
    short = translator_of(max_new_tokens=1)
    (sentence,) = translate_text(short, "rain", "en", "kk", hints="self").sentences
    assert sentence.hint == "none: it did not end"
    assert sentence.status == "cut: it did not end by itself"
    assert "Russian" not in sentence.prompt


def test_a_hint_of_ones_own_keeps_the_text_whole(translator: Translator) -> None:
    found = translate_text(translator, "One. Two.", "en", "kk", "given", ("ru", "Раз. Два."))
    (sentence,) = found.sentences
    assert sentence.hint == "Russian: Раз. Два."
    assert "English: One. Two.\nRussian: Раз. Два.\nKazakh:" in sentence.prompt


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": " \n"}, "there is no text yet"),
        ({"source": "de"}, "source and target are the same"),
        ({"target": "xx"}, "no language 'xx'"),
        ({"hints": "given", "hint": ("ru", " ")}, "the hint has no text"),
        ({"hints": "given", "hint": ("en", "hello")}, "source and target are the same"),
        ({"hints": "mine"}, "hints 'mine'"),
    ],
)
def test_what_cannot_be_translated(translator: Translator, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        translate_text(translator, **{"text": "hello", "source": "en", "target": "de", **given})


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("en", "kk", "One of the 234 directions of LMT. A hint of the model's own is in Russian."),
        ("zh", "kk", "One of the 234 directions of LMT. A hint of the model's own is in English."),
        ("en", "zh", "One of the 234 directions of LMT. It has no hint of the model's own."),
        ("de", "fr", "zero-shot. It has no hint of the model's own."),
    ],
)
def test_directions_are_described(source: str, target: str, words: str) -> None:
    assert about_direction(source, target).endswith(words)


def test_the_evaluation_page_has_texts_only_where_asked(evaluation: Path) -> None:
    shown, hidden = (report_page([evaluation], with_texts) for with_texts in (True, False))
    assert "Do not publish it" in shown
    assert "other machines can reach this page" in hidden
    references = [row["en"] for row in csv.DictReader(SAMPLE.read_text("utf-8").splitlines())]
    assert any(text in shown for text in references)
    assert not any(text in hidden for text in references)


@pytest.mark.parametrize(("host", "expected"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
def test_who_can_reach_a_port(host: str, expected: bool) -> None:
    with socket.create_server((host, 0)) as place:
        assert is_private(place) is expected


def test_nothing_to_show_is_refused() -> None:
    done = CliRunner().invoke(main, ["app"])
    assert done.exit_code == 2
    assert "give --model MODEL, --evaluation EVAL, or both" in done.output


def test_the_app_serves(model_folder: Path, evaluation: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["app", "--model", str(model_folder), "--beams", "1", "--evaluation", str(evaluation)]
    with running_here(main, words, monkeypatch) as address:
        page = requests.get(address, timeout=60)
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert 'src=\\"evaluation\\"' in page.text
        shown = requests.get(f"{address}/evaluation", timeout=60)
        assert shown.text == report_page([evaluation], True)
        asked = ["hello world.", "en", "kk", "self", "ru", "", True]
        kind, (text, summary, sentences, prompts) = ask(address, "translate", asked)
        assert kind == "complete"
        assert summary.startswith("<p>1 sentence, ")
        assert sentences["data"][0][0] == "hello world."
        assert " ".join(sentences["data"][0][2].splitlines()) == text
        assert "hello world." in prompts
        kind, message = ask(address, "translate", ["hello", "en", "en", "none", "ru", "", True])
        assert kind == "error"
        assert "source and target are the same" in str(message)
