"""JSON that other programs read: no NaN in a file, whatever was counted."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hf_miwv.common.runs.json_text import json_text

ROOT = Path(__file__).parents[4]
# Their JSON is hashed or compared and never lies in a file, or it is a line of a pipe to a program.
NOT_WRITTEN = {
    "hf_miwv/common/reading/json_files.py",
    "hf_miwv/common/reading/json_types.py",
    "hf_lmt/data/curation/estimators.py",
    "hf_lmt/data/curation/curate_source.py",
    "hf_lmt/data/curation/quality.py",
    "hf_lmt/data/curation/quality_worker.py",
    "hf_lmt/data/curation/surveys.py",
    "hf_lmt/data/inspection/inspect.py",
    "hf_lmt/data/corpora/cached_rows.py",
    "hf_lmt/data/corpora/load.py",
    "hf_lmt/data/mixture/token_counts.py",
    "hf_lmt/synthesis/synthesis_record.py",
    "hf_lmt/evaluation/comet/comet_worker.py",
    "hf_lmt/model_card/usage.py",
    "hf_lmt/training/training_record.py",
    "hf_lmt/training/watching/sample.py",
    "hf_lmt/translation/prompt_registry.py",
    "hf_lmt/translation/store.py",
    "hf_miwv/callbacks/choice_file.py",
    "hf_miwv/common/cards/parts.py",
    "hf_miwv/comparing/matched_rows.py",
    "hf_miwv/common/reading/diagnosis.py",
    "hf_miwv/common/endpoint.py",
    "hf_miwv/common/runs/fingerprints.py",
    "hf_miwv/judging/rate_responses.py",
    "hf_miwv/judging/verdicts.py",
    "hf_miwv/results/methods.py",
    "hf_miwv/comparing/compare_precisions.py",
    "hf_miwv/training/training.py",
}


def refuse(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": float("nan"), "b": [float("inf"), (1.5, -float("inf"))]}, {"a": None, "b": [None, [1.5, None]]}),
        ({"a": np.float32("nan"), "b": np.int64(3), "c": np.bool_(True)}, {"a": None, "b": 3, "c": True}),
        ({"a": np.float64("nan"), "b": torch.tensor(2.5)}, {"a": None, "b": 2.5}),
        ({"a": Path("there"), "b": torch.float16}, {"a": "there", "b": "torch.float16"}),
        (["ä", "字", "\ud800"], ["ä", "字", "\ud800"]),
    ],
)
def test_what_json_cannot_spell_is_null_or_text(value: Any, expected: Any) -> None:
    text = json_text(value)
    assert json.loads(text.encode("utf-8"), parse_constant=refuse) == expected


def test_letters_stay_as_they_are_and_keys_in_their_order() -> None:
    assert json_text({"b": "字", "a": 1}) == '{"b": "字", "a": 1}'
    assert json_text({"b": 1, "a": float("nan")}, indent=1, sort_keys=True) == ('{\n "a": null,\n "b": 1\n}')


def test_every_writer_of_json_goes_through_it() -> None:
    calls = set()
    for package in ("hf_miwv", "hf_lmt"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("json.dump"):
                    calls.add(path.relative_to(ROOT).as_posix())
    assert calls - NOT_WRITTEN == {"hf_miwv/common/runs/json_text.py"}
