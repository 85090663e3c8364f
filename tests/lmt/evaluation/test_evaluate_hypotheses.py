"""`evaluate` of hypotheses from elsewhere: the folder and its figures."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from datasets import get_dataset_config_names, load_dataset

from hf_lmt.commands.evaluate import evaluate_command
from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.evaluation.evaluation_folder import Evaluation, read_evaluation
from hf_lmt.evaluation.metrics.behavior import behavior_rates
from hf_lmt.evaluation.metrics.confidence import confidence_interval
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores, score_of
from hf_lmt.evaluation.sets.sets import set_of
from hf_miwv.common.errors import InputError

SAMPLE = str(files("hf_lmt") / "sample" / "sentences.csv")
DIRECTIONS = ("en-de", "en-kk", "en-th", "kk-en", "zh-ja", "nl-de")
COPIED, SHARED = 10, 30  # lines of en-kk that are the source, of kk-en that are one sentence

COLUMNS = {
    name: [row[name] for row in csv.DictReader(Path(SAMPLE).read_text("utf-8").splitlines())]
    for name in ("en", "de", "kk", "th", "zh", "ja", "nl")
}


def damaged(name: str) -> list[str]:
    source, target = (COLUMNS[code] for code in name.split("-"))
    texts = [text[: len(text) // 2] + text[len(text) // 2 + 2 :] for text in target]
    if name == "en-kk":
        texts[:COPIED] = source[:COPIED]
    if name == "kk-en":
        texts[:SHARED] = [texts[0]] * SHARED
    return texts


def write_texts(folder: Path, texts: Mapping[str, list[str]]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in texts.items():
        (folder / f"{name}.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """All files of a folder, without the time of its run.json."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = json.loads(found["run.json"])
    return {**found, "run.json": json.dumps({**run, "timing": None}).encode()}


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home without COMET."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def texts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given") / "texts"
    return write_texts(folder, {name: damaged(name) for name in DIRECTIONS})


@pytest.fixture(scope="module")
def found(texts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    output = tmp_path_factory.mktemp("evaluation") / "EVAL"
    return evaluate(SAMPLE, output, hypotheses=texts_folder, metrics=["bleu", "chrf++", "comet"], progress=False)


def test_figures_are_those_of_the_metrics(found: Evaluation) -> None:
    assert [str(one) for one in found.directions] == ["en-de", "en-th", "en-kk", "kk-en", "zh-ja", "nl-de"]
    for name in DIRECTIONS:
        direction = Direction(*name.split("-"))
        own = found.scores["directions"][name]
        expected = corpus_scores(damaged(name), COLUMNS[direction.target], direction.target)
        for metric, score in expected.items():
            given = own["scores"][metric]
            assert (given["value"], given["signature"]) == (score.value, score.signature)
            assert given["low"] < score.value < given["high"]
        assert own["lines"] == 120


def test_rates_are_those_of_behavior(found: Evaluation) -> None:
    own = found.scores["directions"]
    assert own["en-kk"]["behavior"]["copy"]["count"] == COPIED
    assert own["en-kk"]["behavior"]["off_target_language"]["count"] >= COPIED // 2
    assert own["kk-en"]["behavior"]["fan_in"]["count"] == SHARED
    assert own["kk-en"]["fan_in_largest"] == SHARED
    assert own["kk-en"]["fan_in_examples"] == [[damaged("kk-en")[0], SHARED]]
    flags = [row["flags"].split() for row in found.hypotheses("en-kk")]
    assert [place for place, names in enumerate(flags) if "copy" in names] == list(range(COPIED))


def test_counts_give_the_figures_again(found: Evaluation) -> None:
    counts = found.counts("kk-en")
    own = found.scores["directions"]["kk-en"]["scores"]
    for metric in ("bleu", "chrf++"):
        assert score_of(counts.statistics[metric]).value == own[metric]["value"]
        interval = confidence_interval(counts.statistics[metric])
        assert (interval.low, interval.high) == (own[metric]["low"], own[metric]["high"])
    direction = Direction("kk", "en")
    rates = behavior_rates(COLUMNS["kk"], damaged("kk-en"), direction, COLUMNS["en"])
    for name, rate in rates.items():
        np.testing.assert_array_equal(counts.flags[name], rate.flags)
    assert counts.has_source.all()


def test_groups(found: Evaluation) -> None:
    groups = found.scores["groups"]
    own = {name: one["scores"]["chrf++"]["value"] for name, one in found.scores["directions"].items()}
    assert groups["en2x"]["scores"]["chrf++"]["mean"] == pytest.approx(
        (own["en-de"] + own["en-kk"] + own["en-th"]) / 3
    )
    assert groups["en2x/low"]["scores"]["chrf++"]["mean"] == own["en-kk"]
    assert groups["zero_shot"]["scores"]["chrf++"]["mean"] == own["nl-de"]
    assert groups["overall"]["scores"]["chrf++"]["count"] == 5
    assert groups["en2x"]["behavior"]["copy"] == {
        "value": COPIED / 360,
        "count": COPIED,
        "rows": 360,
    }
    assert groups["overall"]["paper"] is None


def test_no_text_of_the_set_is_in_the_folder(found: Evaluation) -> None:
    hypotheses = {text for name in DIRECTIONS for text in damaged(name)}
    everything = b"\n".join(content(found.folder).values()).decode("utf-8", "replace")
    given = [text for texts in COLUMNS.values() for text in texts if text not in hypotheses]
    assert len(given) > 800
    assert [text for text in given if text in everything] == []


def test_its_texts_are_found_again_in_the_set(found: Evaluation, tmp_path: Path) -> None:
    lines = set_of(found).lines(Direction("en", "de"))
    assert lines is not None
    assert (lines.sources, lines.references) == (COLUMNS["en"], COLUMNS["de"])
    assert lines.ids == [row["id"] for row in found.hypotheses("en-de")]
    changed = tmp_path / "sentences.csv"
    changed.write_text(Path(SAMPLE).read_text("utf-8").replace("hot", "cold"), "utf-8")
    run = {**found.run, "data": {**found.run["data"], "given": str(changed)}}
    with pytest.raises(InputError, match="has changed since"):
        set_of(Evaluation(found.folder, run, found.scores, found.name))


def test_load_dataset_opens_it(found: Evaluation) -> None:
    rows = load_dataset(str(found.folder), split="test")
    assert len(rows) == 120 * len(DIRECTIONS)
    one = load_dataset(str(found.folder), "en-de", split="test")
    assert one["hypothesis"] == damaged("en-de")
    assert set(get_dataset_config_names(str(found.folder))) == {"hypotheses", *DIRECTIONS}


def test_the_table_of_directions(found: Evaluation) -> None:
    text = (found.folder / "scores.csv").read_text("utf-8")
    rows = {(row["direction"], row["name"]): row for row in csv.DictReader(text.splitlines())}
    own = found.scores["directions"]["zh-ja"]["scores"]["bleu"]
    assert float(rows["zh-ja", "bleu"]["value"]) == own["value"]
    assert "ja-mecab" in rows["zh-ja", "bleu"]["signature"]
    assert "not in the local cache" in rows["zh-ja", "comet-22"]["note"]
    assert rows["en-kk", "copy"]["count"] == str(COPIED)


def test_without_comet_the_rest_goes_on(found: Evaluation) -> None:
    score = found.scores["directions"]["en-de"]["scores"]["comet-22"]
    assert score["value"] is None
    assert "not in the local cache" in score["unavailable"]
    assert "https://huggingface.co/Unbabel/wmt22-comet-da" in score["unavailable"]
    assert list(found.run["unavailable_metrics"]) == ["comet-22"]


@pytest.mark.slow
def test_processes_and_a_second_call(
    found: Evaluation, texts_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given: dict[str, Any] = {"hypotheses": texts_folder, "metrics": ["bleu", "chrf++", "comet"], "progress": False}
    again = evaluate(SAMPLE, tmp_path / "EVAL", num_proc=2, **given)
    assert content(again.folder) == content(found.folder)
    with caplog.at_level("INFO", "hf_miwv"):
        evaluate(SAMPLE, again.folder, **given)
    assert "already holds this result" in caplog.text
    given["metrics"] = ["chrf++"]
    with pytest.raises(InputError, match=r"another run \(not the same: settings"):
        evaluate(SAMPLE, again.folder, **given)
    replaced = evaluate(SAMPLE, again.folder, overwrite=True, **given)
    assert replaced.metrics == ["chrf++"]
    assert not (tmp_path / "EVAL.work").exists()


def test_hypotheses_of_an_evaluation_and_of_rows_in_any_order(found: Evaluation, tmp_path: Path) -> None:
    copied = shutil.copytree(found.folder, tmp_path / "copied")
    path = copied / "hypotheses" / "en-de.jsonl"
    path.write_text("".join(reversed(path.read_text("utf-8").splitlines(keepends=True))), "utf-8")
    again = evaluate(SAMPLE, tmp_path / "EVAL", hypotheses=copied, metrics=["bleu"], progress=False)
    assert again.hypotheses("en-de") == found.hypotheses("en-de")
    for name in DIRECTIONS:
        first, second = (one.scores["directions"][name]["scores"]["bleu"] for one in (found, again))
        assert first == second


def test_a_sample_is_the_same_sentences_in_all_directions(texts_folder: Path, tmp_path: Path) -> None:
    few = evaluate(SAMPLE, tmp_path / "EVAL", hypotheses=texts_folder, max_samples=7, progress=False)
    ids = [[row["id"] for row in few.hypotheses(name)] for name in DIRECTIONS]
    assert ids == [ids[0]] * len(DIRECTIONS)
    assert len(ids[0]) == 7
    own = [damaged("en-de")[int(one) - 1] for one in ids[0]]
    assert [row["hypothesis"] for row in few.hypotheses("en-de")] == own
    assert few.scores["marks"] == ["a sample of 7 lines of each direction at most"]
    assert "a sample of 7 lines" in (few.folder / "README.md").read_text("utf-8")


def test_the_command(texts_folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "EVAL"
    given = [
        "--hypotheses",
        str(texts_folder / "en-kk.txt"),
        "--hypotheses",
        str(texts_folder / "en-th.txt"),
        "--data",
        SAMPLE,
        "--output",
        str(output),
        "--metrics",
        "chrf++, ter",
    ]
    done = CliRunner().invoke(evaluate_command, given, catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    table = {line.split()[0]: line.split() for line in lines if line.strip()}
    mean = read_evaluation(output).scores["groups"]["en2x/low"]["scores"]["chrf++"]["mean"]
    assert table["en2x/low"][1] == f"{mean:.2f}"
    assert any(line.startswith("worst by chrf++: en-") for line in lines)
    assert any(line.startswith("note: ter of en-th: TER counts words") for line in lines)


def test_hypotheses_that_are_matched_by_id_say_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "set.csv").write_text("en,de\none,eins\ntwo,zwei\n", "utf-8")
    rows = [{"id": str(place), "hypothesis": text} for place, text in ((2, "zwei"), (1, "eins"))]
    path = tmp_path / "en-de.jsonl"
    for with_ids in (True, False):
        kept = rows if with_ids else [{"hypothesis": one["hypothesis"]} for one in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept), "utf-8")
        caplog.clear()
        with caplog.at_level("INFO"):
            found = evaluate(
                str(tmp_path / "set.csv"),
                tmp_path / f"out-{with_ids}",
                hypotheses=path,
                metrics=["chrf++"],
                progress=False,
            )
        assert ("matched with the lines of the set by their ids" in caplog.text) == with_ids
        assert found.run["matched_by_id"] == (["en-de"] if with_ids else [])
        score = found.scores["directions"]["en-de"]["scores"]["chrf++"]["value"]
        assert (score > 99) == with_ids
