"""`evaluate` of hypotheses from elsewhere: the folder, its figures, and what cannot be judged."""

from __future__ import annotations

import csv
import json
import shutil
import sys
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
from hf_lmt.evaluation.comet.comet import MODELS, PublishedModel
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


FAKE_COMET = """#!{python}
import json, sys
if sys.argv[1] != "-c":
    print(json.dumps({{"signature": "fake"}}))
    for line in sys.stdin:
        row = json.loads(line)
        print(json.dumps({{"score": float(row["mt"] == row["ref"])}}))
"""


def test_comet_in_its_own_process(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(FAKE_COMET.format(python=sys.executable), "utf-8")
    python.chmod(0o755)
    table = tmp_path / "table.csv"
    rows = [
        f'"{english}","{german}","行{place}"'
        for place, (english, german) in enumerate(zip(COLUMNS["en"][:4], COLUMNS["de"][:4], strict=True))
    ]
    table.write_text("\n".join(["en,de,yue", *rows]) + "\n", "utf-8")
    hypotheses = {"en-de": [*COLUMNS["de"][:3], "x"], "en-yue": ["行0", "x", "x", "x"]}
    judged = evaluate(
        str(table), tmp_path / "EVAL", hypotheses=hypotheses, metrics=["comet"], comet_python=python, progress=False
    )
    german, cantonese = (judged.scores["directions"][name]["scores"]["comet-22"] for name in ("en-de", "en-yue"))
    assert (german["value"], german["unreliable"]) == (0.75, None)
    assert cantonese["value"] == 0.25
    assert "unreliable into Yue Chinese" in cantonese["unreliable"]
    mean = judged.scores["groups"]["en2x"]["scores"]["comet-22"]
    assert (mean["mean"], mean["apart"]) == (0.75, ["en-yue"])
    assert judged.counts("en-de").statistics["comet-22"].counts[:, 0].tolist() == [1, 1, 1, 0]
    assert judged.run["settings"]["comet"] == "unbabel-comet"


@pytest.mark.parametrize(("metric", "references"), [("comet-22", True), ("cometkiwi", False), ("xcomet", True)])
def test_comet_in_this_process(metric: str, references: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = Path(__file__).parents[1] / "comet" / "checkpoints"
    monkeypatch.chdir(checkpoints)  # its models name their encoders by relative paths
    name = metric.removesuffix("-22")
    monkeypatch.setitem(MODELS, metric, PublishedModel(f"./{name}", references))
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text("utf-8").splitlines()][20:60]
    expected = json.loads(Path("scores.json").read_text())[name][20:60]
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps({"en": row["src"], "de": row["ref"]}) + "\n" for row in rows))
    judged = evaluate(
        str(table),
        tmp_path / "EVAL",
        hypotheses={"en-de": [row["mt"] for row in rows]},
        metrics=[metric],
        progress=False,
    )
    score = judged.scores["directions"]["en-de"]["scores"][metric]
    assert score["value"] == pytest.approx(np.mean(expected), abs=1e-5)
    assert score["signature"].startswith(f"model:./{name}|dtype:float32|comet:hf_lmt|version:hf_lmt.")
    assert judged.run["settings"]["comet"] == judged.run["identity"]["settings"]["comet"] == "hf_lmt"


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


def test_globs_leave_out_and_name_what_is_missing(texts_folder: Path, tmp_path: Path) -> None:
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


def test_folders_that_are_no_evaluation(found: Evaluation, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run\.json cannot be read"):
        read_evaluation(tmp_path)
    other = shutil.copytree(found.folder, tmp_path / "other")
    (other / "stats" / "en-de.npz").write_bytes(b"torn")
    with pytest.raises(InputError, match=r"en-de\.npz cannot be read"):
        read_evaluation(other).counts("en-de")
    (other / "run.json").write_text('{"command": "score"}', "utf-8")
    with pytest.raises(InputError, match="is no evaluation"):
        read_evaluation(other)


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
