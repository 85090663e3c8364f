"""Corpora as they lie about: TMX in any encoding, cells with scores, names that nobody knows."""

from __future__ import annotations

import json
import logging
from typing import Any

import datasets
import pytest

from hf_lmt.commands.source_options import source_fields
from hf_lmt.data.corpora.load import load
from hf_lmt.data.corpora.monolingual import load_monolingual
from hf_lmt.data.corpora.sources import Source
from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.language_codes import code_of, is_language_name, names_and_counts, resolve
from hf_lmt.languages import language
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

EN_DE = [parse_direction("en-de")]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def units(*texts: tuple[str, str], names: tuple[str, str] = ("en", "de")) -> str:
    body = "".join(
        f"<tu>{''.join(f'<tuv xml:lang={n!r}><seg>{t}</seg></tuv>' for n, t in named)}</tu>"
        for named in (zip(names, pair, strict=True) for pair in texts)
    )
    return f'<tmx version="1.4"><header/><body>{body}</body></tmx>'


def saved(path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def pairs(path: str, directions=EN_DE, **fields) -> list[tuple[str, str]]:
    rows = load(Source(path, **fields), directions).rows
    return list(zip(rows["source"], rows["target"], strict=True))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("GB18030", "雨"),
        ("GB2312", "雨"),
        ("Big5", "雨"),
        ("Shift_JIS", "雨"),
        ("EUC-JP", "雨"),
        ("EUC-KR", "비"),
        ("windows-1251", "дождь"),
        ("ISO-8859-1", "Grüße"),
        ("utf-8", "雨"),
        ("utf-16", "雨"),
        ("utf-32", "雨"),
    ],
)
@pytest.mark.parametrize("marked", [True, False])
def test_tmx_is_read_in_every_encoding_that_python_knows(encoding, text, marked, tmp_path):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    codec = encoding if marked or not encoding.startswith("utf-") else f"{encoding}-le"
    codec = "utf-8" if codec == "utf-8-le" else codec
    long = text * 30_000  # beyond one read, so that characters are cut by it
    path = saved(tmp_path / "a.tmx", (head + units(("rain", text), ("x", long))).encode(codec))
    assert pairs(path, [parse_direction("en-de")]) == [("rain", text), ("x", long)]


@pytest.mark.parametrize("encoding", ["ANSI", "base64", "utf-7", "x-unknown", "punycode"])
@pytest.mark.parametrize("skip", [False, True])
def test_an_encoding_that_is_none_is_named(encoding, skip, tmp_path):
    head = f'<?xml version="1.0" encoding="{encoding}"?>'
    path = saved(tmp_path / "a.tmx", head + units(("a", "b")))
    with pytest.raises(InputError, match=encoding):
        load(Source(path, skip_broken_units=skip))


def test_bytes_of_another_encoding_are_refused_with_the_line(tmp_path):
    head = b'<?xml version="1.0" encoding="Shift_JIS"?>\n\n'
    path = saved(tmp_path / "a.tmx", head + units(("a", "b")).encode() + b"\xff\xff\n")
    with pytest.raises(InputError, match=r"a\.tmx:3: not shift_jis"):
        load(path)


BROKEN = ["bell &#x1F;", "raw \x02", "a&nbsp;b", "AT&T", "1 < 2", "</hi>", "<hi>"]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_unit_is_refused_or_left_out_and_counted(broken, tmp_path, caplog):
    path = saved(tmp_path / "a.tmx", units(("one", "eins"), ("two", broken), ("three", "drei")))
    with pytest.raises(InputError, match=r"a\.tmx:1: not valid XML .*--skip-broken-units"):
        load(path)
    source = Source(path, skip_broken_units=True)
    rows, counts = load(source, EN_DE)
    assert rows["target"][:] == ["eins", "drei"]
    assert counts["broken_units"] == 1
    assert "1 units that are not valid XML are left out" in caplog.text
    assert open_set(source).notes == {"broken_units": 1}


def test_units_without_an_end_and_a_file_that_is_cut_off_are_broken_units(tmp_path):
    whole = units(("one", "eins"), ("two", "zwei"), ("three", "drei"))
    first = whole.replace("</tu>", "", 1)
    for content, left in ((first, ["zwei", "drei"]), (whole[:-60], ["eins", "zwei"])):
        rows, counts = load(Source(saved(tmp_path / "a.tmx", content), skip_broken_units=True))
        assert [row["target"] for row in rows if row["source_lang"] == "en"] == left
        assert counts["broken_units"] == 1


def test_what_is_no_tmx_is_refused_with_broken_units_left_out_too(tmp_path):
    for content, words in (
        ("<html><tu>", "begins with"),
        ('<!DOCTYPE tmx [<!ENTITY a "b">]>' + units(("a", "b")), "entities"),
    ):
        with pytest.raises(InputError, match=words):
            load(Source(saved(tmp_path / "a.tmx", content), skip_broken_units=True))


@pytest.mark.parametrize("depth", [3000, 100_000])
def test_inline_tags_may_be_nested_by_the_thousand(depth, tmp_path):
    deep = "<hi>" * depth + "x" + "</hi>" * depth
    assert pairs(saved(tmp_path / "a.tmx", units((f"a{deep}b", "c")))) == [("axb", "c")]


def test_line_breaks_of_pretty_printed_segments_become_a_blank(tmp_path, caplog):
    text = "\n      over two\r\n      lines  \n  "
    content = units((text, " kept  blanks "), ("a", "b\u2028c"))
    content = content.replace("<seg>a<", '<seg xml:space="preserve">a\n<')
    path = saved(tmp_path / "a.tmx", content)
    assert pairs(path) == [("over two lines", " kept  blanks "), ("a\n", "b\u2028c")]
    counts = load(path, EN_DE).counts
    assert counts["joined_lines"] == 1
    assert "in 1 segments line breaks" in caplog.text


SCORED = "1.04\thello\thallo\n1.06\tworld\tWelt\n"


def test_cells_say_what_each_is_and_scores_are_kept(tmp_path):
    path = saved(tmp_path / "wikimatrix.en-de.tsv", SCORED)
    with pytest.raises(InputError, match=r"tsv:1: has 3 cells.*--cells score,en,de"):
        load(path)
    rows = load(Source(path, cells=["score", "en", "de"]), EN_DE).rows
    assert [(row["source"], row["target"], row["score"]) for row in rows] == [
        ("hello", "hallo", "1.04"),
        ("world", "Welt", "1.06"),
    ]
    assert pairs(path, cells=["-", "de", "en"]) == [("hallo", "hello"), ("Welt", "world")]


def test_cells_of_csv_have_quotes_and_a_header_is_no_pair(tmp_path):
    content = 'url,en,de,score\nhttp://a,"x, ""y""\nz",b,0.5\n'
    path = saved(tmp_path / "a.csv", content)
    rows = load(Source(path, cells=["url", "en", "de", "score"]), EN_DE).rows
    assert rows["source"][:] == ['x, "y"\nz']
    assert (rows["url"][0], rows["score"][0]) == ("http://a", "0.5")


@pytest.mark.parametrize(
    ("content", "cells", "words"),
    [
        (SCORED, ["score", "en"], ["two languages or more", "there are: en"]),
        (SCORED, ["de", "en", "eng"], ["two of them are one language"]),
        (SCORED, ["score", "en", "de", "x"], ["has 3 cells", "--cells score,en,de"]),
        (SCORED, ["x", "x", "en", "de"], ["'x' is there twice"]),
        (SCORED, ["target", "en", "de"], ["'target' cannot be the name"]),
        ("0.1\t0.2\thttp://a.b/c\thi\tho\n", ["en", "de"], ["--cells score,score2,-,en,de"]),
    ],
)
def test_cells_that_cannot_be(content, cells, words, tmp_path):
    with pytest.raises(InputError) as error:
        load(Source(saved(tmp_path / "a.tsv", content), cells=cells))
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "src\ttgt\nhello\thallo\n"),
        ("a.tsv", "Source\tTarget\nhello\thallo\n"),
        ("a.csv", "source,target\nhello,hallo\n"),
        ("a.jsonl", '{"src": "hello", "trg": "hallo", "id": 1}\n'),
    ],
)
def test_a_header_of_source_and_target_is_no_pair(name, content, tmp_path):
    path = saved(tmp_path / name, content)
    with pytest.raises(InputError, match="--languages en,de"):
        load(path)
    assert pairs(path, languages=["en", "de"]) == [("hello", "hallo")]
    assert pairs(path, languages=["de", "en"]) == [("hallo", "hello")]


OTHERS = {"no": "hei", "sr-Latn": "zdravo"}


def test_languages_that_are_not_known_are_said_of_tables_and_of_files(tmp_path, caplog):
    row = {"en": "hello", "de": "hallo", "url": "http://a", **OTHERS}
    table = saved(tmp_path / "a.jsonl", "".join(f"{json.dumps(row)}\n" for _ in range(2)))
    for name, text in row.items():
        saved(tmp_path / f"b.{name}", f"{text}\n" * 2)
    for path in (table, str(tmp_path / "b")):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            counts = load(path).counts
        assert counts["other_languages"] == {"no": 2, "sr-Latn": 2}
        (line,) = [one for one in caplog.messages if "does not have" in one]
        assert "no (2), sr-Latn (2); no is Bokmål or Nynorsk" in line
        assert "--language-names no=nb" in line
        named = load(Source(path, language_names={"no": "nb"})).counts
        assert named["other_languages"] == {"sr-Latn": 2}
        assert named["languages"] == {"de": 2, "en": 2, "nb": 2}
        assert open_set(path).notes == {"texts_in_other_languages": {"no": 2, "sr-Latn": 2}}
    texts = load_monolingual(str(tmp_path / "b")).counts
    assert texts["other_languages"] == {"no": 2, "sr-Latn": 2}


def test_two_files_are_enough_to_stay_off_the_hub(tmp_path):
    for name in ("en", "no"):
        saved(tmp_path / f"Tatoeba.en-no.{name}", "text\n")
    path = str(tmp_path / "Tatoeba.en-no")
    with pytest.raises(InputError, match=r"not LMT's: no; .*--language-names no=nb"):
        load(path)
    found = pairs(path, [parse_direction("en-nb")], language_names={"no": "nb"})
    assert found == [("text", "text")]


def test_a_path_is_said_as_it_is_written(tmp_path):
    path = saved(tmp_path / "Tatoeba.EN-DE.en", "text\n")
    with pytest.raises(InputError, match=r"in common \(\S*/Tatoeba\.EN-DE\)"):
        load(path)


@pytest.mark.parametrize("content", ['{"en": "a \\udc00", "de": "b"}', '{"e\\ud83d": 1}'])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_half_a_character_is_refused_with_its_row(content, name, tmp_path):
    content = f"[{content}]" if name.endswith(".json") else f'{{"en": "x", "de": "y"}}\n{content}'
    place = "row 0" if name.endswith(".json") else r"a\.jsonl:2"
    with pytest.raises(InputError, match=rf"{place}.* is half a character"):
        load(saved(tmp_path / name, content))


def test_whole_characters_in_halves_are_read(tmp_path):
    path = saved(tmp_path / "a.jsonl", '{"en": "\\ud83d\\ude00", "de": "\\\\ud83d"}')
    assert pairs(path) == [("😀", "\\ud83d")]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("zh-Hans-CN", "zh"),
        ("zh-Hans", "zh"),
        ("uz-Latn-UZ", "uz"),
        ("kk-Cyrl-KZ", "kk"),
        ("az-Latn", "az"),
        ("az-Latn-AZ", "az"),
        ("tg-Cyrl", "tg"),
        ("ko-Kore", "ko"),
        ("ko-Kore-KR", "ko"),
        ("iw", "he"),
        ("iw-IL", "he"),
        ("ger", "de"),
        ("fre", "fr"),
        ("chi", "zh"),
        ("dut", "nl"),
        ("cze", "cs"),
        ("gre", "el"),
        ("per", "fa"),
        ("rum", "ro"),
        ("de-DE-1996", "de"),
        ("zh-yue", "yue"),
        ("yue-HK", "yue"),
        ("zh-Hant", None),
        ("zh-Hant-TW", None),
        ("zh-TW", None),
        ("zh-HK", None),
        ("sr", None),
        ("sr-Latn", None),
        ("uz_Cyrl", None),
        ("uz-Cyrl-UZ", None),
        ("no", None),
        ("nor", None),
        ("no-NO", None),
        ("en-t-ja", None),
        ("in", None),
        ("url", None),
    ],
)
def test_codes_with_script_region_and_older_ones(name, code):
    assert code_of(name) == code


def test_names_that_the_user_explains():
    said = {"no": "nb", "zh-Hant": "zh"}
    names = ("no", "NO", "no-NO", "no_NO", "zh_hant", "zh-Hant-TW", "zh-TW", "de")
    found = [resolve(name, said) for name in names]
    assert found == ["nb", "nb", "nb", "nb", "zh", "zh", None, "de"]


def test_names_of_languages_are_told_from_other_columns():
    names = ["no", "srp", "sr-Latn-RS", "ast", "zh-TW", "de"]
    assert all(map(is_language_name, names))
    assert not any(map(is_language_name, ["url", "ids", "txt", "score", "src", "x", ""]))


def test_many_names_are_cut_short():
    counts = {f"n{place:02}": 1 for place in range(14)} | {"most": 5}
    found = names_and_counts(counts)
    assert found.startswith("most (5), n00 (1), ")
    assert found.endswith("n10 (1) and 3 more names")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no", ["nearest is nb", "--language-names no=nb"]),
        ("nor", ["nearest is nb"]),
        ("zh-TW", ["nearest is zh", "--language-names zh-TW=zh"]),
        ("zh-Hans-CN", ["called 'zh'"]),
        ("ger", ["called 'de'"]),
    ],
)
def test_unknown_languages_are_answered_with_the_nearest(name, words):
    with pytest.raises(InputError) as error:
        language(name)
    assert all(word in str(error.value) for word in words), error.value


def test_options_stand_for_fields_of_a_source():
    assert source_fields(None, None, None, False) == {}
    assert source_fields("en=en-US", "no=nb, zh-TW=zh", "score, en,-,de", True) == {
        "variants": {"en": "en-US"},
        "language_names": {"no": "nb", "zh-TW": "zh"},
        "cells": ["score", "en", "-", "de"],
        "skip_broken_units": True,
    }
    assert source_fields("en=en-US,de", None, None, False) == {
        "variants": {"en": "en-US"},
        "languages": ["en", "de"],
    }
    for languages, names in (("en=", None), (None, "no"), (None, "no=nb,no=sv")):
        with pytest.raises(InputError):
            source_fields(languages, names, None, False)


def test_every_language_of_the_registry_is_known_by_all_its_codes():
    for code, one in LANGUAGES.items():
        names = (one.flores200, one.flores_plus, one.ntrex, one.iso639_3, *one.other_codes)
        assert {code_of(name) for name in names if name} <= {code}, code
