"""British spellings that recipes, commands and folders of earlier versions have are still read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hf_lmt.commands.card import card_command
from hf_lmt.commands.curate import curate_command
from hf_lmt.commands.synthesize import synthesize_command
from hf_lmt.data.corpora.sources import source_from
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.evaluation.modules import metric_path
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.spelling import respelled
from hf_miwv.common.runs.workspace import differing_names


@pytest.mark.parametrize("key", ["license", "licence"])
def test_the_license_of_a_source(key: str, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data:\n  - path: a.tmx\n    {key}: cc0-1.0\n")
    assert read_data_recipe(recipe).sources[0].license == "cc0-1.0"
    assert source_from({"path": "a.tmx", key: "cc0-1.0"}, "data").license == "cc0-1.0"


def test_records(tmp_path: Path) -> None:
    record = {
        "package": {"name": "hf_lmt"},
        "data": [{"licence": "cc0-1.0"}],
        "identity": {"licence": "as it was typed"},
    }
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_record(tmp_path) == {**record, "data": [{"license": "cc0-1.0"}]}


def test_identities_and_signatures() -> None:
    earlier = {"neighbour search": "exact", "data": [{"licence": None}], "seed": 0}
    assert differing_names(earlier, {"neighbor search": "exact", "data": [{"license": None}], "seed": 1}) == ["seed"]
    scores = {"behaviour": {"copy": {"signature": "compared:normalised|version:x"}}}
    assert respelled(scores) == {"behavior": {"copy": {"signature": "compared:normalized|version:x"}}}


@pytest.mark.parametrize("command", [card_command, curate_command, synthesize_command])
def test_options(command: object) -> None:
    options = {word for parameter in command.params for word in parameter.opts}  # type: ignore[attr-defined]
    assert {"--license", "--licence"} <= options


def test_the_module_of_behavior() -> None:
    assert metric_path("behaviour") == metric_path("behavior")
