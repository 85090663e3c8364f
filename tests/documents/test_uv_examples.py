"""The scripts of examples/uv: one file each, pinned, from the Hub and to it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hub.clients import environment
from hub.server import HubServer
from hub.store import Blob
from tiny import CHATML, make_model, make_rows, make_tokenizer

from tests.documents.test_documents import ROOT

SCRIPTS = sorted((ROOT / "examples" / "uv").glob("*.py"))
NAMES = ("curate_rows", "evaluate_model", "select_rows", "translate_rows")  # none of them a module of a library
HEADER = re.compile(r"\A# /// script\n((?:# .*\n)+)# ///\n")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAIRS = [{"en": f"good morning friend {number}", "de": f"guten Morgen Freund {number}"} for number in range(40)]


def header_of(script: Path) -> dict[str, Any]:
    found = HEADER.match(script.read_text("utf-8"))
    assert found, f"{script.name} does not begin with a PEP 723 header"
    return tomllib.loads("".join(line.removeprefix("# ") for line in found[1].splitlines(keepends=True)))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_needs_and_how_it_is_run(script: Path) -> None:
    header = header_of(script)
    assert header["requires-python"] == PROJECT["requires-python"]
    (requirement,) = header["dependencies"]
    name, extras, version = re.fullmatch(r"([\w-]+)\[([\w,]+)\]==([\d.]+)", requirement).groups()
    assert (name, version) == (PROJECT["name"], PROJECT["version"])
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    told = ast.get_docstring(ast.parse(script.read_text("utf-8")))
    assert re.search(rf"hf jobs uv run .*--secrets HF_TOKEN examples/uv/{script.name} \\\n", told)
    for option in ("--max-samples", "--public"):
        assert option in told


def test_there_is_a_script_for_each_work() -> None:
    assert tuple(script.stem for script in SCRIPTS) == NAMES


@pytest.fixture
def inputs(hub: HubServer, embedder_folder: Path, tmp_path: Path) -> dict[str, list[str]]:
    """What each script is given, with rows on the Hub and tiny models here."""
    for name, rows in (("rows", make_rows()), ("pairs", PAIRS)):
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        hub.store.create("dataset", f"ada/{name}", private=True).add("main", "rows", {"a.jsonl": Blob(content, False)})
    model = str(tmp_path / "model")
    make_model("llama").save_pretrained(model)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(model)
    few, steps = ["--max-samples", "20"], json.dumps({"contamination": {"sets": "none"}})
    german = ["--from", "en", "--to", "de", "--max-new-tokens", "4"]
    return {
        "curate_rows": ["ada/pairs", "ada/out", "--steps", steps, *few],
        "evaluate_model": ["ada/pairs", "ada/out", "--model", model, "--directions", "en-de", "--max-samples", "2"],
        "select_rows": ["ada/rows", "ada/out", "--model", model, "--embedder", str(embedder_folder), *few],
        "translate_rows": ["ada/pairs", "ada/out", "--column", "en", "--model", model, *german, "--max-samples", "3"],
    }


def check_run(command: list[str], words: list[str], hub: HubServer, folder: Path) -> None:
    """Run a script from an empty folder; what it pushed is a data set with a card, private."""
    (folder / "empty").mkdir()
    settings = environment(hub, folder / "home")
    done = subprocess.run([*command, *words], cwd=folder / "empty", env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pushed: ada/out" in done.stdout
    repository = hub.store.find("dataset", "ada/out")
    files = repository.commit_of("main").tree
    assert any(file.endswith((".parquet", ".jsonl")) for file in files), list(files)
    assert "README.md" in files
    assert repository.private
    assert list((folder / "empty").iterdir()) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_script_reads_the_hub_and_writes_to_it(
    name: str, inputs: dict[str, list[str]], hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    check_run([sys.executable, str(ROOT / "examples" / "uv" / f"{name}.py")], inputs[name], hub, tmp_path)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is missing: pip install uv")
@pytest.mark.parametrize("name", NAMES)
def test_uv_runs_a_script_with_the_wheel(
    name: str, inputs: dict[str, list[str]], hub: HubServer, wheels: Path, tmp_path: Path
) -> None:
    # Of other wheels that uv is told of, such as torch without CUDA, this test's own are not to take the place.
    folders = [str(wheels), *filter(None, [os.environ.get("UV_FIND_LINKS")])]
    links = [word for folder in folders for word in ("--find-links", folder)]
    script = str(ROOT / "examples" / "uv" / f"{name}.py")
    check_run(["uv", "run", "--python", sys.executable, *links, script], inputs[name], hub, tmp_path)
