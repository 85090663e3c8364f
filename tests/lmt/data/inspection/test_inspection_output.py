"""`hf-lmt inspect`: what it prints and writes, the picture among it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datasets import Dataset

from hf_lmt.commands.inspect import inspect_command
from hf_lmt.data.inspection import inspection_picture as pictures
from hf_lmt.data.inspection.inspect import inspect_rows
from hf_lmt.data.inspection.inspection_folder import write_inspection
from hf_lmt.data.inspection.inspection_picture import draw_inspection
from hf_lmt.data.inspection.inspection_table import as_text
from hf_miwv.common.errors import InputError
from tests.lmt.data.inspection.test_inspection import CLEAN, multiway


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def run(*arguments: Any) -> str:
    result = CliRunner().invoke(inspect_command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def write_pair(folder: Path) -> Path:
    for name in ("en", "de"):
        texts = [row["source"] for row in CLEAN if row["source_lang"] == name]
        (folder / f"news.{name}").write_text("\n".join(texts) + "\n", "utf-8")
    return folder / "news"


def test_the_table_and_the_json(tmp_path: Path) -> None:
    printed = run(write_pair(tmp_path), "--json", tmp_path / "found.json", "--all")
    assert "6,000 rows in 2 directions" in printed
    assert "de-en" in printed
    assert "2 directions (1 of them into English or Chinese) have an auxiliary" in printed
    words = " ".join(printed.split())
    assert words.count("0 in every line: copies %, other script %, duplicates %, hints %") == 2
    assert words.count("hints %") == 2  # and no column of zeros
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["directions"]["en-de"]["rows"] == 3000
    assert found["checked"]["evaluation_sets"] == "not checked"
    assert {finding["kind"] for finding in found["findings"]} == {"no_auxiliary"}


def test_asked_directions_and_rate(tmp_path: Path) -> None:
    printed = run(
        write_pair(tmp_path),
        "--directions",
        "de-en",
        "--rate",
        "0",
        "--corpus",
        "x",
        "--json",
        tmp_path / "found.json",
    )
    assert "3,000 rows in 1 directions" in printed
    found = json.loads((tmp_path / "found.json").read_text("utf-8"))
    assert found["directions"]["de-en"]["after"]["rows"] == 0
    assert list(found["directions"]["de-en"]["corpora"]) == ["x"]


def test_rows_that_were_downsampled_and_written(tmp_path: Path) -> None:
    multiway(20).to_parquet(str(tmp_path / "rows.parquet"))
    assert "one English sentence stands behind 26 sources" in run(tmp_path / "rows.parquet")


def test_the_folder_is_whole_and_stays(tmp_path: Path) -> None:
    data, output = write_pair(tmp_path), tmp_path / "found"
    run(data, "--output", output)
    names = {"inspection.json", "inspection.png", "inspection.txt", "run.json"}
    assert {path.name for path in output.iterdir()} == names
    assert (output / "inspection.png").read_bytes().startswith(b"\x89PNG")
    assert "all directions" in (output / "inspection.txt").read_text("utf-8")
    assert json.loads((output / "run.json").read_text("utf-8"))["command"] == "inspect"
    before = (output / "inspection.png").read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        run(data, "--output", output)
    run(data, "--output", output, "--overwrite")
    assert (output / "inspection.png").read_bytes() == before
    assert not list(tmp_path.glob("*.work"))


def test_what_is_no_inspection_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("dear", "utf-8")
    found = inspect_rows(Dataset.from_list(CLEAN[:5]), progress=False)
    with pytest.raises(InputError, match="something else"):
        write_inspection(found, tmp_path / "mine")


@pytest.mark.parametrize("rows", [CLEAN[:1], [*CLEAN[:1], {**CLEAN[0], "source_lang": "fr"}]])
def test_pictures_of_few_directions(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    found = inspect_rows(Dataset.from_list(rows), progress=False)
    assert (tmp_path / draw_inspection(found, tmp_path)).stat().st_size > 5000


def test_columns_of_zeros_are_named_and_letters_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.text import Text

    drawn: list[Any] = []
    monkeypatch.setattr(pictures, "save", lambda figure, *_: drawn.append(figure) or "x.png")
    for rows in (CLEAN[:5], list(multiway(20))):
        pictures.draw_inspection(inspect_rows(Dataset.from_list(rows), progress=False), tmp_path)
    few = drawn[0]
    assert "0 everywhere: copies %, other script %, duplicates %" in few.get_suptitle()
    words = [label.get_text() for axes in few.axes for label in axes.get_xticklabels()]
    assert "rows" in words
    assert "copies %" not in words
    for figure in drawn:
        pixels = 1200 / (72 * figure.get_size_inches()[0])
        texts = [one for one in figure.findobj(Text) if one.get_text().strip()]
        assert min(one.get_fontsize() for one in texts) * pixels >= 9


def test_a_json_file_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        run(write_pair(tmp_path), "--json", tmp_path / "none" / "found.json")


def test_help_is_there_without_heavy_imports() -> None:
    code = (
        "import sys; from hf_lmt.commands.inspect import inspect_command as one; "
        "one(['--help'], standalone_mode=False); "
        "print({'datasets', 'torch', 'matplotlib', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--evaluation-sets" in done.stdout
    assert done.stdout.endswith("set()\n")


def test_a_share_that_one_line_has_keeps_its_column() -> None:
    rows = [dict(row) for row in CLEAN[:200]]
    rows[0]["target"] = "это по-русски"
    printed = as_text(inspect_rows(Dataset.from_list(rows), progress=False), every=True)
    words = " ".join(printed.split())
    assert words.count("0 in every line: copies %, duplicates %") == 2
    assert words.count("other script %") == 0  # a column, whose heading is broken over lines
    assert words.count("0.5") == 2
