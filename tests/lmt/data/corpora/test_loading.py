"""Sources of every kind to rows, and the messages for what cannot be read."""

import gzip
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
from hf_lmt.directions import match_directions, parse_direction
from hf_lmt.language_codes import code_of
from hf_miwv.common.errors import InputError

ENGLISH = ["one", "", "two\u2028lines", " three "]
GERMAN = ["eins", "leer", "zwei", "drei"]
PAIRS = list(zip(ENGLISH, GERMAN, strict=True))
EN_DE = [parse_direction("en-de")]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder


def text(lines, end="\n"):
    return "".join(f"{line}{end}" for line in lines)


def jsonl(records):
    return text(map(json.dumps, records))


def tmx(units, head='<!DOCTYPE tmx SYSTEM "tmx14.dtd">', encoding="utf-8"):
    body = "".join(
        f'<tu tuid="{number}">'
        + "".join(f'<tuv xml:lang="{name}"><seg>{content}</seg></tuv>' for name, content in unit)
        + "</tu>"
        for number, unit in enumerate(units)
    )
    document = f'<?xml version="1.0" encoding="{encoding}"?>{head}<tmx version="1.4"><header/>'
    return f"{document}<body>{body}</body></tmx>".encode(encoding)


TRANSLATIONS = [{"translation": {"en": en, "de": de}} for en, de in PAIRS]
TABLE = [{"en": en, "deu_Latn": de, "note": "x"} for en, de in PAIRS]
MOSES = {"train.en": text(ENGLISH), "train.de": text(GERMAN)}
FLORES = {
    f"{split}/{name}.{split}": text(lines)
    for split in ("dev", "devtest")
    for name, lines in (("eng_Latn", ENGLISH), ("deu_Latn", GERMAN), ("ace_Latn", ["?"]))
}
SMOL = [
    {"id": 7, "sl": "en", "tl": "de", "is_src_orig": True, "src": ENGLISH[0], "trg": GERMAN[0]},
    {"id": "d", "sl": "en", "tl": "de", "srcs": ENGLISH[1:3], "trgs": GERMAN[1:3]},
    {"sl": "de", "tl": "en", "src": GERMAN[3], "trgs": [ENGLISH[3]]},
]
ROWS = [{"source_lang": "en", "target_lang": "de", "source": en, "target": de} for en, de in PAIRS]
XML = [[("en-US", en), ("DE", de)] for en, de in PAIRS]


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


BOMB = '<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
LATIN = text(["ein", "Gr\u00fc\u00dfe"]).encode("latin-1")


@pytest.mark.parametrize(
    ("files", "source", "words"),
    [
        (MOSES | {"train.de": "eins\n"}, {"path": "train"}, ["train.de and train.en are misaligned", "1 and 4 lines"]),
        ({"t.en": "a\nb\n", "t.de": LATIN}, {"path": "t"}, ["t.de:2", "0xfc", "UTF-8"]),
        ({"t.en": "", "t.de": ""}, {"path": "t"}, ["t.de", "empty"]),
        ({"t.en": "a\n", "t.de": "b\n", "t.deu_Latn": "b\n"}, {"path": "t"}, ["t.de ", "both de"]),
        ({"t.en": "a\n"}, {"path": "t.en"}, ["one language", "{language: file"]),
        ({"t.en": "a\n"}, {"path": "t", "kind": "text"}, ["two languages", "t.en"]),
        (MOSES, {"path": "train", "languages": ("en", "kk")}, ["no file in kk", "de, en"]),
        (MOSES, {"path": {"en": "train.en", "de": "gone"}}, ["gone", "No such file"]),
        (
            {"t.en": "a\n", "t.de.gz.x": ""},
            {"path": {"en": "t.en", "de": "t.de.gz.x"}},
            ["t.en and t.de.gz.x", "1 and 0 lines"],
        ),
        (FLORES, {"path": "."}, ["dev, devtest", "split"]),
        (FLORES, {"path": ".", "split": "deb"}, ["'deb'", "did you mean 'dev'"]),
        (FLORES, {"path": "dev", "languages": ("en", "mvf")}, ["no file in mvf", "de, en"]),
        ({"a/b.txt": "x"}, {"path": "a", "kind": "flores"}, ["LANGUAGE.SPLIT", "eng_Latn.dev"]),
        ({"a.tsv": "a\tb\nc\td\te\n"}, {"path": "a.tsv", "languages": ("en", "de")}, ["a.tsv:2", "3 cells", "2"]),
        ({"a.tsv": "a\tb\n"}, {"path": "a.tsv"}, ["2 cells", "not known", "give languages"]),
        ({"a.tmx": b"<html></html>"}, {"path": "a.tmx"}, ["<html>", "<tmx>"]),
        ({"a.tmx": tmx(XML)[:-30]}, {"path": "a.tmx"}, ["a.tmx:1", "not valid XML"]),
        ({"a.tmx": tmx([[("en", "&b;"), ("de", "x")]], BOMB)}, {"path": "a.tmx"}, ["entities"]),
        ({"a.tmx": tmx([])}, {"path": "a.tmx"}, ["no sentences"]),
        ({"a.jsonl": jsonl(TRANSLATIONS)}, {"path": "a.jsonl", "kind": "table"}, ["kind table", "translation"]),
        ({"a.jsonl": jsonl(TABLE)}, {"path": "a.jsonl", "kind": "smol"}, ["kind smol", "sl, tl"]),
        ({"a.jsonl": jsonl(TABLE)}, {"path": "a.jsonl", "languages": ("en", "is")}, ["is", "deu_Latn"]),
        ({"a.jsonl": jsonl([{"prompt": "a"}])}, {"path": "a.jsonl"}, ["prompt", "translation:"]),
        ({"a.jsonl": jsonl([{"en": "a", "de": 1}])}, {"path": "a.jsonl"}, ["a.jsonl:1", "de is 1"]),
        (
            {"a.jsonl": jsonl([{"en": "a", "eng": "b", "de": "c"}])},
            {"path": "a.jsonl"},
            ["a.jsonl", "'en'", "'eng'", "both en"],
        ),
        ({"a.jsonl": jsonl([{"translation": "a"}])}, {"path": "a.jsonl"}, ["a.jsonl:1", "'a'"]),
        ({"a.jsonl": '{"translation": \n'}, {"path": "a.jsonl"}, ["a.jsonl:1", "not valid JSON"]),
        (
            {"a.jsonl": jsonl([SMOL[1] | {"trgs": ["x"]}])},
            {"path": "a.jsonl"},
            ["a.jsonl:1", "2 sentences", "1 in trgs"],
        ),
        (
            {"a.jsonl": jsonl([{"translation": {"en": "a", "kx": "b"}}])},
            {"path": "a.jsonl"},
            ["none of its 1 sentences", "en-de", "not LMT's: kx", "hf-lmt languages"],
        ),
        (
            {"a.jsonl": jsonl(TRANSLATIONS)},
            {"path": "a.jsonl", "languages": ("en", "de", "fr")},
            ["no text in fr", "de, en"],
        ),
        (
            {"a.jsonl": jsonl([ROWS[0], ROWS[0] | {"auxiliary_lang": "de", "auxiliary": "x"}])},
            {"path": "a.jsonl"},
            ["a.jsonl:2", "auxiliary_lang is de", "en-de itself", "third"],
        ),
        ({"a.csv": "en/de\na/b\n"}, {"path": "a.csv"}, ["en/de"]),
        ({"a.json": "null"}, {"path": "a.json"}, ["a.json: row 0", "found null"]),
        ({"d/a.json": "null"}, {"path": "d"}, ["a.json: row 0", "found null"]),
        ({"a.jsonl": jsonl([*TRANSLATIONS, None])}, {"path": "a.jsonl"}, ["a.jsonl:5", "a row"]),
        ({"a.jsonl.gz": jsonl([*TRANSLATIONS, None])}, {"path": "a.jsonl.gz"}, [".gz:5", "a row"]),
        (
            {"a.jsonl": jsonl([{"translation": {"en": "a \ud83d", "de": "b"}}])},
            {"path": "a.jsonl"},
            ["a.jsonl:1", "\\ud83d is half a character"],
        ),
        (
            {"a.json": json.dumps([{"en": "a", "de": "b\udc00"}])},
            {"path": "a.json"},
            ["a.json: row 0", "\\udc00 is half a character"],
        ),
        ({}, {"path": "nowhere.jsonl"}, ["nowhere.jsonl", "no such file"]),
        ({"t.en.gz": "a\n", "t.de": "b\n"}, {"path": "t", "kind": "tmx"}, ["cannot be read"]),
    ],
)
def test_what_cannot_be_read_is_said_in_words(files, source, words, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, files))
    with pytest.raises(InputError) as error:
        load(Source(**source), EN_DE)
    assert all(word in str(error.value) for word in words), error.value


def test_a_damaged_gzip_file_is_named(tmp_path):
    write(tmp_path, {"t.en.gz": text(ENGLISH * 99), "t.de": text(GERMAN * 99)})
    whole = (tmp_path / "t.en.gz").read_bytes()
    (tmp_path / "t.en.gz").write_bytes(whole[:-9])
    with pytest.raises(InputError, match=r"t\.en\.gz: damaged gzip"):
        load(str(tmp_path / "t"), EN_DE)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"path": ""}, ["give a file"]),
        ({"path": {"en": "a"}}, ["two languages"]),
        ({"path": {False: "a", "en": "b"}}, ["False", "YAML", "quotes"]),
        ({"path": "a", "kind": "tabel"}, ["'tabel'", "did you mean 'table'"]),
        ({"path": "a", "languages": ["en", "dee"]}, ["languages", "dee"]),
        ({"path": "a", "languages": ["en", False]}, ["False", "YAML"]),
        ({"path": "a", "languages": "en"}, ["list"]),
        ({"path": "a", "weight": -1}, ["weight -1"]),
        ({"path": "a", "weight": float("nan")}, ["weight nan"]),
        ({"path": "a", "caps": {"en-*": 1.5}}, ["en-*", "1.5", "whole number"]),
        ({"path": "a", "caps": {"en-xx": 1}}, ["xx"]),
    ],
)
def test_descriptions_that_cannot_be(values, words):
    with pytest.raises(InputError) as error:
        Source(**values)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("path", "corpus"),
    [
        ("a/test.en-de.jsonl.gz", "test.en-de"),
        ("google/smol", "smol"),
        ({"en": "x.en", "de": "y"}, "x"),
    ],
)
def test_the_corpus_is_named_after_the_path(path, corpus):
    assert Source(path).corpus_name == corpus
    assert Source(path, corpus="mine").corpus_name == "mine"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"),
        ("EN-us", "en"),
        ("eng_Latn", "en"),
        ("eng", "en"),
        ("pt-BR", "pt"),
        ("zh-CN", "zh"),
        ("zh_Hans", "zh"),
        ("zho_Hans", "zh"),
        ("cmn", "zh"),
        ("zh-TW", None),
        ("zho_Hant", None),
        ("yue_Hant", "yue"),
        ("uz_Latn", "uz"),
        ("uz-Cyrl", None),
        ("nob_Latn", "nb"),
        ("no", None),
        ("tgl_Latn", "tl"),
        ("fil", "tl"),
        ("id", "id"),
        ("idea", None),
        ("", None),
        ("es-419", "es"),
        ("mvf", "mvf"),
    ],
)
def test_names_of_languages_in_other_systems(name, code):
    assert code_of(name) == code
