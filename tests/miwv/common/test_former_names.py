"""Names of before, of arguments and options: read with a warning, and equal to those of today."""

from __future__ import annotations

import inspect
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from datasets import Dataset
from tiny import make_rows

import hf_miwv
from hf_miwv.__main__ import main
from hf_miwv.common.command_line import CONTEXT
from hf_miwv.common.former_names import former_names, loaded_in, private_of


@former_names({"public": private_of, "quantization": loaded_in, "repository": "repo_id"})
def example(*, repo_id: str = "", private: bool = True, load_in_4bit: bool = False) -> tuple[str, bool, bool]:
    return repo_id, private, load_in_4bit


def test_a_former_name_is_todays_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="example: repository is repo_id now"):
        assert example(repository="a/b") == ("a/b", True, False)
    with pytest.warns(FutureWarning, match="example: public is private=False now"):
        assert example(public=True) == ("", False, False)
    with pytest.warns(FutureWarning, match="example: quantization is load_in_4bit=True now"):
        assert example(quantization="4bit") == ("", True, True)
    with pytest.warns(FutureWarning, match="quantization is nothing now"):
        assert example(quantization=None) == ("", True, False)
    with pytest.raises(TypeError, match="repository and repo_id are the same; give repo_id='a/b'"):
        example(repository="a/b", repo_id="a/c")
    assert list(inspect.signature(example).parameters) == ["repo_id", "private", "load_in_4bit"]


def test_score_and_the_transform_take_both(model_folder: Path, embedder_folder: Path, tmp_path: Path) -> None:
    rows = Dataset.from_list(make_rows(6))
    shared = {"embedder": str(embedder_folder), "device": "cpu", "progress": False}
    today = hf_miwv.score(rows, str(model_folder), attn_implementation="eager", **shared)
    with pytest.warns(FutureWarning, match="score: output is output_dir now"):
        before = hf_miwv.score(rows, str(model_folder), attention="eager", output=tmp_path / "out", **shared)
    assert before["miwv"] == today["miwv"]
    with pytest.warns(FutureWarning, match="MeasureLosses: attention is attn_implementation now"):
        assert hf_miwv.MeasureLosses("x", attention="eager").attn_implementation == "eager"


@pytest.mark.parametrize("written", ["--num-rows", "--num_rows", "--rows"])
def test_options_are_read_with_dashes_and_underscores(written: str) -> None:
    @click.command(context_settings=CONTEXT)
    @click.option("--num-rows", "--rows", "num_rows", type=int)
    def command(num_rows: int) -> None:
        click.echo(num_rows)

    assert CliRunner().invoke(command, [written, "3"]).output == "3\n"


@pytest.mark.parametrize("option", ["--output", "--output-dir", "--output_dir"])
def test_the_output_has_the_name_of_the_libraries_too(option: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["select", str(tmp_path / "none"), "--fraction", "0.1", option, str(tmp_path / "out")]
    )
    assert result.exit_code == 2
    assert "No such option" not in result.output
    assert str(tmp_path / "none") in result.output
