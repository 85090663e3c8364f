"""Texts in form NFC: always what `unicodedata` makes, though few texts are given to it."""

from __future__ import annotations

import random
import sys
import unicodedata

import pyarrow
import pytest

from hf_lmt.data import normal_form as module
from hf_lmt.data.normal_form import TEXTS, normal_form

JAMO = [*range(0x1100, 0x1113), *range(0x1161, 0x1176), *range(0x11A7, 0x11C3), 0xAC00, 0xAC01]


def plain(texts: list[str | None]) -> list[str | None]:
    return [None if text is None else unicodedata.normalize("NFC", text) for text in texts]


def column(texts: list[str | None]) -> pyarrow.Array:
    return pyarrow.array(texts, pyarrow.large_string())


def test_every_character_alone_and_behind_others() -> None:
    """Behind a letter, a mark that stays apart from it, one that it composes with, and itself."""
    everything = [
        chr(code)
        for code in range(sys.maxunicode + 1)
        if not 0xD800 <= code < 0xE000
        and unicodedata.category(chr(code)) != "Cn"
        and (
            unicodedata.combining(chr(code)) or unicodedata.decomposition(chr(code)) or code % 97 == 0 or code in JAMO
        )
    ]
    assert len(everything) > 7000
    for lead in ("", "x", "e", "e\u0334", "e\u0323", "\u09c7", "\u1100"):
        texts = [lead + one for one in everything]
        assert normal_form(column([*texts])).to_pylist() == plain([*texts])
    texts = [2 * one for one in everything]
    assert normal_form(column([*texts])).to_pylist() == plain([*texts])


def test_strings_of_what_composes() -> None:
    draw = random.Random(0)  # noqa: S311
    pool = [chr(code) for code in JAMO] + ["a", " ", "\x1f", "\U0001f600", "é", "ệ", "가"]
    for code in range(0x30000):
        character = chr(code)
        parts = unicodedata.decomposition(character)
        # Python has decompositions of Korean syllables from 3.14 on; their letters are in the pool.
        if parts and not parts.startswith("<") and code not in module.SYLLABLES:
            pool += [character, *unicodedata.normalize("NFD", character)]
    texts = ["".join(draw.choices(pool, k=draw.randint(1, 6))) for _ in range(20_000)]
    assert normal_form(column([*texts])).to_pylist() == plain([*texts])
    assert sum(one != text for one, text in zip(plain([*texts]), texts, strict=True)) > 5000


@pytest.mark.parametrize("count", [0, 1, TEXTS - 1, TEXTS + 1])
def test_what_changes_anywhere_in_a_column(count: int) -> None:
    texts = [*["naïve"] * count, "cafe\u0301", None, "", "\u0301x", *["Ünder"] * count, "u\u0308"]
    given = column([*texts]).slice(1)
    assert normal_form(given).to_pylist() == plain([*texts])[1:]


def test_ordinary_texts_are_not_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        "Grüße",
        "Привет, мир",
        "你好，世界。",
        "ありがとうございます。",
        "안녕하세요",
        "বাংলা ভাষা",
        "நன்றி",
        "ක්‍රියාව",
        "नमस्ते",
        "شكرا",
        "Cảm ơn",
        "“so” …",
    ]
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    seen: list[str] = []

    def normalize(form: str, text: str) -> str:
        seen.append(text)
        return unicodedata.normalize(form, text)

    given = column([*texts])
    normal_form(given)  # the table is made once
    monkeypatch.setattr(module, "unicodedata", type("Spy", (), {"normalize": normalize}))
    assert normal_form(given).to_pylist() == texts
    assert seen == []
