"""Texts in one language each, from sources of every kind, and what cannot be read."""

import json
import logging

import datasets
import pytest
import xxhash
from datasets import Dataset
from tiny import zipped

from hf_lmt.data.corpora.monolingual import TEXT_SCHEMA, load_monolingual
from hf_miwv.common.errors import InputError

TEXTS = {"en": ["one", "", "two\u2028lines"], "ky": ["бир", "эки", "ky\u0308"]}
ROWS = [("en", "one"), ("en", "two\u2028lines"), ("ky", "бир"), ("ky", "эки"), ("ky", "kÿ")]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def lines(code):
    return "".join(f"{text}\n" for text in TEXTS[code])


def jsonl(records):
    return "".join(json.dumps(record) + "\n" for record in records)


DOCUMENTS = [{"lang": code, "text": text} for code, texts in TEXTS.items() for text in texts]
FOREIGN = [{**one, "lang": {"en": "eng_Latn", "ky": "kir"}[one["lang"]]} for one in DOCUMENTS]
TABLE = [dict(zip(TEXTS, pair, strict=True)) for pair in zip(*TEXTS.values(), strict=True)]


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, list):
            Dataset.from_list(content).to_parquet(path)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.mark.parametrize(
    ("files", "path", "kind"),
    [
        ({"d/en.txt": lines("en"), "d/ky.txt.gz": zipped(lines("ky"))}, "d", "text"),
        ({"d/eng_Latn.txt": lines("en"), "d/kir.txt": lines("ky"), "d/README.md": "x"}, "d", "text"),
        ({"d/eng_Latn.dev": lines("en"), "d/kir_Cyrl.dev": lines("ky")}, "d", "text"),
        ({"news.en": lines("en"), "news.ky.gz": zipped(lines("ky"))}, "news", "text"),
        ({"a.jsonl": jsonl(DOCUMENTS)}, "a.jsonl", "documents"),
        ({"a.jsonl.gz": zipped(jsonl(FOREIGN))}, "a.jsonl.gz", "documents"),
        ({"a.parquet": DOCUMENTS}, "a.parquet", "documents"),
        ({"d/a.parquet": FOREIGN}, "d", "documents"),
        ({"a.csv": "text,lang\none,en\n,en\ntwo\u2028lines,en\nбир,ky\nэки,ky\nky\u0308,ky\n"}, "a.csv", "documents"),
        ({"a.parquet": TABLE}, "a.parquet", "table"),
        ({"a.tsv": "eng_Latn\tky\n" + "".join(f"{r['en']}\t{r['ky']}\n" for r in TABLE)}, "a.tsv", "table"),
    ],
)
@pytest.mark.parametrize("given", [False, True])
def test_every_kind_gives_the_same_texts(files, path, kind, given, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, files))
    rows, counts = load_monolingual(path, kind=kind if given else None, corpus="web")
    assert rows.column_names == TEXT_SCHEMA.names
    assert sorted(zip(rows["lang"], rows["text"], strict=True)) == sorted(ROWS)
    expected = {xxhash.xxh3_128_hexdigest("\x1f".join(("web", *row)).encode()): row for row in ROWS}
    assert {row["row_key"]: (row["lang"], row["text"]) for row in rows} == expected
    assert counts == {
        "texts": 6,
        "rows": 5,
        "empty": 1,
        "languages": {"en": 2, "ky": 3},
        "other_languages": {},
    }


@pytest.mark.parametrize(
    ("files", "path", "language", "texts"),
    [
        ({"ky.txt": "бир\r\n \nэки"}, "ky.txt", None, ["бир", "эки"]),
        ({"news.ky": "бир\n"}, "news.ky", None, ["бир"]),
        ({"a.txt.gz": zipped("бир\n")}, "a.txt.gz", "ky", ["бир"]),
        ({"a.jsonl": jsonl([{"text": "бир"}, {"text": None}])}, "a.jsonl", "ky", ["бир"]),
        ({"a.jsonl": jsonl(DOCUMENTS)}, "a.jsonl", "ky", ["бир", "эки", "kÿ"]),
        ({"a.parquet": TABLE}, "a.parquet", "ky", ["бир", "эки", "kÿ"]),
        ({"d/en.txt": lines("en"), "d/ky.txt": "бир\n"}, "d", "ky", ["бир"]),
    ],
)
def test_one_language_alone(files, path, language, texts, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, files))
    rows, _ = load_monolingual(path, language=language)
    assert list(rows["text"]) == texts
    assert set(rows["lang"]) == {"ky"}


def test_own_ids_and_corpora_stay_and_other_languages_are_counted(tmp_path, caplog):
    records = [
        {"id": 7, "lang": "en", "text": "a", "corpus": "wiki"},
        {"id": None, "lang": "tlh", "text": "b"},
        {"lang": "en", "text": "c"},
    ]
    path = write(tmp_path, {"web.jsonl": jsonl(records)}) / "web.jsonl"
    with caplog.at_level(logging.WARNING):
        rows, counts = load_monolingual(str(path))
    assert list(rows["corpus"]) == ["wiki", "web"]
    assert rows["row_key"][0] == "7"
    assert counts["other_languages"] == {"tlh": 1}
    assert "tlh (1)" in caplog.text


def test_the_rows_are_kept_until_the_source_changes(tmp_path):
    path = write(tmp_path, {"ky.txt": "бир\n"}) / "ky.txt"
    first = load_monolingual(str(path)).rows.cache_files
    assert load_monolingual(str(path)).rows.cache_files == first
    path.write_text("эки\nүч\n", "utf-8")
    assert list(load_monolingual(str(path)).rows["text"]) == ["эки", "үч"]


@pytest.mark.parametrize(
    ("files", "path", "options", "message"),
    [
        ({"a.txt": b"one\n\xff\n"}, "a.txt", {"language": "en"}, "a.txt:2: not UTF-8"),
        ({"a.txt": b""}, "a.txt", {"language": "en"}, "the file is empty"),
        ({"a.txt.gz": b"\x1f\x8bbroken"}, "a.txt.gz", {"language": "en"}, "gzip"),
        ({"a.txt": "one\n"}, "a.txt", {}, "give language, or call it LANGUAGE.txt"),
        ({"a.txt": "one\n"}, "a.txt", {"language": "kir_Cyrl"}, "it is called 'ky' here"),
        ({"a.txt": "one\n"}, "a.txt", {"language": False}, "put quotes around it"),
        ({"a.txt": "one\n"}, "a.txt", {"kind": "txt"}, "kind 'txt'; did you mean 'text'"),
        ({"a.txt": " \n"}, "a.txt", {"language": "en"}, "all of its 1 texts are empty"),
        ({}, "missing.txt", {}, "missing.txt: no such file"),
        ({}, "missing.jsonl", {}, "no such file or folder"),
        ({"d/en.txt": "a\n", "d/eng.txt": "b\n"}, "d", {}, "are both eng"),
        ({"d/tlh.txt": "a\n"}, "d", {}, r"has no text in a language of LMT .*: tlh \(1\)"),
        ({"d/en.txt": "a\n"}, "d", {"language": "ky"}, "has no file in ky; there are: en"),
        ({"a.jsonl": '{"text": "a"}\n'}, "a.jsonl", {}, "no column lang; give language"),
        ({"a.jsonl": '{"txt": "a"}\n'}, "a.jsonl", {}, "no column text.*did you mean 'txt'"),
        ({"a.jsonl": '{"en": "a"}\n'}, "a.jsonl", {"kind": "documents"}, "no column text"),
        ({"a.jsonl": '{"text": 3}\n'}, "a.jsonl", {"language": "en"}, "a.jsonl:1: text is 3"),
        ({"a.jsonl": '{"text": "a"\n'}, "a.jsonl", {"language": "en"}, "a.jsonl:1: not valid"),
        (
            {"a.jsonl": jsonl(DOCUMENTS)},
            "a.jsonl",
            {"language": "de"},
            r"has no text in de; there are: en \(3\), ky \(3\)",
        ),
    ],
)
def test_what_cannot_be_read_is_said(files, path, options, message, tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path, files))
    with pytest.raises(InputError, match=message):
        load_monolingual(path, **options)
    assert not list(datasets.config.HF_DATASETS_CACHE.glob("lmt-texts-*"))


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"news.no": "en\nto\n"}, "news.no"),
        ({"news.no": "en\nto\n", "news.en": "one\n"}, "news"),
        ({"all/no.txt": "en\nto\n", "all/en.txt": "one\n"}, "all"),
        ({"no.dev": "en\nto\n", "eng_Latn.dev": "one\n"}, ""),
        ({"all.jsonl": jsonl({"lang": "no", "text": text} for text in ("en", "to"))}, "all.jsonl"),
        ({"all.jsonl": jsonl({"no": text, "en": "one"} for text in ("en", "to"))}, "all.jsonl"),
    ],
)
def test_names_that_are_not_known(files, path, tmp_path, caplog):
    write(tmp_path, files)
    try:
        unread = load_monolingual(str(tmp_path / path)).rows
        assert "nb" not in unread["lang"][:]
    except InputError:
        pass
    rows = load_monolingual(str(tmp_path / path), language_names={"no": "nb"}).rows
    assert [row["text"] for row in rows if row["lang"] == "nb"] == ["en", "to"]


def test_norwegian_is_told_with_the_option_that_names_it(tmp_path):
    write(tmp_path, {"all.jsonl": jsonl([{"lang": "no", "text": "en"}])})
    with pytest.raises(InputError, match="--language-names no=nb"):
        load_monolingual(str(tmp_path / "all.jsonl"))
    with pytest.raises(InputError, match=r"language_names: no: .*'bokmaal'"):
        load_monolingual(str(tmp_path / "all.jsonl"), language_names={"no": "bokmaal"})
