"""`hf-lmt synthesize` on files: the folder it writes, what is refused, killed and typed again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from click.testing import CliRunner, Result
from datasets import load_dataset
from rich.console import Console
from tiny import CHATML, make_model, make_tokenizer

from hf_lmt.commands.synthesize import synthesize_command
from hf_lmt.data.corpora.load import load
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.synthesis.synthesis_report import show_synthesis
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

LINES = ["name the capital of france", "hello world", "what is water made of", "hello world"]
LONG = "rain " * 600
LENIENT = dict.fromkeys(("length_ratio", "script", "copy", "markup"), False)
START = "from hf_lmt.commands.synthesize import synthesize_command as command; command()"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "tiny", CHATML)


def save_model(folder: Path, chat_template: str | None) -> Path:
    model = make_model("llama")
    model.generation_config.eos_token_id = list(range(60, 160))  # so that texts end
    model.save_pretrained(folder)
    make_tokenizer(chat_template=chat_template).save_pretrained(folder)
    return folder


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    path = tmp_path / "news.en"
    path.write_text("".join(f"{line}\n" for line in [*LINES, "", LONG]), "utf-8")
    (tmp_path / "lenient.yaml").write_text(yaml.safe_dump(LENIENT), "utf-8")
    return path


def told(mono: Path, model: Path, *given: Any, sets: Any = "none") -> list[str]:
    return [
        *map(
            str,
            (
                mono,
                "--model",
                model,
                "--into",
                "kk",
                "--device",
                "cpu",
                "--beams",
                1,
                "--contamination-sets",
                sets,
                "--settings",
                mono.parent / "lenient.yaml",
                *given,
            ),
        )
    ]


def run(mono: Path, model: Path, *given: Any, **options: Any) -> Result:
    return CliRunner().invoke(synthesize_command, told(mono, model, *given, **options))


def record_of(output: Path) -> dict[str, Any]:
    return json.loads((output / "run.json").read_text("utf-8"))


def test_folder_of_pairs(mono: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "pairs"
    result = run(
        mono, model, "--output", output, "--as", "both", "--keep-rejects", "--license", "CC0", "--model-license", "MIT"
    )
    assert result.exit_code == 0, result.exception
    rows = load_dataset(str(output), split="train")
    texts = Translator(model, device="cpu", num_beams=1)(LINES[:3], src_lang="en", tgt_lang="kk")
    assert {(row["synthetic_side"], row["source"], row["target"]) for row in rows} == {
        pair
        for text, machine in zip(LINES, texts, strict=False)
        for pair in (("source", machine, text), ("target", text, machine))
    }
    record = record_of(output)
    assert set(rows["synthetic_model"]) == {"tiny"}
    assert set(rows["synthetic_revision"]) == {record["model"]["made_by"]["model"]}
    assert record["data"]["counts"]["empty"] == 1
    counts = record["counts"]
    assert (counts["texts"], counts["translated"], counts["flagged"]) == (5, 4, {"too_long": 1})
    assert (counts["pairs"], counts["rows"], record["rows"]) == (8, 6, 6)
    rejects = load_dataset(str(output), "rejects", split="train")
    assert sorted(rejects["rejected_by"]) == ["duplicates"] * 2 + ["translation"] * 2
    assert record["contamination"] == "not checked"
    assert not (tmp_path / "pairs.work").exists()


def test_the_card_says_that_it_is_synthetic(mono: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "pairs"
    assert run(mono, model, "--output", output, "--model-license", "MIT").exit_code == 0
    card, record = (output / "README.md").read_text("utf-8"), record_of(output)
    front = yaml.safe_load(card.split("---")[1])
    assert {"synthetic", "machine-generated"} <= set(front["tags"])
    assert (front["language"], front.get("license")) == (["en", "kk"], None)
    for words in (
        "the Kazakh side was written by the model tiny",
        "back-translation",
        "not checked",
        "| license of the model | MIT |",
        "| decoding | greedy, at most 512 new tokens",
        f"SHA-256 {record['model']['prompt']['sha256']}",
        "| flagged: too_long, the text does not fit into the model's context | 1 |",
        "| curated away: duplicates, ",
        "| rows written | 3 |",
        "| kk-en | 3 |",
    ):
        assert words in card
    assert str(tmp_path) not in card
    assert str(model.parent) not in card


def test_pairs_are_a_source_of_prepare(mono: Path, model: Path, tmp_path: Path) -> None:
    output, recipe = tmp_path / "pairs", tmp_path / "recipe.yaml"
    assert run(mono, model, "--output", output, "--as", "forward", "--keep-rejects").exit_code == 0
    loaded = load(str(output))
    written = load_dataset(str(output), split="train")
    assert loaded.counts["rows"] == 3
    assert list(loaded.rows["row_key"]) == list(written["row_key"])
    content = {
        "data": [{"path": str(output), "kind": "rows"}],
        "directions": ["en-kk"],
        "curation": {**LENIENT, "contamination": {"sets": "none"}},
    }
    recipe.write_text(yaml.safe_dump(content), "utf-8")
    assert prepare(read_data_recipe(recipe), tmp_path / "rows", progress=False)["rows"] == 3
    assert set(load_dataset(str(tmp_path / "rows"), split="train")["corpus"]) == {"news+synthetic"}


def test_a_pivot(mono: Path, model: Path, tmp_path: Path) -> None:
    pairs, output = tmp_path / "talks.jsonl", tmp_path / "pairs"
    pairs.write_text(
        "".join(json.dumps({"translation": {"en": text, "de": f"{text} auf Deutsch"}}) + "\n" for text in LINES[:3]),
        "utf-8",
    )
    (tmp_path / "lenient.yaml").write_text(yaml.safe_dump(LENIENT), "utf-8")
    result = CliRunner().invoke(
        synthesize_command, [*told(pairs, model, "--output", output, "--pivot", "en"), "--into", "zh"]
    )
    assert result.exit_code == 0, result.exception
    rows = load_dataset(str(output), split="train")
    assert [
        (row["source_lang"], row["target_lang"], row["target"], row["auxiliary_lang"], row["auxiliary"])
        for row in rows
    ] == [("zh", "de", f"{text} auf Deutsch", "en", text) for text in LINES[:3]]
    assert set(rows["corpus"]) == {"talks+synthetic"}


def test_evaluation_sets_are_kept_out(mono: Path, model: Path, tmp_path: Path) -> None:
    test_set, output = tmp_path / "test.jsonl", tmp_path / "pairs"
    test_set.write_text(json.dumps({"en": LINES[1], "de": "Hallo"}) + "\n", "utf-8")
    assert run(mono, model, "--output", output, sets=test_set).exit_code == 0
    assert record_of(output)["contamination"] == "checked"
    left = load_dataset(str(output), split="train")["target"]
    assert sorted(left) == sorted([LINES[0], LINES[2]])


def test_finished_run_is_left_alone_and_another_one_refused(mono: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "pairs"
    assert run(mono, model, "--output", output).exit_code == 0
    before = (output / "run.json").stat().st_mtime_ns
    assert run(mono, model, "--output", output).exit_code == 0
    assert (output / "run.json").stat().st_mtime_ns == before
    other = run(mono, model, "--output", output, "--as", "forward")
    assert isinstance(other.exception, InputError)
    assert "not the same: as)" in str(other.exception)
    assert run(mono, model, "--output", output, "--as", "forward", "--overwrite").exit_code == 0
    assert record_of(output)["settings"]["as"] == "forward"


def test_translations_outlive_a_curation_that_left_nothing(mono: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "pairs"
    refused = run(mono, model, "--output", output, "--set", "length.least=900")
    assert "no row is left of 4; taken by the steps: length 4" in str(refused.exception)
    assert not output.exists()
    assert run(mono, model, "--output", output).exit_code == 0
    timing = record_of(output)["timing"]
    assert (timing["texts_from_earlier_work"], timing["tokens_written"]) == (3, 0)


@pytest.mark.parametrize(
    ("content", "given", "words"),
    [
        ("hi\n", ["--into", "kaz"], "called 'kk' here"),
        ("hi\n", ["--into", "en", "--from", "en"], "texts are in en and .* into en"),
        ("hi\n", ["--pivot", "en"], "plain text in one language"),
        ("hi\n", ["--pivot", "en", "--from", "en"], "--pivot for pairs"),
        ("", [], "the file is empty"),
        (" \n", [], "all of its 1 texts are empty"),
        ("hi\n", ["--set", "scirpt=false"], "did you mean 'script'"),
        ("hi\n", ["--contamination-sets", "nothing-here"], "nothing-here"),
    ],
)
def test_input_that_cannot_be_used(content: str, given: list[str], words: str, mono: Path, tmp_path: Path) -> None:
    mono.write_text(content, "utf-8")
    result = run(mono, tmp_path / "no-model", "--output", tmp_path / "pairs", *given)
    assert isinstance(result.exception, InputError), result.output
    with pytest.raises(InputError, match=words):  # before the model is looked for
        raise result.exception
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lenient.yaml", "news.en"]


def test_a_model_without_chat_template(mono: Path, tmp_path: Path) -> None:
    base, output = save_model(tmp_path / "base", None), tmp_path / "pairs"
    result = run(mono, base, "--output", output)
    assert "no chat template" in str(result.exception)
    assert run(mono, base, "--output", output, "--form", "text").exit_code == 0
    assert record_of(output)["model"]["prompt"]["form"] == "text"


def test_the_table_says_where_every_text_went(mono: Path, model: Path, tmp_path: Path) -> None:
    assert run(mono, model, "--output", tmp_path / "pairs").exit_code == 0
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115
    show_synthesis(record_of(tmp_path / "pairs"), console)
    shown = [line.split() for line in console.export_text().splitlines() if line.strip()]
    for words, count in (
        ("texts given", "5"),
        ("translated", "4"),
        ("pairs of them", "4"),
        ("rows written", "3"),
    ):
        assert [*words.split(), count] in shown
    assert any(line[:2] == ["flagged:", "too_long,"] and line[-1] == "1" for line in shown)
    assert any(line[:3] == ["curated", "away:", "duplicates,"] and line[-1] == "1" for line in shown)


@pytest.mark.slow
def test_killed_and_typed_again(model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same bytes as a run that was not killed, and only what was missing is written."""
    environment = {**os.environ, "HF_DATASETS_CACHE": str(cache)}
    folders = [tmp_path / name for name in ("killed", "whole")]
    for folder in folders:
        folder.mkdir()
        lines = "".join(f"add {row} and rain {row * row}\n" for row in range(60))
        (folder / "news.en").write_text(lines, "utf-8")
        (folder / "lenient.yaml").write_text(yaml.safe_dump(LENIENT), "utf-8")
    arguments = told(Path("news.en"), model, "--output", "pairs", "--batch-tokens", 900)
    command = [sys.executable, "-c", START, *arguments]
    killed, whole = folders
    process = subprocess.Popen(command, cwd=killed, env=environment, stderr=subprocess.DEVNULL)
    try:
        while kept(killed) < 3 and process.poll() is None:
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = kept(killed)
    assert 3 <= before < 60
    assert not (killed / "pairs").exists()
    for folder in folders:
        monkeypatch.chdir(folder)
        again = CliRunner().invoke(synthesize_command, arguments)
        assert again.exit_code == 0, again.exception
    timing = record_of(killed / "pairs")["timing"]
    assert timing["texts_from_earlier_work"] == before
    assert 0 < timing["tokens_written"] < record_of(whole / "pairs")["timing"]["tokens_written"]
    assert contents(killed / "pairs") == contents(whole / "pairs")
    assert not (killed / "pairs.work").exists()


def kept(folder: Path) -> int:
    path = folder / "pairs.work" / "translations.sqlite"
    if not path.exists():
        return 0
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM texts").fetchone()[0])
        except sqlite3.OperationalError:  # the table is being made
            return 0


def contents(folder: Path) -> dict[str, Any]:
    """Every file's bytes, of run.json all but what may differ."""
    found: dict[str, Any] = {
        str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    found["run.json"] = {name: value for name, value in record_of(folder).items() if name != "timing"}
    return found


@pytest.mark.parametrize("pivot", [False, True])
def test_names_of_languages(pivot: bool, model: Path, tmp_path: Path) -> None:
    (tmp_path / "lenient.yaml").write_text(yaml.safe_dump(LENIENT), "utf-8")
    mono = tmp_path / "news.jsonl"
    lines = [{"no": line, "en": f"{line} too"} if pivot else {"lang": "no", "text": line} for line in LINES]
    mono.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    command = [*told(mono, model, "--output", tmp_path / "out"), *(["--pivot", "en"] * pivot)]
    refused = CliRunner().invoke(synthesize_command, command)
    assert isinstance(refused.exception, InputError)
    assert "--language-names no=nb" in str(refused.exception)
    done = CliRunner().invoke(synthesize_command, [*command, "--language-names", "no=nb"])
    assert done.exception is None, done.exception
    run = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))
    assert run["data"]["language_names"] == {"no": "nb"}
    pairs = load_dataset(str(tmp_path / "out"), "synthetic", split="train")
    assert {"nb"} == set(pairs["target_lang"][:])
