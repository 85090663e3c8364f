"""Two files of answers, matched row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hf_miwv import InputError
from hf_miwv.judging.answer_pairs import pair_answers, read_answers
from tests.miwv.judging.answer_files import write_lines


def test_matching_by_id_and_by_content(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    a = write_lines(
        tmp_path / "a.jsonl",
        [
            {"id": 1, "instruction": "add", "input": "2 3", "output": "5"},
            {"id": 2, "question": "why?", "answer": ""},
            {"id": 3, "text": "how?", "completion": "so"},
        ],
    )
    b = write_lines(
        tmp_path / "b.jsonl",
        [
            {"prompt": "how? ", "output": "thus"},
            {"prompt": "add\n\n2 3", "output": "six"},
            {"prompt": "when?", "output": "now"},
        ],
    )
    found = pair_answers(read_answers(a), read_answers(b))
    assert [(pair.id, pair.a, pair.b) for pair in found.pairs] == [("1", "5", "six"), ("3", "so", "thus")]
    assert (found.matched_by, found.only_in_a, found.only_in_b) == ("prompt", 1, 1)
    assert f"{a}:2: row 1: no answer with this prompt in the other file" in caplog.text
    assert f"{b}:3: row 2: no answer with this prompt in the other file" in caplog.text
    same = pair_answers(read_answers(a), read_answers(a)[::-1])
    assert (same.matched_by, len(same.pairs)) == ("id", 3)


GOOD = {"prompt": "why?", "output": "so"}


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ([{"prompt": "why?"}], [GOOD], r"a.jsonl:1: row 0: give the answer in one of .* none"),
        ([{**GOOD, "answer": "x"}], [GOOD], "found both output and answer"),
        ([{"prompt": "why?", "output": 3}], [GOOD], r"'output' must be a string, found .*\(3\)"),
        ([GOOD, {"output": "x"}], [GOOD], r"a.jsonl:2: row 1: no prompt; give it as one of"),
        ([{"prompt": " ", "output": "x"}], [GOOD], "'prompt' is empty"),
        ([{"prompt": ["x"], "output": "x"}], [GOOD], "'prompt' must be a string, found a list"),
        ([GOOD, GOOD], [GOOD], r"a.jsonl:2: row 1: the same prompt as in .*a.jsonl:1: row 0"),
        ([GOOD], [{**GOOD, "prompt": "who?"}], "no line of the two files has the same prompt"),
        ([{**GOOD, "id": 1}], [{"id": 1, "prompt": "who?", "output": "x"}], "different prompts"),
        ([{**GOOD, "id": [1]}], [GOOD], "column id must be a string or a whole number"),
        ([["x"]], [GOOD], "a row must be an object"),
        ([], [GOOD], "holds no rows"),
    ],
)
def test_files_that_cannot_be_judged(tmp_path: Path, a: Any, b: Any, words: str) -> None:
    files = write_lines(tmp_path / "a.jsonl", a), write_lines(tmp_path / "b.jsonl", b)
    with pytest.raises(InputError, match=words):
        pair_answers(*(read_answers(file) for file in files))
