"""Corpora that cannot be read, and descriptions that cannot be."""

import json

import pytest

from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.sources import Source
from hf_miwv.common.errors import InputError
from tests.lmt.data.corpora.corpus_contents import (
    EN_DE,
    ENGLISH,
    FLORES,
    GERMAN,
    MOSES,
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
