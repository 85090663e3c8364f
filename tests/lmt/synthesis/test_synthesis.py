"""Synthetic pairs: which side is whose, what is flagged, what order does not matter to."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import Dataset
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.curation.duplicates import Duplicates
from hf_lmt.synthesis.synthesize import Synthesized, synthesize
from hf_lmt.synthesis.synthetic_pairs import SYNTHETIC_SCHEMA, reason_of
from hf_lmt.synthesis.texts import read_rows
from hf_lmt.translation.requests import Translation
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

TEXTS = ["name the capital of france", "hello world", "what is water made of", "rain", "add two"]
MONO = [{"lang": "en", "text": text, "corpus": "news", "row_key": f"n{place}"} for place, text in enumerate(TEXTS)]
PAIRS = [
    {
        "source_lang": "en",
        "target_lang": "de",
        "source": "hello world",
        "target": "Hallo Welt",
        "corpus": "talks",
        "row_key": "t1",
        "line": 7,
    },
    {
        "source_lang": "kk",
        "target_lang": "en",
        "source": "жаңбыр",
        "target": "rain",
        "corpus": "talks",
        "row_key": "t2",
        "line": None,
    },
    {
        "source_lang": "de",
        "target_lang": "fr",
        "source": "eins",
        "target": "un",
        "corpus": "talks",
        "row_key": "t3",
        "line": None,
    },
    {
        "source_lang": "en",
        "target_lang": "zh",
        "source": "two",
        "target": "二",
        "corpus": "talks",
        "row_key": "t4",
        "line": None,
    },
]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def translator() -> Translator:
    return make_translator(60)


def make_translator(most: int) -> Translator:
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(60, 160))  # so that texts end
    tokenizer = make_tokenizer(chat_template=CHATML)
    return Translator(model, tokenizer, num_beams=1, max_new_tokens=most)


def made(rows: list[dict[str, Any]], translator: Translator, into: str, **given: Any) -> Synthesized:
    settings = {"model": "tiny", "revision": "r1", "steps": [], "progress": False, **given}
    return synthesize(Dataset.from_list(rows), translator, into, **settings)


@pytest.mark.parametrize(
    ("way", "sides"),
    [("back", ["source"]), ("forward", ["target"]), ("both", ["source", "target"])],
)
def test_direct_pairs(translator: Translator, way: str, sides: list[str]) -> None:
    found = made(MONO, translator, "kk", way=way)
    written = translator(TEXTS, src_lang="en", tgt_lang="kk")
    expected = [
        {"source_lang": "kk", "target_lang": "en", "source": machine, "target": human, "synthetic_side": side}
        if side == "source"
        else {"source_lang": "en", "target_lang": "kk", "source": human, "target": machine, "synthetic_side": side}
        for human, machine in zip(TEXTS, written, strict=True)
        for side in sides
    ]
    assert found.rows.column_names == SYNTHETIC_SCHEMA.names
    assert [{name: row[name] for name in expected[0]} for row in found.rows] == expected
    for row in found.rows:
        assert (row["corpus"], row["synthetic"], row["synthetic_model"], row["synthetic_revision"]) == (
            "news+synthetic",
            True,
            "tiny",
            "r1",
        )
        assert row["auxiliary"] is row["auxiliary_lang"] is row["line"] is None
    assert len(set(found.rows["row_key"])) == len(expected)
    assert found.counts["translated"] == 5
    assert found.counts["pairs"] == found.counts["rows"] == len(expected)
    assert found.rejects is None


def test_the_revision_is_by_default_the_weights(translator: Translator) -> None:
    found = made(MONO, translator, "kk", revision=None)
    weights = translator._writer.backend.made_by()["model"]
    assert set(found.rows["synthetic_revision"]) == {weights}


@pytest.mark.parametrize(
    ("into", "way", "expected"),
    [
        ("zh", "back", [("zh", "de", "en", 7), ("zh", "kk", "en", None)]),
        ("zh", "forward", [("de", "zh", "en", 7), ("kk", "zh", "en", None)]),
        ("fr", "back", [("fr", "de", None, 7), ("fr", "kk", None, None), ("fr", "zh", "en", None)]),
    ],
)
def test_a_pivot(translator: Translator, into: str, way: str, expected: list, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        found = made(PAIRS, translator, into, pivot="en", way=way)
    rows = [(row["source_lang"], row["target_lang"], row["auxiliary_lang"], row["line"]) for row in found.rows]
    assert rows == expected
    texts, side = {"de": "hello world", "kk": "rain", "zh": "two"}, found.rows["synthetic_side"][0]
    other = "target" if side == "source" else "source"
    humans = {"de": "Hallo Welt", "kk": "жаңбыр", "zh": "二"}
    for row in found.rows:
        text = texts[row[f"{other}_lang"]]
        assert row[side] == translator(text, src_lang="en", tgt_lang=into)
        assert row[other] == humans[row[f"{other}_lang"]]
        assert row["auxiliary"] == (text if row["auxiliary_lang"] else None)
    assert found.counts["without_pivot"] == 1
    assert found.counts["already_in"] == (1 if into == "zh" else 0)
    assert "no side in the pivot" in caplog.text
    assert ("not among LMT's 234 directions: fr-de, fr-kk" in caplog.text) == (into == "fr")


def test_languages_of_the_rows_and_the_one_into(translator: Translator, caplog: Any) -> None:
    rows = [{"lang": "en", "text": "hello"}, {"lang": "de", "text": "u\u0308ber"}, {"lang": "kk", "text": "жаңбыр"}]
    with caplog.at_level(logging.WARNING):
        found = made(rows, translator, "kk")
    assert [(row["target_lang"], row["target"], row["corpus"]) for row in found.rows] == [
        ("en", "hello", "synthetic"),
        ("de", "über", "synthetic"),
    ]
    assert "1 texts are in kk already" in caplog.text
    assert found.counts["already_in"] == 1


@pytest.mark.parametrize("given", [{"way": "both"}, {"pivot": "en", "way": "both"}])
def test_neither_order_nor_place_on_disk_matters(
    translator: Translator, given: dict[str, Any], tmp_path: Path
) -> None:
    rows = [{**row, "row_key": None} for row in (PAIRS if "pivot" in given else MONO)]
    found = made(rows, translator, "zh", **given).rows
    turned = made(rows[::-1], translator, "zh", folder=tmp_path, **given).rows
    assert sorted(found.to_list(), key=str) == sorted(turned.to_list(), key=str)
    assert len(set(found["row_key"])) == len(found)
    assert turned.cache_files[0]["filename"] == str(tmp_path / "pairs.arrow")


def test_keys_hang_on_corpus_key_direction_and_side(translator: Translator) -> None:
    base = MONO[0]
    others = [base, {**base, "corpus": "web"}, {**base, "row_key": "n9"}, {**base, "lang": "de"}]
    keys = list(made(others, translator, "kk", way="both").rows["row_key"])
    assert len(set(keys)) == 8
    again = made([{**base, "text": "another text"}], translator, "kk", model="other")
    assert list(again.rows["row_key"]) == keys[:1]


def test_many_rows_stay_beside_their_translations() -> None:
    translator = make_translator(6)
    rows = [{"lang": "en", "text": f"rain {place % 37}"} for place in range(2500)]
    found = made([*rows, {"lang": "kk", "text": "x"}, *rows[:3]], translator, "kk", keep_rejects=True)
    assert found.rejects is not None
    written = {row["target"]: row["source"] for row in [*found.rows, *found.rejects]}
    assert len(written) == 37
    texts = list(written)
    assert [written[text] for text in texts] == translator(texts, src_lang="en", tgt_lang="kk")
    assert len(found.rows) + len(found.rejects) == 2503


@pytest.mark.parametrize(
    ("translation", "reason"),
    [
        (Translation("ok", "ok"), None),
        (Translation(" \n", "ok"), "blank"),
        (Translation("", "empty"), "empty"),
        (Translation("half a", "capped"), "capped"),
        (Translation("", "too_long"), "too_long"),
    ],
)
def test_what_keeps_a_translation_from_use(translation: Translation, reason: str | None) -> None:
    assert reason_of(translation) == reason


@pytest.mark.parametrize("on_disk", [False, True])
def test_flagged_and_curated_rows_are_counted_and_kept_apart(
    translator: Translator, on_disk: bool, tmp_path: Path
) -> None:
    rows = [*MONO, {**MONO[0], "row_key": "copy"}, {**MONO[0], "text": "rain " * 600}]
    found = made(rows, translator, "kk", keep_rejects=True, steps=[Duplicates()], folder=tmp_path if on_disk else None)
    assert found.counts["flagged"] == {"too_long": 1}
    assert (found.counts["texts"], found.counts["translated"], found.counts["rows"]) == (7, 6, 5)
    assert found.rejects is not None
    assert found.rejects.column_names == [*SYNTHETIC_SCHEMA.names, "rejected_by", "reason"]
    taken = [(row["rejected_by"], row["reason"]) for row in found.rejects]
    assert taken[0] == ("translation", "too_long")
    assert [step for step, _ in taken] == ["translation", "duplicates"]
    assert found.rejects["target"][0] == "rain " * 600


def test_rejects_are_empty_where_there_are_none(translator: Translator) -> None:
    found = made(MONO, translator, "kk", keep_rejects=True)
    assert found.rejects is not None
    assert len(found.rejects) == 0


@pytest.mark.parametrize(
    ("rows", "into", "given", "words"),
    [
        (MONO, "kaz", {}, "called 'kk' here"),
        (MONO, "en", {}, "all of the texts are in en already"),
        (MONO, "kk", {"way": "bakc"}, "did you mean 'back'"),
        (MONO, "kk", {"pivot": "en"}, "lack source_lang, target_lang, source, target"),
        (PAIRS, "zh", {}, "lack lang, text .*give lang and text"),
        (PAIRS, "zh", {"pivot": "zh"}, "texts are in zh and are to be translated into zh"),
        (PAIRS, "zh", {"pivot": "eng"}, "called 'en' here"),
        (PAIRS[2:3], "zh", {"pivot": "en"}, "no row has a side in en.*there are: de-fr"),
        ([{"lang": "tlh", "text": "a"}], "kk", {}, "no language 'tlh'"),
        ([{"lang": "en", "text": None}, MONO[0]], "kk", {}, "has no text"),
        ([{"lang": "en", "text": 3}], "kk", {}, "does not hold texts"),
    ],
)
def test_rows_that_cannot_be_used(
    translator: Translator, rows: list, into: str, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        made(rows, translator, into, **given)


def test_no_rows_and_no_usable_translation(translator: Translator) -> None:
    with pytest.raises(InputError, match="no rows"):
        made([], translator, "kk")
    with pytest.raises(InputError, match=r"no translation can be used: too_long 1 .*shorter"):
        made([{"lang": "en", "text": "rain " * 600}], translator, "kk")


@pytest.mark.parametrize("kind", ["rows", "table"])
def test_files_with_a_pivot(kind: str, tmp_path: Path) -> None:
    rows = PAIRS if kind == "rows" else [{"en": "one", "de": "eins", "kk": "бір", "zh": "一"}]
    path = tmp_path / "pairs.parquet"
    Dataset.from_list(rows).to_parquet(path)
    found = read_rows(str(path), "zh", pivot="en").rows
    assert found.column_names == ROW_SCHEMA.names
    there = sorted(zip(found["source_lang"], found["target_lang"], strict=True))
    assert there == ([("en", "de"), ("kk", "en")] if kind == "rows" else [("en", "de"), ("en", "kk")])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"language": "en", "pivot": "en"}, "--from for texts in one language"),
        ({"language": "kk"}, "texts are in kk"),
        ({"pivot": "fr"}, "none of its 1 sentences is in both languages"),
        ({"language": "eng"}, "called 'en' here"),
    ],
)
def test_files_that_cannot_be_used(given: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"en": "one", "de": "eins"}\n', "utf-8")
    with pytest.raises(InputError, match=words):
        read_rows(str(path), "kk", **given)
