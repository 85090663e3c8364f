"""Hypotheses and folders that `evaluate` cannot judge, and what it says of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import Evaluation, read_evaluation
from hf_miwv.common.errors import InputError
from tests.lmt.evaluation.test_evaluate_hypotheses import (  # noqa: F401
    COLUMNS,
    SAMPLE,
    damaged,
    found,
    home,
    texts_folder,
    write_texts,
)

BAD = {
    "fewer": (
        {"en-de": damaged("en-de")[:-5]},
        {},
        r"115 hypotheses and 120 lines in the set; the first line without one is id '116'",
    ),
    "more": (
        {"en-de": [*damaged("en-de"), "x"]},
        {},
        r"121 hypotheses and 120 lines in the set; .*en-de\.txt:121 is the first",
    ),
    "empty": ({"en-de": []}, {}, r"en-de\.txt: the file is empty"),
    "reference": (
        {"en-it": damaged("en-de")},
        {},
        r"en-it: the evaluation set sentences has no text in Italian \(it\); there are "
        r"hypotheses in en-it, and the set has ar, de, en",
    ),
    "named": (
        {"en-de": damaged("en-de")},
        {"directions": ["en-kk"]},
        r"en-kk: there are no hypotheses in this direction",
    ),
    "globs": ({"en-de": damaged("en-de")}, {"directions": ["zh-*"]}, "no direction can be judged"),
    "name": ({"german": damaged("en-de")}, {}, r"german\.txt: plain text is named after its"),
    "language": ({"en-xx": ["x"]}, {}, r"en-xx\.txt: .*no language 'xx'"),
    "metric": ({"en-de": damaged("en-de")}, {"metrics": ["blue"]}, r"no metric 'blue': did you "),
    "hints": ({"en-de": damaged("en-de")}, {"hints": "self"}, "hints 'self' go with a model"),
    "comet": (
        {"en-de": damaged("en-de")},
        {"metrics": ["comet"], "comet_python": Path("/no/python")},
        "--comet-python /no/python: it is not there",
    ),
    "comet dtype": (
        {"en-de": damaged("en-de")},
        {"metrics": ["chrf++"], "comet_dtype": "bfloat16"},
        "comet_dtype bfloat16 .* is of COMET in this process, which is not asked for",
    ),
    "comet elsewhere": (
        {"en-de": damaged("en-de")},
        {"metrics": ["comet"], "comet_python": Path("/no/python"), "comet_dtype": "bfloat16"},
        "which is not asked for",
    ),
    "processes": ({"en-de": damaged("en-de")}, {"num_proc": 0}, "num_proc 0"),
    "limit": ({"en-de": damaged("en-de")}, {"max_samples": 0}, "max_samples 0: give 1 line or more"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str, tmp_path: Path) -> None:
    texts, given, message = BAD[case]
    folder = write_texts(tmp_path / "texts", texts)
    with pytest.raises(InputError, match=message):
        evaluate(SAMPLE, tmp_path / "EVAL", hypotheses=folder, progress=False, **given)
    assert not (tmp_path / "EVAL").exists()
    assert not (tmp_path / "EVAL.work").exists()


ROW = {"source": COLUMNS["en"][0], "source_lang": "en", "target_lang": "de", "hypothesis": "x"}


BAD_ROWS: dict[str, tuple[list[Any], str]] = {
    "source": (
        [ROW, {**ROW, "source": "Another line."}],
        r"rows\.jsonl:2 translates 'Another line\.', and there \(id '2'\) the set has",
    ),
    "no hypothesis": ([{"source": "x"}], r"rows\.jsonl:1: no row with a hypothesis"),
    "null row": ([None], r"rows\.jsonl:1: no row with a hypothesis"),
    "half a character": ([{**ROW, "hypothesis": "\ud83d"}], r"rows\.jsonl:1: .ud83d is half a"),
    "null": ([{**ROW, "hypothesis": None}], r"rows\.jsonl:1: the hypothesis is None, not a text"),
    "no direction": ([{"hypothesis": "x"}], r"rows\.jsonl:1: .* give source_lang and target_lang"),
    "id twice": ([{**ROW, "id": 1}, {**ROW, "id": "1"}], "id '1' is there twice"),
    "id missing": ([{**ROW, "id": "2"}], r"119 lines have none, the first of them id '1'"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows(case: str, tmp_path: Path) -> None:
    rows, message = BAD_ROWS[case]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    with pytest.raises(InputError, match=message):
        evaluate(SAMPLE, tmp_path / "EVAL", hypotheses=path, progress=False)


def test_globs_leave_out_and_name_what_is_missing(texts_folder: Path, tmp_path: Path) -> None:  # noqa: F811
    judged = evaluate(
        SAMPLE, tmp_path / "EVAL", hypotheses=texts_folder, progress=False, directions=["en-*"], metrics=["ter"]
    )
    assert set(judged.scores["directions"]) == {"en-de", "en-kk", "en-th"}
    missing = judged.scores["missing"]["en-it"]
    assert missing == "the evaluation set sentences has no text in Italian (it)"
    assert judged.scores["missing"]["en-fa"] == "there are no hypotheses in this direction"
    assert len(judged.scores["missing"]) == 56
    ter = judged.scores["directions"]["en-th"]["scores"]["ter"]
    assert ter["value"] is None
    assert "no blanks" in ter["unavailable"]
    assert "en-th" in judged.scores["groups"]["en2x"]["scores"]["ter"]["missing"]


def test_folders_that_are_no_evaluation(found: Evaluation, tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        read_evaluation(tmp_path)
    other = shutil.copytree(found.folder, tmp_path / "other")
    (other / "stats" / "en-de.npz").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"en-de\.npz cannot be read"):
        read_evaluation(other).counts("en-de")
    (other / "run.json").write_text('{"command": "score"}', "utf-8")
    with pytest.raises(InputError, match="is no evaluation"):
        read_evaluation(other)
