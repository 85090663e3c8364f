"""`--json`: one object on standard output, and nothing else there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from datasets import Dataset
from tiny import make_rows

from hf_lmt.__main__ import main as lmt
from hf_miwv import score
from hf_miwv.__main__ import main as miwv

TABLES = {
    miwv: ("score", "select", "precision", "compare", "judge"),
    lmt: ("inspect", "curate", "synthesize", "prepare", "evaluate", "diagnose", "report"),
}


def printed(program: click.Group, *words: object) -> Any:
    result = CliRunner().invoke(program, list(map(str, words)))
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def test_every_command_that_ends_in_a_table_has_the_option() -> None:
    for program, names in TABLES.items():
        for name in names:
            options = [option for parameter in program.commands[name].params for option in parameter.opts]
            assert "--json" in options, name
    recipe = lmt.commands["recipe"]
    assert isinstance(recipe, click.Group)
    assert "--json" in [option for parameter in recipe.commands["check"].params for option in parameter.opts]


def test_choices_and_comparisons(tmp_path: Path, model_folder: Path, embedder_folder: Path) -> None:
    scored = tmp_path / "scored"
    settings = {"embedder": str(embedder_folder), "device": "cpu", "progress": False}
    score(Dataset.from_list(make_rows(12)), str(model_folder), output_dir=scored, **settings)
    run = printed(miwv, "select", scored, "--fraction", 0.25, "--output", tmp_path / "chosen", "--json")
    assert (run["command"], run["selection"]["kept"]) == ("select", 3)
    report = printed(miwv, "compare", scored, "--fractions", "0.25", "--output", tmp_path / "compared", "--json")
    assert report["rows"] == 12


def test_corpora(tmp_path: Path) -> None:
    pytest.importorskip("defusedxml")
    data = tmp_path / "corpus.tsv"
    data.write_text("en\tde\nThe house is old.\tDas Haus ist alt.\nIt rains today.\tHeute regnet es.\n", "utf-8")
    run = printed(lmt, "curate", data, "--output", tmp_path / "clean", "--contamination-sets", "none", "--json")
    assert run["command"] == "curate"
    assert "directions" in json.dumps(printed(lmt, "inspect", data, "--json"))
    assert printed(lmt, "inspect", data, "--json", "-") == printed(lmt, "inspect", data, "--json")
