"""Responses that would do harm: what is taken for one and what is not, counted in record, table and card."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from rich.console import Console
from tiny import make_rows

from hf_miwv import select
from hf_miwv.results.score_summary import response_table
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.selection.response_faults import (
    find_faults,
    has_broken_code_fence,
    has_meta_text,
    is_cut_off,
    is_refusal,
    languages,
    usual_languages,
)

SENTENCES = "The days are long in summer. People like to sit outside. They talk until it is dark and late. "
GERMAN = "Die Tage sind im Sommer lang, und die Leute sitzen gern draußen, bis es dunkel und spät geworden ist."


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Step 1: I will think of an instruction.", True),
        ("As an AI, I have no house.", True),
        ("I am sorry, but as a large language model I have no eyes.", True),
        ("Sure! Here is an instruction for you to use.", True),
        ("This instruction-response pair is about rain.", True),
        ("Rain.\n### Instruction: Say more.", True),
        ("Boil the water. Step 1: take a pot.", False),
        ("Machine learning is a part of AI.", False),
        ("", False),
    ],
)
def test_meta_text(response: str, expected: bool) -> None:
    assert has_meta_text(response) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("I'm sorry, but I cannot help with that.", True),
        ("Sorry, the task is beyond me.", True),
        ("Unfortunately, I’m not able to see pictures.", True),
        ("I can’t provide the names.", True),
        ("She told him that she was sorry.", False),
        ("Dear customer, thank you. " * 20 + "I am unable to come.", False),
        ("I cannot wait for the summer.", False),
    ],
)
def test_refusals(response: str, expected: bool) -> None:
    assert is_refusal(response) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (SENTENCES + "They go home because", True),
        (SENTENCES + "In the end they all go to their houses and sleep", True),
        (SENTENCES + "Among the things that they have seen are birds,", True),
        (SENTENCES, False),
        (SENTENCES + "\n- and then, at the end of it, a list of many things", False),
        (SENTENCES + "\n| days | that are long in the table of the year |", False),
        (SENTENCES + "\nThe end", False),
        ("Paris", False),
        ("the", False),
        (SENTENCES + "\n```\nprint(the\n", False),  # another fault
        (
            "夏天的日子很长。" * 14
            + "他们因为天色已经很晚了所以都要回到自己的家里去而且他们还想要在路上一起再看看那些美丽的鸟儿们和那些花",
            True,
        ),
        ("夏天的日子很长。" * 14, False),
    ],
)
def test_responses_that_are_cut_off(response: str, expected: bool) -> None:
    assert is_cut_off(response) is expected


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("```python\nprint(1)\n```", False),
        ("```python\nprint(1)", True),
        ("Use `code` here.", False),
        ("print(1)\n  ```", True),
    ],
)
def test_fences(response: str, expected: bool) -> None:
    assert has_broken_code_fence(response) is expected


def test_languages_that_are_not_the_sets() -> None:
    pytest.importorskip("py3langid")
    codes = languages([SENTENCES, GERMAN, "Paris", "12345 " * 30])
    assert codes == ["en", "de", None, None]
    assert usual_languages(["en"] * 95 + ["de"] * 5) == {"en", "de"}
    assert usual_languages(["en"] * 96 + ["de"] * 4 + [None] * 900) == {"en"}
    assert usual_languages([None]) == set()


def scored_rows(responses: list[str]) -> Dataset:
    """Rows with these responses, the first with the highest score."""
    count = len(responses)
    rows = [{**row, "output": response} for row, response in zip(make_rows(count), responses, strict=True)]
    numbers = np.arange(count)
    columns = dict.fromkeys(("loss_zero_shot", "loss_one_shot", "neighbor_similarity"), numbers / count)
    columns |= dict.fromkeys(("row", "neighbor", "response_tokens"), numbers)
    statuses = {"miwv_status": ["ok"] * count, "miwv_flags": [[]] * count}
    return add_score_columns(Dataset.from_list(rows), {**columns, **statuses, "miwv": -numbers / count})


def test_they_are_counted_and_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    responses = [SENTENCES] * 60
    responses[1], responses[4], responses[5], responses[50] = (
        "As an AI, I can’t help.",
        GERMAN,
        "```\ncode",
        "Sorry, no.",
    )
    chosen = select(scored_rows(responses), count=10, output_dir=tmp_path / "chosen")
    assert chosen["row"] == list(range(10))
    assert "among the 10 chosen responses: 1 meta text, 1 refusal, " in caplog.text
    report = json.loads((tmp_path / "chosen" / "run.json").read_text())["selection"]["responses"]
    told = report["identifier"] is not None
    expected = {"meta_text": 1, "refusal": 1, "cut_off": 0, "broken_code_fence": 1, "other_language": int(told)}
    assert report["chosen"] == expected
    assert report["sample"] == {**expected, "refusal": 2}
    assert (report["chosen_rows"], report["sample_rows"]) == (10, 60)
    assert report["first"] == {
        "meta_text": [1],
        "refusal": [1],
        "broken_code_fence": [5],
        **({"other_language": [4]} if told else {}),
    }
    assert report["usual_languages"] == (["en"] if told else [])
    card = (tmp_path / "chosen" / "README.md").read_text()
    assert "## Responses to look at" in card
    assert "| declines to answer | 1 (10.0 %) | 2 (3.3 %) | 1 |" in card
    console = Console(file=io.StringIO(), width=160)
    console.print(response_table(report))
    assert "to look at: none was dropped for it" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_four_kinds_in_one_go() -> None:
    assert find_faults([SENTENCES, "As an AI, I can't help. ```\n", "Sorry.\n```"]) == [
        [],
        ["meta_text", "refusal"],
        ["refusal", "broken_code_fence"],
    ]


def test_rows_of_no_known_shape_are_not_looked_at(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = scored_rows([SENTENCES] * 12).remove_columns(["instruction", "input", "output"]).add_column("id", range(12))
    with caplog.at_level("INFO"):
        select(rows, count=3, output_dir=tmp_path / "chosen")
    assert "the responses were not looked at" in caplog.text
    assert json.loads((tmp_path / "chosen" / "run.json").read_text())["selection"]["responses"] is None
