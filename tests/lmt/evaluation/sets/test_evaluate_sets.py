"""Evaluation sets in the layouts of their makers, samples of them, and what cannot be opened."""

from __future__ import annotations

import csv
import json
from importlib.resources import files
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.sets.set_lines import fingerprint
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.errors import InputError

PATH = files("hf_lmt") / "sample" / "sentences.csv"
ROWS = list(csv.DictReader(PATH.read_text("utf-8").splitlines()))
CODES = ("en", "de", "zh", "pt", "nl")
EN_DE = Direction("en", "de")


def text_of(rows: list[dict[str, str]], code: str) -> str:
    return "".join(f"{row[code]}\n" for row in rows)


def flores_200(folder: Path, rows: list[dict[str, str]] = ROWS) -> None:
    (folder / "devtest").mkdir()
    for code in CODES:
        path = folder / "devtest" / f"{LANGUAGES[code].flores200}.devtest"
        path.write_text(text_of(rows, code), "utf-8")


def flores_plus(folder: Path) -> None:
    (folder / "devtest").mkdir()
    for code in CODES:
        rows = [{"id": place, "text": row[code]} for place, row in enumerate(ROWS)]
        path = folder / "devtest" / f"{LANGUAGES[code].flores_plus}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def flores_plus_in_parquet(folder: Path) -> None:
    (folder / "devtest").mkdir()
    for code in CODES:
        ids = list(range(len(ROWS)))
        table = pyarrow.table({"id": ids, "text": [row[code] for row in ROWS]})
        pyarrow.parquet.write_table(table, folder / "devtest" / f"{LANGUAGES[code].flores_plus}.parquet")


def ntrex(folder: Path) -> None:
    (folder / "NTREX-128").mkdir()
    for code in CODES:
        kind = "src" if code == "en" else "ref"
        path = folder / "NTREX-128" / f"newstest2019-{kind}.{LANGUAGES[code].ntrex}.txt"
        path.write_text(text_of(ROWS, code), "utf-8")


def wmt24(folder: Path) -> None:
    bad = {"source": "broken", "target": "kaputt", "segment_id": 0, "is_bad_source": True}
    for code, variety in (("de", "de_DE"), ("zh", "zh_CN"), ("pt", "pt_BR"), ("nl", "nl_NL")):
        rows = [
            {"source": row["en"], "target": row[code], "segment_id": place, "is_bad_source": False}
            for place, row in enumerate(ROWS, 1)
        ]
        lines = [json.dumps(row) for row in [bad, *rows]]
        (folder / f"en-{variety}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "en-pt_PT.jsonl").write_text(json.dumps({"source": "a", "target": "b"}) + "\n")


LAYOUTS = {
    "flores-200": (flores_200, "flores-devtest", "1"),
    "flores+": (flores_plus, "flores-devtest", "0"),
    "flores+ before 2025": (flores_plus_in_parquet, "flores-devtest", "0"),
    "ntrex": (ntrex, "ntrex-128", "1"),
    "wmt24++": (wmt24, "wmt24++", "1"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_copies_of_published_sets(layout: str, tmp_path: Path) -> None:
    write, name, first = LAYOUTS[layout]
    write(tmp_path)
    opened = open_set(str(tmp_path))
    assert opened.name == name
    assert set(opened.languages) == set(CODES)
    for direction in (EN_DE, Direction("zh", "pt")):
        lines = opened.lines(direction)
        assert lines is not None
        assert lines.sources == [row[direction.source] for row in ROWS]
        assert lines.references == [row[direction.target] for row in ROWS]
        assert lines.ids[0] == first
    hinted = opened.lines(EN_DE)
    assert hinted is not None
    assert (hinted.hint_lang, hinted.hints) == ("nl", [row["nl"] for row in ROWS])
    if name == "wmt24++":
        assert opened.notes == {"left_out_as_bad_sources": 1}


@pytest.mark.parametrize("ending", ["mvf", "mn_cn"])
def test_inner_mongolian_beside_flores(tmp_path: Path, ending: str) -> None:
    flores_200(tmp_path)
    path = tmp_path / f"flores.devtest.{ending}"
    path.write_text("".join(f"{place}\n" for place in range(len(ROWS))), "utf-8")
    lines = open_set(str(tmp_path)).lines(Direction("zh", "mvf"))
    assert lines is not None
    assert lines.references[:2] == ["0", "1"]
    path.write_text("one line\n", "utf-8")
    with pytest.raises(InputError, match=rf"{ending} has 1 lines, and FLORES 120"):
        open_set(str(tmp_path))


def test_inner_mongolian_by_itself(tmp_path: Path) -> None:
    for split in ("dev", "devtest"):
        for code in ("en", "mvf", "zh"):
            (tmp_path / f"flores.{split}.{code}").write_text(f"{split} {code}\n", "utf-8")
    with pytest.raises(InputError, match="choose one with --split"):
        open_set(str(tmp_path))
    for split in ("dev", "devtest"):
        opened = open_set(str(tmp_path), split=split)
        assert (opened.name, opened.languages) == ("flores-mvf", ["en", "mvf", "zh"])
        lines = opened.lines(Direction("zh", "mvf"))
        assert lines is not None
        assert (lines.sources, lines.references) == ([f"{split} zh"], [f"{split} mvf"])
        assert (lines.hint_lang, lines.hints) == ("en", [f"{split} en"])


def test_a_sample_hangs_on_seed_and_text_only(tmp_path: Path) -> None:
    chosen = []
    for rows, layout in ((ROWS, "one"), (ROWS[::-1], "two")):
        (tmp_path / layout).mkdir()
        flores_200(tmp_path / layout, rows)
        opened = open_set(str(tmp_path / layout), limit=9, seed=3)
        chosen.append({one: opened.lines(Direction(*one)) for one in (("en", "de"), ("pt", "zh"))})
    for direction in chosen[0]:
        first, second = (one[direction] for one in chosen)
        assert first is not None
        assert second is not None
        assert len(first.sources) == 9
        assert set(first.sources) == set(second.sources)
    others = open_set(str(PATH), limit=9, seed=4).lines(EN_DE)
    same = open_set(str(PATH), limit=9, seed=3).lines(EN_DE)
    english = chosen[0]["en", "de"]
    assert english is not None
    assert same is not None
    assert others is not None
    assert same.sources == english.sources
    assert set(others.sources) != set(same.sources)


def test_rows_with_directions_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [
        {
            "source_lang": "en",
            "target_lang": "de",
            "source": "One",
            "target": "Eins",
            "row_key": "a",
            "auxiliary_lang": "nl",
            "auxiliary": "Een",
        },
        {"source_lang": "de", "target_lang": "en", "source": "Zwei", "target": "Two"},
        {"source_lang": "en", "target_lang": "de", "source": "Three", "target": "Drei"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    opened = open_set(str(path))
    assert [str(one) for one in opened.directions()] == ["en-de", "de-en"]
    lines = opened.lines(EN_DE)
    assert lines == (["a", "3"], ["One", "Three"], ["Eins", "Drei"], ["Een", None], "nl")
    assert opened.lines(Direction("en", "kk")) is None


def test_the_fingerprint_is_of_the_lines(tmp_path: Path) -> None:
    own, other = tmp_path / "one.csv", tmp_path / "two.csv"
    own.write_text("en,de\nOne,Eins\nTwo,Zwei\n", "utf-8")
    other.write_text("de,en,nl\nEins,One,Een\nZwei,Two,Twee\n", "utf-8")
    first, second = open_set(str(own)), open_set(str(other))
    assert fingerprint(first, [EN_DE]) == fingerprint(second, [EN_DE])
    assert fingerprint(first, [EN_DE]) != fingerprint(first, [EN_DE.opposite])


BAD = {
    "flores-devtst": "no known set; did you mean 'flores-devtest'",
    "flores-devtest": "To evaluate on FLORES-200 devtest .*accept its terms at https://huggingface",
    "wmt24++": "connect to the Hub once",
    "flores-mvf": "NiuTrans/FLORES-mvf",
    "/no/such/folder": "there is no such file or folder",
}


def test_a_named_set_has_its_split() -> None:
    with pytest.raises(InputError, match=r"flores-devtest has no split 'dev' to choose.*flores-dev"):
        open_set("flores-devtest", split="dev")


@pytest.mark.parametrize("given", BAD)
def test_sets_that_cannot_be_opened(given: str) -> None:
    with pytest.raises(InputError, match=BAD[given]):
        open_set(given)


def test_dev_and_devtest_in_one_folder(tmp_path: Path) -> None:
    for split in ("dev", "devtest"):
        for code in ("en", "de"):
            (tmp_path / f"{LANGUAGES[code].flores200}.{split}").write_text(f"{split}\n", "utf-8")
    with pytest.raises(InputError, match="choose one with --split"):
        open_set(str(tmp_path))
    lines = open_set(str(tmp_path), split="dev").lines(EN_DE)
    assert lines is not None
    assert lines.sources == ["dev"]


def test_the_paper_beside_figures_on_the_whole_devtest(tmp_path: Path) -> None:
    folder = tmp_path / "flores"
    folder.mkdir()
    texts = [f"Satz {place} steht hier" for place in range(1012)]
    flores_200(folder, [dict.fromkeys(CODES, text) for text in texts])
    judged = evaluate(str(folder), tmp_path / "EVAL", hypotheses={"en-de": texts}, progress=False)
    own = judged.scores["directions"]["en-de"]["paper"]
    assert set(own) == {"0.6B", "1.7B", "4B", "8B"}
    assert 80 < own["8B"]["comet"] < 100
    assert judged.scores["groups"]["en2x/high"]["paper"]["8B"] == own["8B"]
    assert judged.scores["directions"]["en-de"]["scores"]["chrf++"]["value"] == 100
