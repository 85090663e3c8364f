"""`hf-miwv demo`: ends with a picture, and with commands that work."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from counted_lines import ALLOWED, printed_lines
from datasets import Dataset, load_dataset
from tiny import make_rows

from hf_miwv.__main__ import main
from hf_miwv.commands.demo_run import compare_labels, next_steps
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, program
from hf_miwv.common.runs.folder import read_record


def commands_of(text: str) -> list[list[str]]:
    """The indented lines, as a shell splits them."""
    return [shlex.split(line) for line in text.splitlines() if line.startswith("  ")]


def test_the_next_commands_are_commands() -> None:
    folder = Path("my demo")
    found = commands_of(next_steps(folder / "scored", folder / "chosen", Path("demo.html"), "hf-miwv"))
    assert [words[:3] for words in found] == [
        ["hf-miwv", "compare", "my demo/scored"],
        ["hf-miwv", "select", "DATA"],
    ]
    for _, name, *words in found:
        main.commands[name].make_context(name, words, parent=click.Context(main))


def test_the_whole_job_on_tiny_models(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    model_folder: Path,
    embedder_folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "embedder").mkdir()
    (tmp_path / "embedder" / "model").symlink_to(embedder_folder)
    folders = {MODEL_PACKAGE: model_folder, EMBEDDER_PACKAGE: tmp_path / "embedder"}
    monkeypatch.setattr("hf_miwv.commands.demo_run.package_folder", folders.__getitem__)
    rows = tmp_path / "rows.jsonl"
    labels = ("good", "wrong")
    labeled = [{**row, "quality": labels[number % 2]} for number, row in enumerate(make_rows(24))]
    rows.write_text("".join(json.dumps(row) + "\n" for row in labeled))
    monkeypatch.setattr("hf_miwv.commands.demo_run.SAMPLE", rows)
    monkeypatch.setattr("hf_miwv.commands.demo_run.fast_dtype", lambda: "float32")
    result = CliRunner().invoke(main, ["demo", "--output", str(tmp_path / "demo")])
    assert result.exit_code == 0, result.output
    assert printed_lines(result.output, caplog) <= ALLOWED["hf-miwv demo"], caplog.text
    assert "(float32; " in caplog.messages[0]
    assert result.output.count("The highest") == result.output.count("The lowest") == 3
    page = (tmp_path / "demo.html").read_text("utf-8")
    assert f"The page: {tmp_path / 'demo.html'}" in caplog.text
    highest = max(load_dataset(str(tmp_path / "demo" / "scored"), split="train"), key=lambda row: row["miwv"])
    assert f"MIWV {highest['miwv']:+.2f}" in page
    assert page.count('<div class="row">') == 6
    sentence = next(line for line in caplog.messages if line.startswith("Of the highest tenth"))
    assert sentence in page
    assert page.count("data:image/png;base64,") == 2
    assert "<script" not in page
    assert (tmp_path / "demo" / "scored" / "miwv_histogram.png").is_file()
    chosen = read_record(tmp_path / "demo" / "chosen")
    assert chosen is not None
    assert chosen["command"] == "select"


def test_labels_of_the_highest_rows_are_held_beside_random_rows_of_their_lengths() -> None:
    scored = Dataset.from_dict(
        {
            "instruction": [f"row {number}" for number in range(40)],
            "output": ["text"] * 40,
            "row": list(range(40)),
            "miwv": [float(number) for number in range(40)],
            "loss_zero_shot": [1.0] * 40,
            "loss_one_shot": [1.0 + number for number in range(40)],
            "neighbor": [0] * 40,
            "neighbor_similarity": [0.5] * 40,
            "response_tokens": [10] * 40,
            "miwv_status": ["ok"] * 40,
            "miwv_flags": [[] for _ in range(40)],
            "quality": ["wrong" if number in (0, 38, 39) else "good" for number in range(40)],
        }
    )
    # The highest tenth are rows 36 to 39, of which two are wrong; of all rows three of 40 are.
    sentence = compare_labels(scored)
    assert "Of the highest tenth 50.0% are" in sentence
    share = float(sentence.split("same lengths ")[1].split("%")[0])
    assert 4 < share < 12


def test_the_program_is_named_as_the_shell_finds_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/hf-miwv"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("hf-miwv") == ".venv/bin/hf-miwv"
    (tmp_path / "hf-miwv").write_text("#!/bin/sh\n")
    (tmp_path / "hf-miwv").chmod(0o755)
    assert program("hf-miwv") == "hf-miwv"


def test_the_program_of_a_module_is_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["/somewhere/hf_miwv/__main__.py"])
    assert program("hf-miwv") == f"{sys.executable} -m hf_miwv"


@pytest.mark.slow
@pytest.mark.skipif(
    not all(find_spec(name) for name in (MODEL_PACKAGE, EMBEDDER_PACKAGE, "gguf")),
    reason="the small real models are not installed; `make test` installs them",
)
def test_the_demo_ends_with_a_picture_and_what_to_type(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hf_miwv")
    done = CliRunner().invoke(main, ["demo", "--output", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    end = caplog.messages[-1]
    page = end.split("The page: ")[1].splitlines()[0]
    assert Path(page).read_text("utf-8").count("data:image/png;base64,") == 2
    _, *words = commands_of(end)[0]
    assert CliRunner().invoke(main, words).exit_code == 0
