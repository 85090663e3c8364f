"""`evaluate` of a model: hints, a killed run, and what the model was trained on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.sets.sets import open_set
from hf_lmt.evaluation.sets.trained_on import training_of
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.source import Source

SAMPLE = str(files("hf_lmt") / "sample" / "sentences.csv")
OPTIONS: dict[str, Any] = {"device": "cpu", "beams": 1, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated") / "model"
    model = make_model("llama", positions=1024)
    model.generation_config.eos_token_id = list(range(100, 125))
    model.save_pretrained(folder)
    make_tokenizer(chat_template=CHATML).save_pretrained(folder)
    return folder


def judged(model: Path | Translator, output: Path, **given: Any) -> Any:
    shared = {"directions": ["en-de", "de-en"], "max_samples": 3, "progress": False}
    return evaluate(
        SAMPLE, output, model=model if isinstance(model, Translator) else str(model), **{**shared, **given}
    )


def test_translations_are_the_translators(folder: Path, tmp_path: Path) -> None:
    found = judged(folder, tmp_path / "EVAL", **OPTIONS)
    translator = Translator(folder, **OPTIONS)
    for direction in found.directions:
        lines = open_set(SAMPLE, limit=3).lines(direction)
        assert lines is not None
        expected = translator(lines.sources, *direction)
        assert [row["hypothesis"] for row in found.hypotheses(direction)] == expected
    assert found.run["model"]["prompt"]["name"] == "lmt"
    assert sum(found.run["counts"]["status"].values()) == 6
    again = judged(translator, tmp_path / "again")
    assert again.hypotheses("en-de") == found.hypotheses("en-de")
    assert not (tmp_path / "EVAL.work").exists()


def test_given_hints_are_not_written(folder: Path, tmp_path: Path) -> None:
    found = judged(folder, tmp_path / "EVAL", hints="given", **OPTIONS)
    rows = found.hypotheses("en-de")
    assert [(row["hint_lang"], row["hint"]) for row in rows] == [("nl", "")] * 3
    assert "an upper bound" in found.scores["marks"][0]
    assert "an upper bound" in (found.folder / "README.md").read_text("utf-8")
    hinted = judged(folder, tmp_path / "self", hints="self", **OPTIONS).hypotheses("en-de")
    assert all((row["hint_lang"], bool(row["hint"])) == ("nl", True) or row["hint_dropped"] for row in hinted)
    assert rows != hinted


KILLED = """
import sys
from hf_lmt.evaluation.evaluate import evaluate
model, output = sys.argv[1:]
evaluate({sample!r}, output, model=model, directions=["en-de", "de-en"], progress=False, max_samples=60,
         device="cpu", beams=1, max_new_tokens=6, batch_tokens=200)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED.format(sample=SAMPLE), str(folder)]
    output = tmp_path / "EVAL"
    store = tmp_path / "EVAL.work" / "translations" / "translations.sqlite"
    with subprocess.Popen([*command, str(output)], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while rows_of(store) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    kept = rows_of(store)
    assert 5 <= kept < 120
    assert not output.exists()
    given: dict[str, Any] = {"max_samples": 60, "batch_tokens": 200, **OPTIONS}
    judged(folder, output, **given)
    judged(folder, tmp_path / "whole" / "EVAL", **given)
    assert content(output) == content(tmp_path / "whole" / "EVAL")


def rows_of(store: Path) -> int:
    try:
        with sqlite3.connect(f"file:{store}?mode=ro", uri=True) as connection:
            return connection.execute("SELECT count(*) FROM texts").fetchone()[0]
    except sqlite3.Error:
        return 0


def content(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = json.loads(found["run.json"])
    return {**found, "run.json": json.dumps({**run, "timing": None}).encode()}


def test_a_set_that_was_trained_on(folder: Path, tmp_path: Path) -> None:
    trained = shutil.copytree(folder, tmp_path / "model")
    run = {"data": [{"path": "corpora/a.tsv", "corpus": "a"}, {"path": SAMPLE, "corpus": "b"}]}
    (trained / "run.json").write_text(json.dumps(run), "utf-8")
    with pytest.raises(InputError, match=r"was trained on sentences .*run\.json of model.*--allow"):
        judged(trained, tmp_path / "EVAL", **OPTIONS)
    assert not (tmp_path / "EVAL").exists()
    found = judged(trained, tmp_path / "EVAL", allow_contaminated=True, **OPTIONS)
    assert found.scores["marks"][0].startswith("CONTAMINATED: the model was trained on this set")
    for name in ("README.md", "scores.csv", "scores.json", "run.json"):
        assert "CONTAMINATED" in (found.folder / name).read_text("utf-8")
    assert found.run["contamination"]["overlap"][0]["name"] == SAMPLE


NAMES = {
    "flores-devtest": (["openlanguagedata/flores_plus", "flores200 devtest"], ["flores200/dev"]),
    "flores-dev": (["flores200/dev", "FLORES-200"], ["flores-devtest", "floral"]),
    "ntrex-128": (["NTREX-128", "davidstap/NTREX", "data/ntrex/train.parquet", "newstest2019"], ["newstest2018"]),
    "wmt24++": (["google/wmt24pp", "WMT24"], ["wmt23", "wmt14-23"]),
    "wmt22.en-de": (["WMT14-23", "wmt/wmt22", "newstest2022"], ["wmt21", "HuggingFaceTB/smollm"]),
    "smolsent": (["google/smol"], ["HuggingFaceTB/smollm-corpus"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_training_data(name: str, tmp_path: Path) -> None:
    table = tmp_path / f"{name}.csv"
    table.write_text("en,de\nOne,Eins\n", "utf-8")
    opened = open_set(str(table))
    same, others = NAMES[name]
    for one in [*same, *others]:
        front = yaml.safe_dump({"datasets": [one]})
        (tmp_path / "README.md").write_text(f"---\n{front}---\n", "utf-8")
        found = training_of(Source(str(tmp_path))).overlap(opened)
        assert [claim.name for claim in found] == ([one] if one in same else [])


def test_what_papers_say_and_base_models(tmp_path: Path) -> None:
    table = tmp_path / "newstest2019.csv"
    table.write_text("en,de\nOne,Eins\n", "utf-8")
    opened = open_set(str(table))
    found = training_of(Source("NiuTrans/LMT-60-0.6B")).overlap(opened)
    assert {claim.name for claim in found} == {"ntrex-128", "wmt19"}
    assert "2511.07003" in found[0].said_by
    assert training_of(Source("NiuTrans/LMT-60-0.6B-Base")).claims == ()
    tuned = tmp_path / "tuned"
    tuned.mkdir()
    (tuned / "README.md").write_text("---\nbase_model: NiuTrans/LMT-60-4B\n---\n", "utf-8")
    assert training_of(Source(str(tuned))).overlap(opened) == found


def test_only_the_split_that_was_trained_on_counts(tmp_path: Path) -> None:
    for split in ("dev", "devtest"):
        for code in ("en", "mvf", "zh"):
            (tmp_path / f"flores.{split}.{code}").write_text("line\n", "utf-8")
    training = training_of(Source("NiuTrans/LMT-60-0.6B"))  # on FLORES-200 dev, says the paper
    assert training.overlap(open_set(str(tmp_path), split="devtest")) == []
    assert [claim.name for claim in training.overlap(open_set(str(tmp_path), split="dev"))] == ["flores-dev"]


def test_prepared_rows_say_what_they_were_made_of(tmp_path: Path) -> None:
    prepared, model = tmp_path / "rows", tmp_path / "model"
    for folder, run in (
        (prepared, {"data": [{"path": "x/ntrex.tsv", "corpus": "news"}]}),
        (model, {"data": {"source": str(prepared)}}),
    ):
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(run), "utf-8")
    names = [claim.name for claim in training_of(Source(str(model))).claims]
    assert names == [str(prepared), "news", "x/ntrex.tsv"]
    (model / "run.json").write_text("{", "utf-8")
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        training_of(Source(str(model)))


BAD = {
    "both": ({"hypotheses": {"en-de": ["x"]}}, "give a model or hypotheses, one of both"),
    "hints": ({"hints": "other"}, "hints 'other'"),
    "language": ({"directions": ["en-xx"]}, "no language 'xx'"),
    "missing": ({"directions": ["en-it"]}, r"en-it: .* no text in Italian \(it\); the set has ar"),
    "prompt": ({"prompt": "lmtt"}, "prompt 'lmtt'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str, folder: Path, tmp_path: Path) -> None:
    given, message = BAD[case]
    with pytest.raises(InputError, match=message):
        judged(folder, tmp_path / "EVAL", **{**OPTIONS, **given})
    assert not (tmp_path / "EVAL").exists()
