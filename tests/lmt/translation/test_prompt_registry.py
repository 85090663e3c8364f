"""Prompts of each family letter by letter, and what a trained model says it was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, make_tokenizer

from hf_lmt.data.method.prompts import Wording, as_conversation, prompt_ids, translation_prompt
from hf_lmt.translation.prompt_registry import (
    IDENTITY,
    STYLES,
    PromptStyle,
    find_style,
    read_prompt_identity,
    save_prompt_identity,
)
from hf_miwv.common.errors import InputError

TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
CUSTOM = Wording("{text} > {target}:", "{auxiliary_text}: {text} > {target}:")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lmt", TURN.format("Translate the following text from English into German:\nEnglish: Hi\nGerman:")),
        ("plain", "Translate the following text from English into German:\nEnglish: Hi\nGerman:"),
        ("figure", TURN.format("Translate this from English to German:\nEnglish: Hi\nGerman:")),
        ("tower", TURN.format("Translate the following text from English into German.\nEnglish: Hi\nGerman:")),
        ("gemmax2", "Translate this from English to German:\nEnglish: Hi\nGerman:"),
        (
            "hunyuan-mt",
            TURN.format("Translate the following segment into German, without additional explanation.\n\nHi"),
        ),
    ],
)
def test_prompts(name: str, expected: str) -> None:
    tokenizer = make_tokenizer(bos=False, chat_template=CHATML)
    assert tokenizer.decode(STYLES[name].ids(tokenizer, "Hi", "en", "de")) == expected


def test_every_prompt_is_covered() -> None:
    assert set(STYLES) == {"lmt", "plain", "figure", "tower", "gemmax2", "hunyuan-mt"}
    assert {name for name, style in STYLES.items() if style.hints} == {"lmt", "plain", "figure"}


def test_the_default_is_the_prompt_of_training() -> None:
    tokenizer = make_tokenizer(chat_template=CHATML)
    asked = translation_prompt("Hi", "en", "de", auxiliary_lang="nl", auxiliary="Hoi")
    expected = prompt_ids(tokenizer, as_conversation(asked))
    assert STYLES["lmt"].ids(tokenizer, "Hi", "en", "de", ("nl", "Hoi")) == expected


@pytest.mark.parametrize(
    ("saved", "name"),
    [
        ({}, "released"),
        ({"form": "text"}, "released"),
        ({"wording": "figure"}, "figure"),
        ({"wording": CUSTOM, "thinking": "template"}, "custom"),
    ],
)
def test_an_identity_is_read_as_it_was_saved(saved: dict[str, Any], name: str, tmp_path: Path) -> None:
    assert read_prompt_identity(tmp_path) is None
    save_prompt_identity(tmp_path, **saved)
    identity = read_prompt_identity(tmp_path)
    assert identity is not None
    assert identity.name == name
    assert identity.form == saved.get("form", "conversation")
    tokenizer = make_tokenizer(chat_template=CHATML)
    assert find_style(None, None, identity, tokenizer) is identity
    if saved.get("wording") == CUSTOM:
        assert "Hi > German:" in tokenizer.decode(identity.ids(tokenizer, "Hi", "en", "de"))
        with pytest.raises(InputError, match="trained with the prompt 'custom'"):
            find_style("lmt", None, identity, tokenizer)


def test_the_same_prompt_by_name_is_no_contradiction(tmp_path: Path) -> None:
    save_prompt_identity(tmp_path)
    identity = read_prompt_identity(tmp_path)
    tokenizer = make_tokenizer(chat_template=CHATML)
    assert find_style("lmt", "conversation", identity, tokenizer) == STYLES["lmt"]
    with pytest.raises(InputError, match="'lmt' in form 'text' is asked for"):
        find_style("lmt", "text", identity, tokenizer)


@pytest.mark.parametrize(
    ("name", "form", "template", "words"),
    [
        ("lmtt", None, CHATML, "did you mean 'lmt'"),
        (None, "texts", CHATML, "did you mean 'text'"),
        (None, None, None, "no chat template.*give --form text"),
        ("tower", None, None, "no chat template"),
    ],
)
def test_styles_that_cannot_be(name: str | None, form: str | None, template: str | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        find_style(name, form, None, make_tokenizer(chat_template=template))
    assert find_style(None, "text", None, make_tokenizer()).form == "text"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"form": "text"}, "do not agree with its sha256"),
        ({"format": 2}, "format is not 1"),
        ({"wording": {"plain": "{text}"}}, "cannot be read"),
        ({"extra": 1}, "cannot be read"),
    ],
)
def test_identities_that_cannot_be(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = save_prompt_identity(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **change}), "utf-8")
    with pytest.raises(InputError, match=words):
        read_prompt_identity(tmp_path)
    (tmp_path / IDENTITY).write_text("{", "utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        read_prompt_identity(tmp_path)


@pytest.mark.parametrize(
    ("name", "direction", "expected"),
    [
        ("gemmax2", "en-km", "Translate this from English to Khmer:\nEnglish: Hi\nKhmer:"),
        ("gemmax2", "he-en", "Translate this from Hebrew to English:\nHebrew: Hi\nEnglish:"),
        ("tower", "zh-ko", "Translate the following text from Chinese into Korean.\nChinese: Hi\nKorean:"),
        ("lmt", "en-km", "Translate the following text from English into Central Khmer:\nEnglish: Hi\nCentral Khmer:"),
        (
            "hunyuan-mt",
            "en-tl",
            "Translate the following segment into Filipino, without additional explanation.\n\nHi",
        ),
        ("hunyuan-mt", "zh-ug", "把下面的文本翻译成维吾尔语，不要额外解释。\n\nHi"),
        ("hunyuan-mt", "en-zh", "把下面的文本翻译成中文，不要额外解释。\n\nHi"),
        (
            "hunyuan-mt",
            "en-mvf",
            "Translate the following segment into Mongolian, without additional explanation.\n\nHi",
        ),
        ("hunyuan-mt", "mvf-zh", "把下面的文本翻译成中文，不要额外解释。\n\nHi"),
        # a language that its card does not list is asked for in English
        ("hunyuan-mt", "zh-sw", "Translate the following segment into Swahili, without additional explanation.\n\nHi"),
    ],
)
def test_families_are_asked_by_the_names_of_their_cards(name: str, direction: str, expected: str) -> None:
    assert STYLES[name].text("Hi", *direction.split("-")) == expected


def test_a_family_is_part_of_what_a_prompt_is_known_by() -> None:
    gemmax = STYLES["gemmax2"]
    own = PromptStyle("custom", gemmax.wording, gemmax.form, gemmax.thinking, gemmax.hints)
    assert own.sha256 != gemmax.sha256
    assert own.text("Hi", "en", "km") != gemmax.text("Hi", "en", "km")
