"""Corpora of every shape give the same rows."""

import json
import logging
import os

import datasets
import pytest
from datasets import Dataset

from hf_lmt.data.corpora import blocks
from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.multiway import ROW_SCHEMA
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.hashing import content_key, row_keys
from hf_lmt.directions import match_directions
from hf_miwv.common.errors import InputError
from tests.lmt.data.corpora.corpus_contents import (
    EN_DE,
    ENGLISH,
    FLORES,
    GERMAN,
    MOSES,
    PAIRS,
    ROWS,
    SMOL,
    TABLE,
    TRANSLATIONS,
    XML,
    jsonl,
    text,
    tmx,
    write,
)


@pytest.mark.parametrize(
    ("files", "source", "kind"),
    [
        ({"a.jsonl": jsonl(TRANSLATIONS)}, {"path": "a.jsonl"}, "translation"),
        ({"a.jsonl.gz": jsonl(TRANSLATIONS)}, {"path": "a.jsonl.gz"}, "translation"),
        ({"a.json": json.dumps(TRANSLATIONS)}, {"path": "a.json"}, "translation"),
        ({"a.json": json.dumps({"data": TRANSLATIONS, "version": 1})}, {"path": "a.json"}, "translation"),
        (
            {
                "a.json": json.dumps(
                    [
                        {
                            "translation": row["translation"] | {"kx": None}
                            if row is TRANSLATIONS[1]
                            else row["translation"]
                        }
                        for row in TRANSLATIONS
                    ]
                )
            },
            {"path": "a.json", "languages": ("en", "de")},
            "translation",
        ),
        ({"a.csv": text(["de;en", *(f"{de};{en}" for en, de in PAIRS)])}, {"path": "a.csv"}, "table"),
        ({"d/1.jsonl": jsonl(TRANSLATIONS[:2]), "d/2.jsonl": jsonl(TRANSLATIONS[2:])}, {"path": "d"}, "translation"),
        ({"a.jsonl": jsonl(TABLE)}, {"path": "a.jsonl"}, "table"),
        ({"a.parquet": TABLE}, {"path": "a.parquet"}, "table"),
        (
            {"a.csv": "de,en,id\neins,one,1\nleer,,2\nzwei,two\u2028lines,3\ndrei, three ,4\n"},
            {"path": "a.csv"},
            "table",
        ),
        ({"a.tsv": text(["de\teng_Latn", *(f"{de}\t{en}" for en, de in PAIRS)])}, {"path": "a.tsv"}, "table"),
        ({"a.en-de.tsv": text(map("\t".join, PAIRS))}, {"path": "a.en-de.tsv"}, "tsv"),
        ({"a.tsv": text(map("\t".join, PAIRS), "\r\n")}, {"path": "a.tsv", "languages": ("en", "de")}, "tsv"),
        (MOSES, {"path": "train"}, "text"),
        ({"train.en.gz": text(ENGLISH), "train.de": text(GERMAN)[:-1]}, {"path": "train"}, "text"),
        ({"train.en": "\ufeff" + text(ENGLISH, "\r\n"), "train.de": text(GERMAN)}, {"path": "train"}, "text"),
        ({"x": text(ENGLISH), "y": text(GERMAN)}, {"path": {"en": "x", "de": "y"}}, "text"),
        (FLORES, {"path": ".", "split": "dev"}, "flores"),
        (FLORES, {"path": "devtest"}, "flores"),
        ({"a.tmx": tmx(XML)}, {"path": "a.tmx"}, "tmx"),
        ({"a.tmx.gz": tmx(XML, encoding="utf-16")}, {"path": "a.tmx.gz"}, "tmx"),
        ({"a.jsonl": jsonl(SMOL)}, {"path": "a.jsonl"}, "smol"),
        ({"a.jsonl": jsonl(ROWS)}, {"path": "a.jsonl"}, "rows"),
        ({"a.parquet": ROWS}, {"path": "a.parquet"}, "rows"),
        (
            {
                "a.csv": "source_lang,target_lang,line,source,auxiliary,target\n"
                + text(f"en,de,,{en},,{de}" for en, de in PAIRS)
            },
            {"path": "a.csv"},
            "rows",
        ),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_every_kind_gives_the_same_rows(files, source, kind, given, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, {n: c for n, c in files.items() if isinstance(c, bytes | str)}))
    for name, records in files.items():
        if isinstance(records, list):
            Dataset.from_list(records).to_parquet(name)
    rows, counts = load(Source(**source, kind=kind if given else None), EN_DE)
    assert list(zip(rows["source"], rows["target"], strict=True)) == PAIRS
    assert set(zip(rows["source_lang"], rows["target_lang"], strict=True)) == {("en", "de")}
    assert rows.column_names == ROW_SCHEMA.names
    assert set(rows["line"]) == set(rows["auxiliary"]) == {None}
    assert counts["sentences"] == counts["rows"] == counts["languages"]["de"] == len(PAIRS)


def test_both_directions_hints_and_lines_of_a_multi_way_source(tmp_path):
    write(tmp_path, {"t.kk": "бір\nекі\n", "t.ru": "один\n\n", "t.en": "one\ntwo\n"})
    rows, counts = load(Source(str(tmp_path / "t"), corpus="mine"), match_directions(["en-*", "*-en"]))
    found = rows.remove_columns("row_key")
    assert [tuple(row.values()) for row in found] == [
        ("en", "ru", "one", "один", None, None, "mine", 0),
        ("en", "ru", "two", "", None, None, "mine", 1),
        ("ru", "en", "один", "one", None, None, "mine", 0),
        ("ru", "en", "", "two", None, None, "mine", 1),
        ("en", "kk", "one", "бір", "ru", "один", "mine", 0),
        ("en", "kk", "two", "екі", None, None, "mine", 1),
        ("kk", "en", "бір", "one", "ru", "один", "mine", 0),
        ("kk", "en", "екі", "two", None, None, "mine", 1),
    ]
    assert rows["row_key"][:] == row_keys(found.to_dict())
    assert counts == {
        "sentences": 2,
        "rows": 8,
        "without_rows": 0,
        "languages": {"en": 2, "kk": 2, "ru": 2},
        "other_languages": {},
    }


def test_ids_corpora_and_lines_of_the_source_are_kept(tmp_path):
    records = [
        {"id": 5, "corpus": "wmt", "translation": {"en": "a", "de": "b"}},
        {"translation": {"en": "c", "de": "d", "fr": "e"}},
    ]
    rows = load(Source(str(write(tmp_path, {"a.jsonl": jsonl(records)}) / "a.jsonl")), EN_DE).rows
    assert rows["row_key"][:] == ["5", content_key("a", "en", "de", "c", "d")]
    assert rows["corpus"][:] == ["wmt", "a"]
    assert rows["line"][:] == [None, 1]


@pytest.mark.parametrize(
    ("identifiers", "languages", "row_ids"),
    [
        ([1, 2], (), ["1", "2"]),
        (["a", "b"], (), ["a", "b"]),
        (["satu", "dua kali"], (), [None] * 2),
        (["satu", "dua"], ("en", "de", "id"), [None] * 2),
        (["a b", "c"], ("en", "de"), ["a b", "c"]),
    ],
)
def test_a_column_id_is_indonesian_or_a_name(identifiers, languages, row_ids, tmp_path):
    records = [{"id": one, "en": "a", "de": "b"} for one in identifiers]
    path = str(write(tmp_path, {"a.jsonl": jsonl(records)}) / "a.jsonl")
    rows, counts = load(Source(path, languages=languages), EN_DE)
    keys = row_keys(rows.remove_columns("row_key").to_dict())
    assert rows["row_key"][:] == [own or key for own, key in zip(row_ids, keys, strict=True)]
    assert ("id" in counts["languages"]) == (row_ids == [None, None])


def test_smol_documents_name_their_sentences(tmp_path):
    path = str(write(tmp_path, {"a.jsonl": jsonl(SMOL)}) / "a.jsonl")
    key = content_key("a", "en", "de", ENGLISH[3], GERMAN[3])
    assert load(path, EN_DE).rows["row_key"][:] == ["7", "d/0", "d/1", key]


def test_own_rows_keep_their_direction_and_hint(tmp_path):
    row = ROWS[0] | {"auxiliary_lang": "nl", "auxiliary": "e\u0301\u00e9n", "line": 3, "row_key": 4}
    other = row | {"source_lang": "de", "target_lang": "en"}
    path = str(write(tmp_path, {"a.jsonl": jsonl([row, other])}) / "a.jsonl")
    rows, counts = load(path, EN_DE)
    assert list(rows) == [row | {"auxiliary": "\u00e9\u00e9n", "row_key": "4", "corpus": "a"}]
    assert counts["without_rows"] == 1
    assert load(path, EN_DE, auxiliaries=False).rows["auxiliary"][:] == [None]


def test_tmx_markup_versions_and_entities_of_xml(tmp_path):
    unit = [("en", "a <bpt>{b}</bpt>b<ph/> &amp; <hi>c</hi>d"), ("de", "x"), ("de", "y")]
    path = str(write(tmp_path, {"a.tmx": tmx([unit])}) / "a.tmx")
    rows = load(path, EN_DE).rows
    assert list(zip(rows["source"], rows["target"], strict=True)) == [
        ("a b & cd", "x"),
        ("a b & cd", "y"),
    ]
    assert set(rows["row_key"]) == {"0"}


def test_what_cannot_be_used_is_counted_and_said(tmp_path, caplog):
    records = [
        {"translation": {"en": "a", "de": "b"}},
        {"translation": {"en": "a", "tlh": "b"}},
        {"translation": {"en": "a", "de": None}},
    ]
    path = str(write(tmp_path, {"a.jsonl": jsonl(records)}) / "a.jsonl")
    for _ in range(2):  # the second time from the cache
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            _, counts = load(path, EN_DE)
        assert (counts["rows"], counts["without_rows"]) == (1, 2)
        assert counts["other_languages"] == {"tlh": 1}
        assert "2 sentences gave no row" in caplog.text
        assert "tlh (1)" in caplog.text


def test_rows_lie_on_disk_and_a_changed_source_is_read_again(tmp_path):
    path = str(write(tmp_path, MOSES) / "train")
    one, two = load(path, EN_DE).rows, load(path, EN_DE).rows
    assert one.cache_files == two.cache_files != []
    write(tmp_path, {"train.de": text(["neu", *GERMAN[1:]])})
    assert load(path, EN_DE).rows["target"][0] == "neu"
    assert one["target"][0] == "eins"


def test_many_sentences_come_in_order_and_whole(tmp_path):
    numbers = [str(number) for number in range(2500)]
    write(tmp_path, {"n.en": text(numbers), "n.de": text(numbers), "n.fr": text(numbers)})
    rows = load(str(tmp_path / "n"), EN_DE).rows
    assert rows["source"][:] == rows["target"][:] == numbers
    assert rows["line"][:] == list(range(2500))


@pytest.mark.parametrize(("rows", "sentences"), [(9, 1000), (1000, 2)])
def test_the_size_of_blocks_does_not_matter(rows, sentences, tmp_path, monkeypatch):
    table = tmp_path / "table.jsonl"
    lines = [
        {
            "en": f"text {n}",
            "de": f"Text {n}",
            "kk": None if n % 3 else f"мәтін {n}",
            "ru": f"текст {n}" if n % 2 else None,
        }
        for n in range(11)
    ]
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    whole = load(Source(str(table), corpus="whole")).rows.remove_columns("corpus")
    monkeypatch.setattr(blocks, "ROWS", rows)
    monkeypatch.setattr(blocks, "SENTENCES", sentences)
    parts = load(Source(str(table), corpus="parts")).rows.remove_columns("corpus")

    def bare(dataset):
        kept = dataset.remove_columns("row_key").to_list()
        return sorted(kept, key=json.dumps)

    assert len(whole) == 2 * 11 + 2 * 4 + 2 * 5
    assert bare(parts) == bare(whole)
    assert parts.to_list() != whole.to_list()  # blocks go by direction, so the order shows them


def test_nothing_is_left_of_a_source_that_could_not_be_read(tmp_path):
    write(tmp_path, {"t.en": text(["a"] * 1500), "t.de": text(["a"] * 1499).encode() + b"\xff\n"})
    with pytest.raises(InputError):
        load(str(tmp_path / "t"), EN_DE)
    assert os.listdir(datasets.config.HF_DATASETS_CACHE) == []
