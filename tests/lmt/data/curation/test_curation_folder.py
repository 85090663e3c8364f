"""`hf-lmt curate` on files: the folder it writes, its tables, killed and mistaken runs."""

import hashlib
import json
import os
import signal
from multiprocessing import get_context

import datasets
import pytest
from click.testing import CliRunner
from datasets import load_dataset
from hub.cards import check_card
from huggingface_hub import DatasetCard
from PIL import Image
from rich.console import Console

from hf_lmt.commands.curate import curate_command
from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.curation.contamination import EvaluationOverlap
from hf_lmt.data.curation.copies import Copy
from hf_lmt.data.curation.curate_source import curate_source
from hf_lmt.data.curation.curation_picture import draw_directions, grouped
from hf_lmt.data.curation.curation_report import show_curation
from hf_lmt.data.curation.duplicates import Duplicates
from hf_lmt.data.curation.length_filters import Empty
from hf_miwv.common.errors import InputError

GOOD = [
    {"en": "The baker opens early.", "de": "Der Bäcker öffnet früh.", "zh": "面包师很早开门。"},
    {
        "en": "It rained all week.",
        "de": "Es hat die ganze Woche geregnet.",
        "zh": "整个星期都在下雨。",
    },
    {
        "en": "Nobody saw the cat.",
        "de": "Niemand hat die Katze gesehen.",
        "zh": "没有人看见那只猫。",
    },
]
DAMAGED = [
    {
        "en": "The last train is running late.",
        "de": "The last train is running late!",
        "zh": "末班车晚点了。",
    },
    {"en": "She sings in the choir.", "de": "", "zh": "她在合唱团唱歌。"},
    {
        "en": "We sold the old house.",
        "de": "Wir haben das alte Haus verkauft.",
        "zh": "We sold it all.",
    },
    {"en": "<b>Open daily</b>", "de": "Täglich geöffnet", "zh": "每天开放"},
    GOOD[0],
]
TAKEN = {"empty": 4, "markup": 4, "copy": 2, "script": 4, "duplicates": 6}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*GOOD, *DAMAGED]), "utf-8")
    return path


def run(*arguments, sets="none"):
    given = [*map(str, arguments), "--contamination-sets", sets]
    return CliRunner().invoke(curate_command, given, catch_exceptions=True)


def digests(folder):
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name not in ("run.json", "README.md")  # hold the time, and the command line
    }


def test_folder_holds_what_stays_what_goes_and_why(corpus, tmp_path):
    output = tmp_path / "clean"
    result = run(corpus, "--output", output, "--keep-rejects", "--corpus", "town")
    assert result.exit_code == 0, result.output
    record = json.loads((output / "run.json").read_text("utf-8"))
    taken = {step["name"]: step["rejected"] for step in record["counts"]["steps"]}
    assert {name: rows for name, rows in taken.items() if rows} == TAKEN
    rows = load_dataset(str(output), split="train")
    rejects = load_dataset(str(output), "rejects", split="train")
    assert (len(rows), len(rejects)) == (48 - sum(TAKEN.values()), sum(TAKEN.values()))
    assert set(rows["corpus"]) == {"town"}
    assert {*rejects["rejected_by"]} == {*TAKEN}
    assert rejects.column_names == [*rows.column_names, "rejected_by", "reason"]
    assert record["contamination"] == "not checked"
    card = (output / "README.md").read_text("utf-8")
    assert "not checked" in card
    assert "| script | " in card
    assert str(tmp_path) not in card
    assert Image.open(output / "directions.png").size[0] > 1000
    assert not output.with_name("clean.work").exists()


def test_the_card_names_languages_license_and_source(corpus, tmp_path):
    assert run(corpus, "--output", tmp_path / "a", "--license", "cc-by-4.0").exit_code == 0
    assert run(corpus, "--output", tmp_path / "b").exit_code == 0
    named, silent = ((tmp_path / name / "README.md").read_text("utf-8") for name in "ab")
    assert check_card(named, "dataset") == ([], [])
    assert DatasetCard(named).data.license == ["cc-by-4.0"]
    assert DatasetCard(named).data.language == ["de", "en", "zh"]
    assert "| license of the data | cc-by-4.0 |" in named
    assert "| data | corpus.jsonl |" in named
    assert DatasetCard(silent).data.license is None
    assert "| license of the data | not recorded |" in silent


def test_finished_run_is_left_alone_and_another_one_refused(corpus, tmp_path):
    output = tmp_path / "clean"
    assert run(corpus, "--output", output).exit_code == 0
    before = (output / "run.json").stat().st_mtime_ns
    assert run(corpus, "--output", output).exit_code == 0
    assert (output / "run.json").stat().st_mtime_ns == before
    other = run(corpus, "--output", output, "--set", "copy=false")
    assert isinstance(other.exception, InputError)
    assert "not the same: step copy" in str(other.exception)
    again = run(corpus, "--output", output, "--set", "copy=false", "--overwrite")
    assert again.exit_code == 0
    assert "copy" not in json.loads((output / "run.json").read_text("utf-8"))["settings"]["steps"]


def test_settings_file_and_changes_on_the_command_line(corpus, tmp_path):
    settings = tmp_path / "steps.yaml"
    settings.write_text("length: {most: 100}\nscript: false\nlength_ratio: {most: 5}\n", "utf-8")
    output = tmp_path / "clean"
    result = run(
        corpus,
        "--output",
        output,
        "--settings",
        settings,
        "--set",
        "length_ratio.most=4",
        "--directions",
        "en-*",
        "--languages",
        "en,de",
    )
    assert result.exit_code == 0, result.exception
    record = json.loads((output / "run.json").read_text("utf-8"))
    steps = record["settings"]["steps"]
    assert (steps["length"]["most"], steps["length_ratio"]["most"]) == (100, 4)
    assert "script" not in steps
    assert list(record["counts"]["directions"]) == ["en-de"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "lenght.most=3"], "unknown step 'lenght': did you mean 'length'"),
        (["--set", "length.most"], "write STEP.SETTING=VALUE"),
        (["--set", "length.most=[1"], "is no value"),
        (["--set", "length.most=9", "--set", "length.least=9"], "no row is left of 48"),
        (["--directions", "en-xx"], "no language 'xx'"),
        (["--kind", "tabel"], "did you mean 'table'"),
    ],
)
def test_mistakes_are_told_and_nothing_is_left(corpus, tmp_path, arguments, message):
    output = tmp_path / "clean"
    result = run(corpus, "--output", output, *arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert not output.exists()
    assert not output.with_name("clean.work").exists() or message.startswith("no row")


def test_rows_that_repeat_an_evaluation_set_go(corpus, tmp_path):
    test_set = tmp_path / "test.jsonl"
    test_set.write_text(json.dumps({"en": GOOD[1]["en"], "de": GOOD[2]["de"]}) + "\n", "utf-8")
    output = tmp_path / "clean"
    result = run(corpus, "--output", output, sets=str(test_set))
    assert result.exit_code == 0, result.exception
    assert json.loads((output / "run.json").read_text("utf-8"))["contamination"] == "checked"
    left = load_dataset(str(output), split="train")
    assert GOOD[1]["en"] not in {*left["source"], *left["target"]}


def test_another_content_of_an_evaluation_set_is_another_run(corpus, tmp_path):
    for code, text in (("en", "An old line."), ("de", "Eine alte Zeile.")):
        (tmp_path / f"test.{code}").write_text(text + "\n", "utf-8")
    output, given = tmp_path / "clean", str(tmp_path / "test")
    assert run(corpus, "--output", output, sets=given).exit_code == 0
    assert run(corpus, "--output", output, sets=given).exit_code == 0
    (tmp_path / "test.en").write_text("A new line.\n", "utf-8")
    changed = run(corpus, "--output", output, sets=given)
    assert isinstance(changed.exception, InputError)
    assert "not the same: evaluation sets" in str(changed.exception)


def test_steps_that_look_for_nothing_have_no_bar_and_are_named(corpus, tmp_path, caplog, monkeypatch):
    caplog.set_level("INFO", "hf_miwv")
    monkeypatch.setattr("hf_miwv.common.progress.LEAST_SECONDS", 0.0)
    output = tmp_path / "clean"
    sets = EvaluationOverlap(sets="none")
    record = curate_source(Source(str(corpus)), output, [Empty(), sets, Copy()])
    shown = caplog.text  # a line a stage, where there is no terminal
    assert ["empty:" in shown, "contamination:" in shown, "copy:" in shown] == [True, False, True]
    console = Console(record=True, width=120)
    show_curation(record, console)
    line = next(one for one in console.export_text().splitlines() if "contamination" in one)
    assert line.split()[-2:] == ["not", "checked"]
    assert record["counts"]["steps"][1]["rows_in"] == record["counts"]["steps"][2]["rows_in"]


class Killed(Duplicates):
    """The step with these settings, in a process that is killed at it."""

    def survey(self, rows):
        os.kill(os.getpid(), signal.SIGKILL)


def curate_corpus(corpus, output, duplicates):
    steps = [Empty(), Copy(), duplicates]
    return curate_source(Source(str(corpus)), output, steps, keep_rejects=True)


def test_killed_run_comes_to_the_same_bytes(corpus, tmp_path):
    whole, output = tmp_path / "whole", tmp_path / "clean"
    curate_corpus(corpus, whole, Duplicates())
    process = get_context("fork").Process(target=curate_corpus, args=(corpus, output, Killed()))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not output.exists()
    assert output.with_name("clean.work").exists()
    curate_corpus(corpus, output, Duplicates())
    assert digests(output) == digests(whole)
    assert len(digests(output)) == 3
    assert not output.with_name("clean.work").exists()


def counts(size):
    names = [f"en-{code}" for code in ("de", "fr", "kk", "zh")] + ["zh-en", "kk-en", "de-fr"]
    directions = {name: {"in": size, "out": size - place} for place, name in enumerate(names)}
    step = {name: {"in": size, "rejected": place} for place, name in enumerate(names)}
    return {
        "rows_in": size * len(names),
        "rows_out": size * len(names) - 21,
        "directions": directions,
        "steps": [
            {
                "name": "copy",
                "rows_in": size * len(names),
                "rejected": 21,
                "reasons": {"target is the source": 21},
                "directions": step,
            },
        ],
    }


def test_table_has_sums_by_group_and_the_worst_directions():
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115
    show_curation({"counts": counts(10), "contamination": "not checked"}, console)
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["copy", "70", "21", "30.00", "%", "target", "is", "the", "source", "21"] in lines
    assert ["en-*:", "all", "4", "40", "34", "15.00", "%", "copy", "6"] in lines
    order = [line[0] for line in lines if line and line[0].count("-") == 1 and ":" not in line[0]]
    assert order == ["de-fr", "kk-en", "zh-en", "en-zh", "en-kk", "en-fr"]


def test_where_no_direction_lost_a_row_there_is_no_table_of_them():
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115
    kept = {"rows_in": 3, "rows_out": 3, "directions": {"en-de": {"in": 3, "out": 3}}, "steps": []}
    show_curation({"counts": kept, "contamination": "checked"}, console)
    assert "3 before, 3 after" in (shown := console.export_text())
    assert "direction" not in shown


def test_each_direction_is_in_one_group():
    assert grouped(counts(10)["directions"]) == {
        "en-*": ["en-de", "en-fr", "en-kk", "en-zh"],
        "zh-*": ["zh-en"],
        "*-en": ["kk-en"],
        "other": ["de-fr"],
    }


def test_picture_is_the_same_for_the_same_counts_only(tmp_path):
    for name, size in (("one", 10), ("again", 10), ("other", 11)):
        draw_directions(counts(size)["directions"], tmp_path / f"{name}.png")
    one, again, other = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "again", "other"))
    assert one == again != other
