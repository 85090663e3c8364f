"""Overlap with evaluation sets: what counts as the same, what sets can be read, what is said."""

from __future__ import annotations

import json
import pickle
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.curation.evaluation_sets import read_evaluation_set
from hf_lmt.data.curation.ngrams import character_grams, fold, whole_texts, word_grams
from hf_miwv.common.errors import InputError

LINE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
CHINESE = "我们今天早上在公园里看见了一只会说话的大黑猫和两只小狗"  # 27 characters
SET = {
    "en": [LINE, "The cat sat on the mat.", "12"],
    "de": ["Die Katze saß auf der Matte.", "Guten Tag.", "Zwölf"],
    "zh": [CHINESE, "猫坐在垫子上。", "十二"],
}


@pytest.fixture
def given(tmp_path: Path) -> str:
    for code, lines in SET.items():
        (tmp_path / f"exam.{code}").write_text("\n".join(lines) + "\n", "utf-8")
    return str(tmp_path / "exam")


def table(*rows: tuple[str, str, str, str]) -> pyarrow.Table:
    names = ["source_lang", "target_lang", "source", "target"]
    return pyarrow.table([list(column) for column in zip(*rows, strict=True)], names)


def plain_fold(text: str) -> str:
    """One character at a time."""
    kept = []
    for character in unicodedata.normalize("NFKC", text).casefold():
        kind = unicodedata.category(character)
        if kind[0] == "Z" or kind == "Cc":
            kept.append(" ")
        elif kind[0] not in "PS" and kind != "Cf":
            kept.append(character)
    return "".join(kept)


TEXTS = [
    "",
    " ",
    "A b  c",
    "Straße, ＡＢＣ! ab\u200dc",
    "x\u00a0y\u3000z",
    "?!",
    "नमस्ते दुनिया",
    "e\u0301 é",
    CHINESE,
    "a-b a b",
    "end",
]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_runs_are_those_of_the_plain_texts(size: int) -> None:
    folded = fold(TEXTS)
    runs: dict[str, set[int]] = {}
    words, characters = word_grams(folded, size), character_grams(folded, size)
    assert list(words.rows) == sorted(words.rows)
    for row, text in enumerate(map(plain_fold, TEXTS)):
        split, joined = text.split(), "".join(text.split())
        expected = {
            "words": ["".join(split[i : i + size]) for i in range(len(split) - size + 1)],
            "characters": [joined[i : i + size] for i in range(len(joined) - size + 1)],
            "whole": [joined] if joined else [],
        }
        found = {
            "words": words.hashes[words.rows == row],
            "characters": characters.hashes[characters.rows == row],
            "whole": whole_texts(folded)[[row]] if joined else [],
        }
        for kind in expected:
            for one, value in zip(expected[kind], found[kind], strict=True):
                runs.setdefault(one, set()).add(int(value))
    values = [value for one in runs.values() for value in one]
    assert all(len(one) == 1 for one in runs.values())  # the same characters, the same hash
    assert len(set(values)) == len(runs)
    assert whole_texts(folded)[[0, 1, 5]].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("The cat sat on the mat.", "en", True),
        ("THE CAT, sat on the ｍａｔ", "en", True),
        ("Thecatsatonthemat", "en", True),
        ("The cat sat on the mats.", "en", False),
        ("The cat sat on the mat.", "de", True),  # whatever language the row says
        ("die katze sass auf der matte", "en", True),
        ("So: " + LINE, "en", True),
        ("zero " + LINE.replace(" fourteen", " 14"), "fr", True),
        ("zero " + LINE.replace(" seven", " 7"), "en", False),
        (LINE.rpartition(" thirteen")[0], "en", False),  # 12 words
        ("昨天" + CHINESE[:20] + "。", "zh", True),
        ("昨天" + CHINESE[:10] + "，" + CHINESE[10:20], "yue", True),
        ("昨天" + CHINESE[:19] + "。", "zh", False),
        ("昨天" + CHINESE[:20] + "。", "en", False),  # runs of words, where words have blanks
        ("", "en", False),
        ("...", "zh", False),
    ],
)
def test_what_overlaps(given: str, text: str, lang: str, expected: bool) -> None:
    step = EvaluationOverlap(sets=[given])
    assert step.overlaps([text, "Something else."], lang).tolist() == [expected, False]


def test_rows_and_reasons(given: str, tmp_path: Path) -> None:
    (tmp_path / "other.de").write_text("Guten Tag.\nEtwas Neues.\n", "utf-8")
    other = str(tmp_path / "other.de")
    rows = table(
        ("en", "de", "Nothing of it.", "Gar nichts."),
        ("en", "de", "A good day.", "Guten Tag!"),
        ("de", "en", "etwas neues", "12"),
        ("zh", "de", "新", "Etwas Neues."),
        ("zh", "en", "猫坐在垫子上", "The cat sat on the mat"),
    )
    expected = [None, f"target in {given}", f"target in {given}", f"target in {other}", f"source in {given}"]
    step = EvaluationOverlap(sets=[given, other])
    assert step(rows) == expected
    assert step(rows.take([4, 0, 2])) == [expected[4], None, expected[2]]  # now from memory
    assert [step(rows.slice(i, 1))[0] for i in range(5)] == expected
    assert pickle.loads(pickle.dumps(step))(rows) == expected  # noqa: S301
    assert step.notes["sets"][other] == {"texts": 2, "languages": 1}
    assert step.notes["sets"][given] == {"texts": 9, "languages": 3}


def test_many_rows_equal_the_plain_way(given: str) -> None:
    generator = np.random.default_rng(0)
    words = LINE.split()
    texts = []
    for _ in range(400):
        start, length = generator.integers(0, 3), generator.integers(9, 15)
        texts.append(" ".join(["x", *words[start : start + length], "y"]))
    whole = "".join(words)
    expected = [any("".join(words[i : i + 13]) in text.replace(" ", "") for i in (0, 1)) for text in texts]
    assert 10 < sum(expected) < 390
    assert whole not in texts
    assert EvaluationOverlap(sets=[given]).overlaps(texts, "en").tolist() == expected


@pytest.mark.parametrize("none", ["none", [], None])
def test_no_sets_is_not_checked(none: Any) -> None:
    step = EvaluationOverlap(sets=none)
    assert step(table(("en", "de", LINE, "12"))) == [None]
    assert step.notes == {"checked": "not checked"}


def flores_plus(folder: Path) -> None:
    for name, lines in (("eng_Latn", SET["en"]), ("cmn_Hans", SET["zh"]), ("tlh_Latn", ["nuqneH"])):
        (folder / "devtest").mkdir(parents=True, exist_ok=True)
        columns = {"id": [0, 1, 2][: len(lines)], "text": lines}
        pyarrow.parquet.write_table(pyarrow.table(columns), folder / f"devtest/{name}.parquet")


def wmt24pp(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for target in ("de_DE", "ar_EG", "ar_SA", "no_NO", "zh_TW"):
        rows = [{"lp": f"en-{target}", "source": text, "target": f"{target} {text}"} for text in SET["en"]]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"en-{target}.jsonl").write_text(lines, "utf-8")


def test_copies_of_known_sets(tmp_path: Path) -> None:
    flores_plus(tmp_path / "flores")
    wmt24pp(tmp_path / "wmt")
    texts = read_evaluation_set(str(tmp_path / "flores"))
    assert texts == {"cmn_Hans": SET["zh"], "eng_Latn": SET["en"]}
    texts = read_evaluation_set(str(tmp_path / "wmt"))
    assert list(texts) == ["ar_EG", "ar_SA", "de_DE", "en", "nb_NO"]
    assert texts["en"] == SET["en"]
    assert texts["ar_SA"][1] == "ar_SA The cat sat on the mat."


@pytest.mark.parametrize("form", ["flores200", "table", "rows", "source"])
def test_sets_in_any_form_of_a_source(tmp_path: Path, form: str) -> None:
    given: Any = str(tmp_path / "exam.jsonl")
    rows: list[dict[str, str]] = [dict(zip(SET, texts, strict=True)) for texts in zip(*SET.values(), strict=True)]
    if form == "rows":
        rows = [
            {"source_lang": "en", "target_lang": code, "source": row["en"], "target": row[code]}
            for row in rows
            for code in ("de", "zh")
        ]
    (tmp_path / "exam.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    if form == "flores200":
        for name, code in (("eng_Latn", "en"), ("deu_Latn", "de"), ("zho_Hans", "zh")):
            for split in ("dev", "devtest"):
                folder = tmp_path / "flores" / split
                folder.mkdir(parents=True, exist_ok=True)
                lines = SET[code] if split == "devtest" else ["Something else."]
                (folder / f"{name}.{split}").write_text("\n".join(lines) + "\n", "utf-8")
        given = {"path": str(tmp_path / "flores"), "split": "devtest"}
    if form == "source":
        given = Source(given)
    texts = read_evaluation_set(given)
    assert {code: sorted(set(found)) for code, found in texts.items()} == {
        code: sorted(found) for code, found in SET.items()
    }


@pytest.mark.parametrize("name", ["flores-devtest", "wmt24++"])
def test_a_named_set_that_cannot_be_had_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=f"{re.escape(name)}: .*local copy.*none.*not checked"):
        EvaluationOverlap(sets=[name]).overlaps(["a"], "en")


def test_a_named_set_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "datasets--openlanguagedata--flores_plus"
    commit = "0123456789abcdef0123456789abcdef01234567"
    flores_plus(root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert read_evaluation_set("flores-devtest")["eng_Latn"] == SET["en"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sets": ["flores-devtset"]}, "flores-devtest"),
        ({"sets": "/no/such/file"}, "no such file"),
        ({"sets": ["none", "wmt24++"]}, "none stands alone"),
        ({"sets": [7]}, "7: give names"),
        ({"words": 0}, "words 0"),
        ({"characters": True}, "characters True"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        EvaluationOverlap(**settings).load()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("devtest/eng_Latn.parquet", b"rubbish", "no Parquet file with columns id and text"),
        ("devtest/eng_Latn.jsonl", b'{"text": "a"}\n', "eng_Latn.jsonl:1: no JSON object"),
        ("en-de_DE.jsonl", b'{"source": "a"}\n', "en-de_DE.jsonl:1: no JSON object"),
        ("en-tlh_QO.jsonl", b"", "empty"),
    ],
)
def test_damaged_copies(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_evaluation_set(str(tmp_path))


def test_a_set_that_cannot_be_had_names_the_key_for_none(monkeypatch):
    import huggingface_hub

    def offline(*_, **__):
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    words = r"--contamination-sets none, in a recipe curation: \{contamination: \{sets: none\}\}"
    with pytest.raises(InputError, match=words):
        read_evaluation_set("flores-devtest")


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        (0, "sets: 0: give a list"),
        (True, "sets: True: give a list"),
        ([{"pth": "a"}], "unknown key 'pth'; did you mean 'path'"),
        ([{"kind": "tsv"}], "path is missing"),
    ],
)
def test_sets_that_cannot_be(sets, words):
    with pytest.raises(InputError, match=words):
        EvaluationOverlap(sets=sets).load()
