"""Units with two names of a language, and with several texts under one: rows and references."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import datasets
import pytest

from hf_lmt.data.corpora import variants
from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.evaluation_sets import read_evaluation_set
from hf_lmt.directions import DIRECTIONS, match_directions, parse_direction
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.training.evaluation_rows import read_evaluation_rows
from hf_miwv.common.errors import InputError

VARIANTS = ("source_variant", "target_variant")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def tmx(path: Path, *units: list[tuple[str, str]]) -> str:
    body = "".join(
        "<tu>" + "".join(f'<tuv xml:lang="{n}"><seg>{t}</seg></tuv>' for n, t in unit) + "</tu>" for unit in units
    )
    path.write_text(f'<tmx version="1.4"><header/><body>{body}</body></tmx>', "utf-8")
    return str(path)


def pairs(path: str, glob: str, **fields: Any) -> list[tuple[str, str]]:
    rows = load(Source(path, **fields), match_directions([glob])).rows
    return list(zip(rows["source"], rows["target"], strict=True))


REGIONS = [
    [("en-US", "color"), ("en-GB", "color"), ("de-DE", "Farbe")],
    [("en", "morning"), ("de-AT", "Morgen"), ("de-CH", "Morge")],
]


def test_each_variant_goes_with_the_other_language_and_never_with_another(tmp_path, caplog):
    path = tmx(tmp_path / "a.tmx", *REGIONS)
    with caplog.at_level(logging.WARNING):
        rows, counts = load(path)
    found = {(r["source_lang"], r["source"], r["target"], *map(r.get, VARIANTS)) for r in rows}
    assert found == {
        ("en", "color", "Farbe", "en-US", None),
        ("de", "Farbe", "color", None, "en-US"),
        ("en", "color", "Farbe", "en-GB", None),
        ("de", "Farbe", "color", None, "en-GB"),
        ("en", "morning", "Morgen", None, "de-AT"),
        ("de", "Morgen", "morning", "de-AT", None),
        ("en", "morning", "Morge", None, "de-CH"),
        ("de", "Morge", "morning", "de-CH", None),
    }
    assert len(rows) == counts["rows"] == 8
    assert counts["without_rows"] == 0
    assert counts["languages"] == {"de": 3, "en": 3}
    assert counts["variants"] == {"de-AT": 1, "de-CH": 1, "en-GB": 1, "en-US": 1}
    assert "under several names in a unit: de-AT (1), de-CH (1)" in caplog.text


def test_rows_of_translations_lose_no_variant(tmp_path):
    path = tmp_path / "a.jsonl"
    unit = {"en": "one", "pt_BR": "um", "pt": "hum", "fr": "un"}
    path.write_text(json.dumps({"translation": unit}))
    rows = load(str(path)).rows
    assert {(row["source"], row["target"]) for row in rows if row["source_lang"] == "en"} == {
        ("one", "um"),
        ("one", "hum"),
        ("one", "un"),
    }
    assert set(rows["line"]) == {0}  # multi-way: three languages, by four names
    hints = {r["auxiliary"] for r in rows if (r["source_lang"], r["target_lang"]) == ("en", "es")}
    assert hints == set()


def test_the_hint_of_a_variant_is_the_first_text_of_the_auxiliary_language(tmp_path):
    unit = [("en", "a"), ("en-GB", "b"), ("de", "c"), ("nl", "d"), ("nl-BE", "e")]
    rows = load(tmx(tmp_path / "a.tmx", unit), [parse_direction("en-de")]).rows
    assert [(row["source"], row["auxiliary"], row["auxiliary_lang"]) for row in rows] == [
        ("a", "d", "nl"),
        ("b", "d", "nl"),
    ]


def test_synonyms_go_with_english_and_chinese_only(tmp_path):
    unit = [(name, f"{name}{n}") for name in ("en", "zh", "de", "fr") for n in range(3)]
    path = tmx(tmp_path / "a.tmx", unit)
    assert sorted(pairs(path, "en-de")) == [
        ("en0", "de0"),
        ("en0", "de1"),
        ("en0", "de2"),
        ("en1", "de0"),
        ("en2", "de0"),
    ]
    rows, counts = load(path)
    # pairs: 5 of the first texts (no de-fr), and each of 2 further ones of 4 languages with the
    # first English and Chinese, those of English and Chinese with the first of 3 others
    assert len(rows) == 2 * (5 + 2 * (2 + 2) + 2 * (3 + 3))
    assert "further_pairs_left_out" not in counts
    assert VARIANTS[0] not in rows.column_names


def test_a_text_that_is_there_twice_makes_no_row_twice(tmp_path):
    path = tmx(tmp_path / "a.tmx", [("en", "a"), ("de", "b"), ("de", "b")])
    assert pairs(path, "en-de") == [("a", "b")]


def test_a_unit_gives_at_most_64_further_pairs_and_the_rest_is_counted(tmp_path, caplog):
    unit = [("en", "term"), *(("de", f"Wort {n}") for n in range(70))]
    with caplog.at_level(logging.WARNING):
        rows, counts = load(tmx(tmp_path / "a.tmx", unit), match_directions(["en-de"]))
    assert len(rows) == 1 + 64 == 1 + variants.MAX_FURTHER
    assert rows["target"][-1] == "Wort 64"
    assert counts["further_pairs_left_out"] == 5
    assert "5 pairs of units" in caplog.text


def test_languages_says_which_variant_is_read(tmp_path):
    path = tmx(tmp_path / "a.tmx", *REGIONS)
    with pytest.raises(InputError, match="none of its 2 sentences"):
        load(Source(path, languages={"en": "en-GB", "de": "de-CH"}))
    assert pairs(path, "en-de", languages={"en": "en-GB"}) == [("color", "Farbe")]
    assert pairs(path, "en-de", languages=["en", "de"], variants={"de": "de_ch"}) == [("morning", "Morge")]
    with pytest.raises(InputError, match=r"'en-AU'; its names there: en, en-GB, en-US"):
        load(Source(path, variants={"en": "en-AU"}))


@pytest.mark.parametrize("block", [1, 2, 5000])
def test_special_units_and_plain_ones_do_not_depend_on_blocks(block, tmp_path, monkeypatch):
    units = [*REGIONS, [("en", "x"), ("de", "y")], [("en", "s"), ("de", "t"), ("de", "u")]]
    monkeypatch.setattr("hf_lmt.data.corpora.blocks.SENTENCES", block)
    rows, counts = load(tmx(tmp_path / "a.tmx", *units))
    assert len(rows) == 8 + 2 + 4
    assert counts["without_rows"] == 0
    assert {row["row_key"] for row in rows if row["source"] == "x"} != {None}


SHIFTED = [
    [("en", "house"), ("de", "Haus"), ("de-AT", "Haeusl")],
    [("en", "car"), ("de", "Auto")],
    [("en", "tree"), ("de", "Baum"), ("de", "Baeumchen")],
]


def test_a_set_with_two_names_of_a_language_is_refused_unless_one_is_chosen(tmp_path, caplog):
    path = tmx(tmp_path / "a.tmx", *SHIFTED)
    words = r"unit 1 has German as de and as de-AT.*--languages de=de.*languages: \{de: de\}"
    with pytest.raises(InputError, match=words):
        open_set(path)
    chosen = open_set(Source(path, languages={"de": "de"}))
    lines = chosen.lines(parse_direction("en-de"))
    assert lines is not None
    assert lines.sources == ["house", "car", "tree"]
    assert lines.references == ["Haus", "Auto", "Baum"]
    assert chosen.notes == {"further_texts_left_out": 1}
    assert "1 further texts" in caplog.text
    austrian = open_set(Source(path, variants={"de": "de-AT"})).lines(parse_direction("en-de"))
    assert austrian is not None
    assert austrian.references == ["Haeusl"]


def test_a_set_that_a_training_watches_is_refused_likewise(tmp_path):
    path = tmx(tmp_path / "a.tmx", *SHIFTED)
    with pytest.raises(InputError, match="de-AT"):
        read_evaluation_rows([{"path": path}], DIRECTIONS)
    rows = read_evaluation_rows([{"path": path, "languages": {"de": "de"}}], DIRECTIONS)
    assert rows["target"][:2] != rows["source"][:2]
    assert len(rows) == 6


def test_overlap_is_looked_for_in_all_variants(tmp_path):
    found = read_evaluation_set(tmx(tmp_path / "a.tmx", *SHIFTED))
    assert found == {
        "de": ["Haus", "Auto", "Baum", "Baeumchen"],
        "de-AT": ["Haeusl"],
        "en": ["house", "car", "tree"],
    }


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"variants": {"de": "en-GB"}}, ["de: 'en-GB' is no name of it"]),
        ({"languages": {"deu": "de"}}, ["called 'de'"]),
        ({"languages": 5}, ["must be a list"]),
        ({"language_names": ["no"]}, ["language_names", "mapping"]),
        ({"language_names": {"no": "nob"}}, ["language_names: no", "'nb'"]),
        ({"language_names": {False: "nb"}}, ["quotes"]),
        ({"cells": "en,de"}, ["cells", "list"]),
        ({"cells": ["en", "de"], "kind": "tmx"}, ["cells", "kind tmx"]),
    ],
)
def test_what_cannot_be_said_of_names(fields, words):
    with pytest.raises(InputError) as error:
        Source("a", **fields)
    assert all(word in str(error.value) for word in words), error.value
