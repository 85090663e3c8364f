"""The card: loads, repeats to the byte, tells the numbers, survives hostile names."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from datasets import Dataset, load_dataset
from huggingface_hub import DatasetCard
from sample_run import NAN, make_chosen_run, make_columns, make_scored_run, random_columns, take

from hf_miwv.common.cards.markdown import escape, table
from hf_miwv.common.cards.parts import command_block, run_digest, shown_name, size_category
from hf_miwv.results.card_words import correlation_words, length_words
from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.score_pictures import draw_chosen, draw_scored
from hf_miwv.results.scored_card import render_card, write_card
from hf_miwv.results.statistics import compare_lengths

HOSTILE = "evil|`name`\n---\nlicense: mine\n# [red]<b>*x*"


def head(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def cells(card: str, first: str) -> list[str]:
    """The cells of the table row that starts with this one."""
    line = next(line for line in card.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def chosen_run() -> tuple[ScoreColumns, dict[str, Any]]:
    columns = make_columns([2.0, -1.0, 1.0, NAN], tokens=[2, 40, 4, 0])
    return take(columns, [0, 2]), make_chosen_run(columns, [0, 2])


def test_load_dataset_opens_the_folder(tmp_path: Path) -> None:
    for kind in ("scored", "chosen"):
        folder = tmp_path / kind
        (folder / "data").mkdir(parents=True)
        rows = Dataset.from_dict({"row": [3, 1], "miwv": [0.5, None]})
        rows.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
        columns = random_columns(40)
        run = make_scored_run(columns) if kind == "scored" else make_chosen_run(columns, [3, 1])
        (folder / "run.json").write_text(json.dumps(run))
        names = draw_scored(columns, folder) if kind == "scored" else draw_chosen(take(columns, [3, 1]), run, folder)
        write_card(run, names, folder)
        loaded = load_dataset(str(folder), kind, cache_dir=str(tmp_path / "cache"))
        assert loaded["train"]["row"][:] == [3, 1]
        card = (folder / "README.md").read_text("utf-8")
        assert [f"]({name})" in card for name in names] == [True] * len(names)


def test_the_card_is_the_same_to_the_byte_whatever_the_timing(tmp_path: Path) -> None:
    run = make_scored_run(random_columns(30))
    write_card(run, ["miwv_histogram.png"], tmp_path)
    first = (tmp_path / "README.md").read_bytes()
    del run["timing"]
    write_card(run, ["miwv_histogram.png"], tmp_path)
    assert (tmp_path / "README.md").read_bytes() == first


def test_the_chosen_card_does_not_depend_on_the_timing_of_the_scoring() -> None:
    _, run = chosen_run()
    first = render_card(run, [])
    run["scored_run"]["timing"]["seconds"]["score"] = 99.0
    assert render_card(run, []) == first


def test_load_dataset_tells_folders_of_the_same_name_apart(tmp_path: Path) -> None:
    for parent, score in (("one", 0.5), ("two", 0.75)):
        folder = tmp_path / parent / "scored"
        (folder / "data").mkdir(parents=True)
        rows = Dataset.from_dict({"miwv": [score]})
        rows.to_parquet(folder / "data" / "train-00000-of-00001.parquet")
        write_card(make_scored_run(make_columns([score])), [], folder)
        loaded = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded["miwv"][:] == [score]


def test_front_matter() -> None:
    run = make_scored_run(make_columns([0.5] * 1500))
    found = head(render_card(run, []))
    assert found["configs"][0].pop("description") == f"run {run_digest(run)}"
    assert found == {
        "pretty_name": "tatsu-lab/alpaca, scored by MIWV",
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "data-selection", "miwv"],
        "size_categories": ["1K<n<10K"],
        "configs": [
            {
                "config_name": "scored",
                "data_files": [{"split": "train", "path": "data/train-*.parquet"}],
            }
        ],
    }
    run["data"]["license"] = "cc-by-4.0"
    card = render_card(run, [])
    assert head(card)["license"] == "cc-by-4.0"
    assert "License of the data: cc-by-4.0." in card
    assert "| data license | cc-by-4.0 |" in card


@pytest.mark.parametrize(
    ("rows", "bucket"),
    [
        (1, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (52_002, "10K<n<100K"),
        (10**6, "1M<n<10M"),
        (10**12 - 1, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_category(rows: int, bucket: str) -> None:
    assert size_category(rows) == bucket


def test_scored_card_tells_the_numbers() -> None:
    columns = make_columns([2.0, -1.0, -1.0, NAN], tokens=[2, 40, 4, 0], similarity=[0.1, 0.2, 0.3, 0.4])
    card = render_card(make_scored_run(columns), [])
    assert "**High = weak = keep**" in card
    assert cells(card, "all") == ["4"]
    assert cells(card, "scored") == ["3 (75.0 %)"]
    assert cells(card, "not scored: the response is empty") == ["1 (25.0 %)"]
    assert cells(card, "flagged: another row has the same prompt") == ["0 (0.0 %)"]
    assert "not finite" not in card
    assert cells(card, "MIWV")[:3] == ["0.000", "1.414", "-1.000"]
    assert "1 (33.3 %) of the scored rows lie above zero" in card
    assert "is −0.866: rows with a closer worked example tend to score lower" in card
    assert cells(card, "0.200") == ["0.200", "-1.000"]
    assert "Row 0 is the worked example of 1 rows" in card
    assert "a median of 2.0 tokens against 4.0 (0.50 times)" in card
    assert cells(card, "model") == ["tiny model"]
    assert cells(card, "model weights") == ["134,515,008 parameters in float32, on cpu"]
    assert cells(card, "data") == ["tatsu-lab/alpaca, train"]
    assert cells(card, "template SHA-256") == ["t1"]
    assert "hf-miwv score tatsu-lab/alpaca --model 'tiny model'" in card
    assert "/models" not in card


def test_chosen_card_compares_with_the_whole() -> None:
    chosen, run = chosen_run()
    card = render_card(run, [])
    assert "2 of 4 rows" in card
    assert "highest share of 0.5 of all 4 rows, of which 3 have a score: 2 kept" in card
    assert "The lowest kept score is 1.000." in card
    assert "The chosen part has responses shorter than the whole: a median of 3.0 tokens" in card
    assert cells(card, "all scored") == ["3", "4.0", "15.3", "2.4", "32.8"]
    assert "All scored rows:" in card
    assert card.index("hf-miwv score") < card.index("hf-miwv select scored --fraction 0.5")
    assert len(chosen.miwv) == run["statistics"]["rows"]


def test_chosen_card_without_a_record_of_the_scoring() -> None:
    _, run = chosen_run()
    run.update(scored_run=None, data=None, model=None, lengths=None, command_line=None)
    card = render_card(run, [])
    assert "All scored rows: not recorded." in card
    assert "# Instruction data, chosen by MIWV" in card
    assert "## How the scores were made\n\nnot recorded" in card
    assert "it was called from Python" in card


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"fraction": None, "count": 2}, "The 2 highest of all 4 rows,"),
        (
            {"fraction": None, "threshold": 0.1234567},
            "Every one of all 4 rows with a score of at least 0.1234567,",
        ),
        ({"note": "less|than one"}, "Note: less\\|than one."),
    ],
)
def test_chosen_card_says_how_it_was_chosen(selection: dict[str, Any], words: str) -> None:
    _, run = chosen_run()
    run["selection"].update(selection)
    assert words in render_card(run, [])


@pytest.mark.parametrize("make", ["score", "select"])
def test_hostile_names_do_no_harm(make: str) -> None:
    columns = make_columns([0.5, 0.25])
    run = make_scored_run(columns, HOSTILE) if make == "score" else make_chosen_run(columns, [0], HOSTILE)
    made = run if make == "score" else run["scored_run"]
    made["template"]["name"] = made["model"]["source"] = HOSTILE
    card = render_card(run, [])
    harmless = render_card(make_scored_run(columns) if make == "score" else make_chosen_run(columns, [0]), [])
    assert "license" not in head(card)
    assert DatasetCard(card).data.pretty_name.endswith("by MIWV")
    assert len(cells(card, "template")) > len(cells(harmless, "template"))  # escaped, not cut
    for first in ("template", "model"):
        line = next(line for line in card.splitlines() if line.startswith(f"| {first} |"))
        assert line.replace("\\|", "").count("|") == 3
    outside = card.split("\n---\n", 1)[1].split("## Repeat it")[0]
    assert "\n---\n" not in outside
    assert "<b>" not in outside
    assert outside.count("\n# ") == harmless.split("\n---\n", 1)[1].count("\n# ")


def test_hostile_command_stays_in_its_block() -> None:
    run = {"command_line": ["hf-miwv", "score", "a\n```\n# b", "--columns=x|y"]}
    first, *inside, last = command_block(run).splitlines()
    assert (first, last) == ("````bash", "````")
    assert shlex.split("\n".join(inside)) == run["command_line"]


def test_command_shows_paths_by_their_last_part() -> None:
    words = ["/usr/bin/hf-miwv", "score", "C:\\me\\a.json", "--model=/x/y", "--out", "../z/", "a/b"]
    assert command_block({"command_line": words}).splitlines()[1] == ("hf-miwv score a.json --model=y --out z a/b")


COMMIT = "0123abcd" * 5
CACHE = "/home/me/.cache/huggingface/hub"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("tatsu-lab/alpaca", "tatsu-lab/alpaca"),
        ("org/name@refs/pr/1", "org/name@refs/pr/1"),
        ("Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B"),
        ("/home/me/alpaca", "alpaca"),
        ("./alpaca/", "alpaca"),
        ("data/alpaca.json", "alpaca.json"),
        ("a/b/c", "c"),
        ("alpaca.json", "alpaca.json"),
        (f"{CACHE}/models--Qwen--Qwen3-8B/snapshots/{COMMIT}", "Qwen/Qwen3-8B@0123abcd"),
        (f"{CACHE}/models--gpt2/snapshots/{COMMIT}/", "gpt2@0123abcd"),
        (f"models--a--b.c/snapshots/{COMMIT}/q4/m.gguf", "a/b.c@0123abcd/q4/m.gguf"),
        (f"C:\\hub\\datasets--a--b\\snapshots\\{COMMIT}", "a/b@0123abcd"),
        (f"{CACHE}/models--a--b/blobs/{COMMIT}", "a/b"),
        (f"/mine/snapshots/{COMMIT}", COMMIT),  # not the Hub's cache: the folder's own name
        (None, "not recorded"),
        ("", "not recorded"),
    ],
)
def test_shown_name(source: str | None, shown: str) -> None:
    assert shown_name(source) == shown


def test_escape_and_table() -> None:
    assert escape("a|b\n`c` <d> *e* my_file _f_") == ("a\\|b \\`c\\` \\<d\\> \\*e\\* my_file \\_f\\_")
    assert table(("x", "y"), [("a|b", 1)]) == "| x | y |\n| --- | --- |\n| a\\|b | 1 |"


@pytest.mark.parametrize(
    ("correlation", "words"),
    [
        (None, "not defined for these rows"),
        (0.5, "0.500: long ones tend to score higher"),
        (-0.25, "−0.250: long ones tend to score lower"),
        (0.05, "0.050: long ones score neither clearly higher nor clearly lower"),
    ],
)
def test_correlation_words(correlation: float | None, words: str) -> None:
    assert correlation_words(correlation, "long ones") == words


@pytest.mark.parametrize(
    ("chosen", "words"), [([5], "shorter than"), ([10], "about as long as"), ([20], "longer than")]
)
def test_length_words(chosen: list[int], words: str) -> None:
    lengths = compare_lengths(np.array(chosen), np.array([8, 10, 12]))
    assert length_words(lengths, "It").startswith(f"It has responses {words} the whole")


@pytest.mark.parametrize(
    "columns",
    [make_columns([NAN, 0.5, NAN]), make_columns([0.25] * 9), make_columns([1.0], neighbor=[-1])],
    ids=["one scored", "constant", "one row"],
)
def test_odd_columns_have_a_card(columns: ScoreColumns) -> None:
    card = render_card(make_scored_run(columns), [])
    assert "not defined for these rows" in card
    assert "nan" not in card.lower().split()
    assert "None" not in card.split("## Load it")[0]
