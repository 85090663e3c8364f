"""vLLM itself, on the small real model: what `make test-vllm` runs, in an environment with vLLM.

An engine takes 10 to 60 seconds to start on a CPU core, so tests share one where they can.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_lmt.evaluation.evaluate import evaluate
from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_lmt.translation.writer import Writer
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.conversion import safetensors_folder
from hf_miwv.common.models.models import load_model
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("vllm") is None, reason="vllm is not installed here: make test-vllm"),
    pytest.mark.skipif(find_spec(MODEL_PACKAGE) is None, reason="the small real model is not installed here"),
]
TEXTS = [
    "Hello, how are you?",
    "The river rose after three days of rain.",
    "",
    "I like tea.",
    "What is the capital of France? It is a large city on the Seine.",
    "She sold her house and moved to the sea.",
]
REQUESTS = [Request(text, "en", code) for text in TEXTS for code in ("fr", "de")]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The small real model as safetensors."""
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    gguf = next(package_folder(MODEL_PACKAGE).glob("*.gguf"))
    return safetensors_folder(gguf, lambda: load_model(str(gguf), device="cpu")[:2])


def vllm(folder: Path, **options: Any) -> Translator:
    return Translator(folder, backend="vllm", dtype="float32", **options)


def plain(folder: Path, **options: Any) -> Translator:
    return Translator(folder, device="cpu", dtype="float32", **options)


@pytest.fixture(scope="module")
def greedy(folder: Path) -> Translator:
    return vllm(folder, num_beams=1, max_new_tokens=24)


def test_greedy_lines_are_those_of_the_other_backend(folder: Path, greedy: Translator) -> None:
    found = list(greedy.stream(REQUESTS))
    assert found == list(plain(folder, num_beams=1, max_new_tokens=24).stream(REQUESTS))
    assert {one.status for one in found} == {"ok", "capped", "empty"}
    assert max(one.tokens for one in found) == 24


def test_lines_are_taken_from_earlier_work(greedy: Translator, tmp_path: Path) -> None:
    backend = greedy._writer.backend
    prompts, caps = [[1, 2, 3, 4], [5, 6, 7]], [8, 5]
    counts = [Counter[str]() for _ in range(2)]
    first, again = (Writer(backend, tmp_path, one).write(prompts, caps, lambda _: None) for one in counts)
    assert first == again
    assert [one["reused"] for one in counts] == [0, 2]
    assert counts[1]["tokens"] == 0


def test_hints_of_its_own_and_an_evaluation(folder: Path, greedy: Translator, tmp_path: Path) -> None:
    data = tmp_path / "small.csv"
    data.write_text(f"en,fr,zh\n{TEXTS[0].replace(',', ';')},Bonjour.,你好\n{TEXTS[1]},La rivière.,下雨了\n", "utf-8")
    runs = [
        evaluate(
            str(data),
            tmp_path / name,
            model=model,
            directions=["en-fr"],
            hints="self",
            metrics=["chrf++"],
            progress=False,
        )
        for name, model in (("vllm", greedy), ("plain", plain(folder, num_beams=1, max_new_tokens=24)))
    ]
    found = [run.hypotheses("en-fr") for run in runs]
    assert found[0] == found[1]
    assert all(row["hint_lang"] or row["hint_dropped"] for row in found[0])


def test_a_token_that_the_model_does_not_know(greedy: Translator) -> None:
    with pytest.raises(InputError, match="has the id 999999, and the model has embeddings for"):
        greedy._writer.backend.write([[1, 999_999]], [3])


def test_form_text_ends_at_a_line_break(folder: Path) -> None:
    options: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 24, "form": "text"}
    found = list(vllm(folder, **options).stream(REQUESTS))
    assert found == list(plain(folder, **options).stream(REQUESTS))
    assert sum(one.status == "ok" for one in found) > 3
    assert not any("\n" in one.text for one in found)


def test_beams_are_those_of_the_other_backend(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    options: dict[str, Any] = {"num_beams": 3, "max_new_tokens": 12}
    found = list(vllm(folder, **options).stream(REQUESTS[:4]))
    assert found == list(plain(folder, **options).stream(REQUESTS[:4]))
    assert "3 beams by vLLM are slow" in caplog.text


def test_an_adapter(folder: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    model, _, _ = load_model(str(folder), device="cpu")
    torch.manual_seed(5)
    targets = ["q_proj", "v_proj", "down_proj"]
    adapted = get_peft_model(model, LoraConfig(r=9, lora_alpha=4, target_modules=targets, init_lora_weights=False))
    adapted.save_pretrained(tmp_path / "adapter")
    options: dict[str, Any] = {"num_beams": 1, "max_new_tokens": 12}
    found = list(vllm(tmp_path / "adapter", **options).stream(REQUESTS[:4]))
    assert found == list(plain(tmp_path / "adapter", **options).stream(REQUESTS[:4]))
    assert found != list(plain(folder, **options).stream(REQUESTS[:4]))


def test_standard_output_holds_translations_only(folder: Path) -> None:
    words = [
        "translate",
        "--model",
        str(folder),
        "--from",
        "en",
        "--to",
        "fr",
        "--backend",
        "vllm",
        "--num-beams",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "hf_lmt", *words, "--num-beams", "1", "--max-new-tokens", "8", "--dtype", "float32"],
        input="I like tea.\n\n",
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(done.stdout.splitlines()) == 2
    assert "INFO" in done.stderr
    assert "INFO" not in done.stdout


def test_a_model_that_does_not_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "99999")
    with pytest.raises(InputError, match=r"(?i)memory"):
        vllm(folder, num_beams=1)


def test_a_model_that_it_cannot_take(tmp_path: Path, model_folder: Path) -> None:
    """Pickled weights are read by neither backend."""
    shutil.copytree(model_folder, tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save({}, tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"vLLM does not start with it .*leave --backend out"):
        vllm(tmp_path / "pickled", num_beams=1)
