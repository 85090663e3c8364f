"""Each gate on its own, and what it logs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny import make_tokenizer
from transformers import BertConfig, BertModel

from hf_lmt import rewards
from hf_lmt.rewards import (
    length_ratio,
    make_coverage,
    no_fan_in,
    no_markup_lost,
    not_copied,
    not_repetitive,
    right_language,
    right_script,
)
from hf_miwv.common.errors import InputError

LONG = "The house by the river was sold last year to a family from the north."


@pytest.mark.parametrize(
    ("code", "text", "reference", "value"),
    [
        ("zh", "这个国家学习汉语", None, 1),
        ("zh", "這個國家學習漢語", None, 0),
        ("zh", "這個國家學習漢語", "我們", 1),  # the reference is in traditional characters
        ("zh", "这个国家学习汉语", "我們", 0),
        ("yue", "這個國家學習漢語", None, 1),
        ("yue", "这个国家学习汉语", None, 0),
        ("zh", "山水人", None, 1),  # the same in both
        ("zh", "这个国家学习汉语发展經济", None, 1),  # one of many
        ("ja", "國語を学ぶ", None, 1),
        ("zh", "All of this is English", None, 0),
    ],
)
def test_right_script_of_chinese(code: str, text: str, reference: str | None, value: int) -> None:
    pytest.importorskip("hanzidentifier")
    columns = {} if reference is None else {"target": [reference]}
    assert right_script([text], target_lang=[code], **columns) == [value]


def test_right_script() -> None:
    texts = ["Ein Haus am Fluss", "Дом у большой реки", "Дом", "Дом у большой реки"]
    assert right_script(texts, target_lang=["de", "de", "de", "ru"]) == [1, 0, 1, 1]


def test_right_language(caplog: pytest.LogCaptureFixture) -> None:
    german = "Das Haus am Fluss wurde letztes Jahr verkauft."
    texts = [LONG, german, german, "kurz", german]
    assert right_language(texts, target_lang=["en", "en", "de", "en", "bo"]) == [1, 0, 1, 1, 1]
    assert "right_language lets all texts in Tibetan (bo) pass" in caplog.text


def test_not_copied() -> None:
    sources = [LONG, LONG, "OK", LONG]
    texts = [LONG.upper(), "Das Haus am Fluss", "OK", LONG]
    assert not_copied(texts, source=sources) == [0, 1, 1, 0]
    assert not_copied(texts, source=sources, target=["x", "x", "x", LONG]) == [0, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "source", "pair", "value"),
    [
        ("Das Haus am Fluss wurde letztes Jahr an eine Familie aus dem Norden verkauft.", LONG, "en-de", 1),
        ("Das Haus am Fluss wurde letztes", LONG, "en-de", 0),
        (LONG * 3, LONG, "en-de", 0),
        ("河边的房子去年卖给了一个北方来的家庭。", LONG, "en-zh", 1),
        ("河边的房子", LONG, "en-zh", 0),
        ("", "Yes.", "en-de", 0),
        ("\u200b", "Yes.", "en-de", 0),
        ("", " ", "en-de", 1),
        ("Ja.", "Yes.", "en-de", 1),
    ],
)
def test_length_ratio(text: str, source: str, pair: str, value: int) -> None:
    source_lang, target_lang = ([code] for code in pair.split("-"))
    assert length_ratio([text], source=[source], source_lang=source_lang, target_lang=target_lang) == [value]


def test_not_repetitive() -> None:
    loop = "ha ha ha ha ha ha ha ha ha ha"
    assert not_repetitive([loop, loop, LONG], source=[LONG, loop, LONG]) == [0, 1, 1]
    assert not_repetitive([loop], source=[LONG], target=[loop]) == [1]


def test_no_fan_in() -> None:
    texts, sources = ["Ja.", "ja.", "Ja.", "Nein."], ["Yes.", "Sure.", "Yes.", "No."]
    assert no_fan_in(texts, source=sources, target_lang=["de"] * 4) == [0, 0, 0, 1]
    assert no_fan_in(texts, source=sources, target_lang=["de", "nl", "de", "de"]) == [1, 1, 1, 1]
    assert no_fan_in(texts, source=sources, target_lang=["de"] * 4, target=["Ja."] * 3 + ["Nein."]) == [1, 1, 1, 1]
    assert no_fan_in(["Ja."] * 8, source=["Yes."] * 8, target_lang=["de"] * 8) == [1] * 8  # one group


@pytest.mark.parametrize(
    ("source", "text", "reference", "value"),
    [
        ("In 1998, <b>two</b> men", "1998 <b>zwei</b> Männer", None, 1),
        ("In 1998, <b>two</b> men", "1998 zwei Männer", None, 0),
        ("In 1998, <b>two</b> men", "1998 zwei Männer", "1998 zwei Männer", 1),
        ("Hello {name}, %d of ${all}", "Hallo {name}, %d von ${all}", None, 1),
        ("Hello {name}, %d of ${all}", "Hallo {Name}, %d von ${all}", None, 0),
        ("Save 50 % of it", "Spart 50 % davon", None, 1),
        ("24,000 people", "2.4万人", None, 1),
        ("١٩٩٨ سنة", "the year 1998", None, 1),
        ("27 states", "25 Staaten", None, 0),
        ("27 states", "siebenundzwanzig Staaten", "siebenundzwanzig Staaten", 1),
        ("3 states", "drei Staaten", None, 1),
        ("1 < 2 and 3 > 2", "1 < 2 und 3 > 2", None, 1),
        ("One.\n\nTwo.", "Eins.\nZwei.", None, 1),
        ("One.\nTwo.", "Eins. Zwei.", None, 0),
        ("One.", "Eins.\nThat means: one.", None, 0),
    ],
)
def test_no_markup_lost(source: str, text: str, reference: str | None, value: int) -> None:
    columns = {} if reference is None else {"target": [reference]}
    assert no_markup_lost([text], source=[source], **columns) == [value]


def test_reasons_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics: dict[str, float] = {}
    extra: dict[str, list[Any]] = {}
    with caplog.at_level("INFO", "hf_lmt"):
        not_copied([LONG, "x"], source=[LONG, LONG], log_metric=metrics.__setitem__, log_extra=extra.__setitem__)
    assert metrics == {"gate/not_copied": 0.5}
    assert extra == {"gate_not_copied": ["a copy of its source", ""]}
    assert caplog.text == ""  # a line for each gate at each step would bury all others
    with caplog.at_level("INFO", "hf_lmt"):
        not_copied([LONG, "x"], source=[LONG, LONG])
    assert "not_copied: 1 of 2 completions get 0: a copy of its source (1)" in caplog.text
    assert not_copied([], source=[]) == []


def test_coverage() -> None:
    tokenizer = make_tokenizer(bos=False)
    torch.manual_seed(0)
    shape = {"vocab_size": 400, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    encoder = BertModel(BertConfig(**shape, intermediate_size=32)).eval()
    coverage = make_coverage(encoder, tokenizer, layer=0, least=0.5)
    source = "the capital of france is paris"
    texts = [
        source,
        "",
        "hello world",
        source + " hello world translate write rain poem water made german list colours",
    ]
    # A text is all aligned with itself, by position and word; others share next to nothing with it.
    assert coverage(texts, source=[source] * 4)[:3] == [1, 0, 0]
    assert coverage(texts[-1:], source=[source]) == [0]
    assert coverage([""], source=[""]) == [1]
    assert coverage.__name__ == "coverage"
    with pytest.raises(InputError, match="layer 3: the encoder has layers 0 to 2"):
        make_coverage(encoder, tokenizer, layer=3)
    with pytest.raises(InputError, match=r"least 30 is no share from 0 to 1"):
        make_coverage(encoder, tokenizer, layer=1, least=30)


def test_the_names_of_the_room() -> None:
    assert dir(rewards) == sorted(rewards.__all__) == sorted(rewards._HOMES)
    for name in rewards.__all__:
        assert callable(getattr(rewards, name)) or name == "DEFAULT_GATES"
    with pytest.raises(AttributeError, match="no attribute 'chrff'"):
        _ = rewards.chrff
