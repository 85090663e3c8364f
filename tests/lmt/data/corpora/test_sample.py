"""The sample corpus of the package: whole, in the right scripts, and loaded in every direction."""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from importlib.resources import files

import datasets
import pytest
import regex

from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.sources import Source
from hf_lmt.directions import DIRECTIONS
from hf_lmt.registry import LANGUAGES

PATH = files("hf_lmt") / "sample" / "sentences.csv"
CARD = files("hf_lmt") / "sample" / "README.md"
CODES = ["en", "zh", "de", "nl", "es", "pt", "ru", "kk", "ar", "fa", "hi", "ja", "th", "sw"]
LINES = 120


def read_columns() -> dict[str, list[str]]:
    with PATH.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    return dict(zip(header, map(list, zip(*lines, strict=True)), strict=True))


COLUMNS = read_columns()
QUESTION_MARKS = {"zh": "？", "ja": "？", "ar": "؟", "fa": "؟"}
ALL_QUESTION_MARKS = {"?", *QUESTION_MARKS.values()}
FOREIGN_SIGNS = {"zh": ',.!:;"', "ja": ',.!:;"', "ar": ',;"', "fa": ',;"', "hi": '.;"|'}
ENDS = {"zh": "。", "ja": "。", "hi": "।"}
ONLY_ENGLISH = {"the", "and", "my", "you", "your", "with", "they", "this", "from", "are"}
LENGTHS = {"zh": (0.1, 0.6), "ja": (0.2, 0.9)}
MONTH = r"\d+(?=月)"  # months are numbers in Chinese and Japanese


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def letters_outside(code: str, text: str) -> str:
    scripts = "".join(rf"\p{{Script={script}}}" for script in LANGUAGES[code].scripts)
    foreign = rf"[\p{{L}}--[{scripts}\p{{Script=Common}}]]"
    return "".join(regex.findall(foreign, text, flags=regex.V1))


def numbers(text: str) -> list[int]:
    return sorted(map(int, regex.findall(r"\d+", regex.sub(MONTH, "", text))))


def test_every_line_is_there_in_every_language() -> None:
    assert list(COLUMNS) == CODES
    assert {code: len(texts) for code, texts in COLUMNS.items()} == dict.fromkeys(CODES, LINES)
    assert PATH.read_bytes().count(b"\n") == LINES + 1  # no line breaks within texts
    assert {LANGUAGES[code].tier for code in CODES} == {"high", "medium", "low"}


def test_it_loads_in_every_direction_between_its_languages() -> None:
    rows, counts = load(Source(str(PATH), kind="table"))
    expected = [one for one in DIRECTIONS if one.source in CODES and one.target in CODES]
    assert len(expected) == 26 + 24
    found = Counter(zip(rows["source_lang"], rows["target_lang"], strict=True))
    assert found == dict.fromkeys(map(tuple, expected), LINES)
    assert counts["sentences"] == LINES
    assert counts["without_rows"] == 0
    assert not counts["other_languages"]
    pairs = zip(rows["source_lang"], rows["target_lang"], rows["auxiliary"], strict=True)
    hinted = {frozenset((source, target)) for source, target, hint in pairs if hint}
    with_english = {frozenset(("en", other)) for other in ("de", "nl", "es", "kk", "fa")}
    assert hinted == with_english | {frozenset(("zh", other)) for other in CODES[2:]}


@pytest.mark.parametrize("code", CODES)
class TestColumn:
    def test_texts_are_different_whole_and_normalized(self, code: str) -> None:
        texts = COLUMNS[code]
        assert len(set(map(str.casefold, texts))) == LINES
        for text in texts:
            assert text == " ".join(text.split()) != ""
            assert text == unicodedata.normalize("NFC", text)

    def test_letters_are_of_the_language_s_scripts(self, code: str) -> None:
        found = [text for text in COLUMNS[code] if letters_outside(code, text)]
        assert not found
        joined = "".join(COLUMNS[code])
        for script in LANGUAGES[code].scripts:
            assert regex.search(rf"\p{{Script={script}}}", joined)

    def test_numbers_are_those_of_the_english(self, code: str) -> None:
        for english, text in zip(COLUMNS["en"], COLUMNS[code], strict=True):
            assert numbers(text) == numbers(english), text

    def test_questions_and_ends_are_marked_as_the_language_does(self, code: str) -> None:
        mark, end = QUESTION_MARKS.get(code, "?"), ENDS.get(code, ".")
        for english, text in zip(COLUMNS["en"], COLUMNS[code], strict=True):
            if code == "th":
                assert text[-1] not in ".?。"
                continue
            assert (mark in text) == ("?" in english), text
            assert regex.fullmatch(rf".*[{end}{mark}][”“’»]?|.*[!！]»", text), text
            assert not (ALL_QUESTION_MARKS - {mark}) & set(text), text
            assert not set(FOREIGN_SIGNS.get(code, "，。、،")) & set(text), text

    def test_lengths_are_in_proportion_to_the_english(self, code: str) -> None:
        low, high = LENGTHS.get(code, (0.4, 1.8))
        for english, text in zip(COLUMNS["en"], COLUMNS[code], strict=True):
            assert low <= len(text) / len(english) <= high, text

    def test_no_english_is_left_over(self, code: str) -> None:
        if code == "en":
            assert all(5 <= len(text.split()) <= 10 for text in COLUMNS["en"])
            return
        for english, text in zip(COLUMNS["en"], COLUMNS[code], strict=True):
            assert text != english
            assert not ONLY_ENGLISH & set(regex.findall(r"\p{L}+", text.casefold())), text


def test_the_card_names_every_language_its_origin_and_its_license() -> None:
    card = CARD.read_text("utf-8")
    for code in CODES:
        name, tier = LANGUAGES[code].name, LANGUAGES[code].tier
        assert regex.search(rf"^\| {code} \| {name}[^|]*\| {tier} \|", card, regex.M), code
    words = " ".join(card.split())
    for phrase in ("License: Apache-2.0", "language model", "No native speaker", "never report"):
        assert phrase in words
    with_digits = sum(any(map(str.isdigit, text)) for text in COLUMNS["en"])
    assert f"- {with_digits} sentences with a number" in words
    assert f"{LINES} short everyday sentences, each in {len(CODES)} languages" in words
