"""The backend of vLLM against a stand-in with the signatures of vLLM 0.32, without its engine.

It shows that prompts, caps and texts find their places; `test_vllm_engine.py` runs vLLM itself.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple, TypedDict

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny import CHATML, make_model, make_tokenizer
from transformers import AutoModelForCausalLM

from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_lmt.translation.vllm_beams import tokens_to_draw
from hf_miwv.common.errors import InputError

TEXTS = ["name the capital of france", "", "hello world", "what is water made of", "rain"]
TARGETS = ["kk", "de", "de", "zh", "kk"]


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


class SamplingParams:
    def __init__(
        self,
        *,
        temperature: float = 1.0,
        max_tokens: int = 16,
        stop_token_ids: list[int] | None = None,
        logprobs: int | None = None,
        detokenize: bool = True,
    ) -> None:
        assert temperature == 0
        assert not detokenize
        self.max_tokens, self.stop, self.logprobs = max_tokens, stop_token_ids or [], logprobs


class LoRARequest(NamedTuple):
    lora_name: str
    lora_int_id: int
    lora_path: str


class LLM:
    """Write what vLLM's own class would, one prompt at a time, by `transformers`."""

    started: dict[str, Any]
    calls: int

    def __init__(self, model: str, **options: Any) -> None:
        LLM.started, LLM.calls = options, 0
        safe = {"trust_remote_code": False, "load_format": "safetensors", "generation_config": "vllm"}
        assert options.items() >= safe.items()
        if "too-large" in model:
            raise RuntimeError("CUDA error: out of memory")
        if "unknown" in model:
            raise ValueError("Model architectures ['X'] are not supported for now.")
        self._model = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, options["dtype"]))
        self.llm_engine = SimpleNamespace(
            vllm_config=SimpleNamespace(
                model_config=SimpleNamespace(max_model_len=512),
                cache_config=SimpleNamespace(num_gpu_blocks=100, block_size=16),
            ),
            add_lora=self._add_lora,
        )

    def _add_lora(self, request: LoRARequest) -> bool:
        from peft import PeftModel

        self._model = PeftModel.from_pretrained(self._model, request.lora_path)
        return True

    @torch.inference_mode()
    def generate(
        self,
        prompts: list[TokensPrompt],
        sampling_params: list[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[Any]:
        LLM.calls += 1
        outputs = []
        for prompt, own in zip(prompts, sampling_params, strict=True):
            ids, logprobs = list(prompt["prompt_token_ids"]), []
            start = len(ids)
            while len(ids) - start < own.max_tokens and not (len(ids) > start and ids[-1] in own.stop):
                drawn = self._model(torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)
                if own.logprobs:
                    assert own.logprobs <= LLM.started["max_logprobs"]
                    values, tokens = (part.tolist() for part in drawn.topk(own.logprobs))
                    entries = {
                        token: SimpleNamespace(logprob=value) for token, value in zip(tokens, values, strict=True)
                    }
                    logprobs.append(dict(reversed(entries.items())))  # vLLM's are in no order to rely on
                ids.append(int(drawn.argmax()))
            outputs.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=ids[start:], logprobs=logprobs)]))
        return outputs


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose texts end, and a module `vllm`."""
    contents = {
        "vllm": {"LLM": LLM, "SamplingParams": SamplingParams, "__version__": "0.32.0"},
        "vllm.lora.request": {"LoRARequest": LoRARequest},
        "vllm.platforms": {"current_platform": SimpleNamespace(is_cpu=lambda: True)},
    }
    for name, values in contents.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)
    model, tokenizer = make_model("llama", tied=False), make_tokenizer(chat_template=CHATML)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id] = 2.5 * model.lm_head.weight[120]
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("form", ["conversation", "text"])
def test_texts_are_those_of_the_other_backend(folder: Path, beams: int, form: str) -> None:
    requests = [Request(text, "en", code) for text, code in zip(TEXTS, TARGETS, strict=True)]
    found = [
        list(
            Translator(folder, backend=backend, num_beams=beams, max_new_tokens=30, form=form, **more).stream(requests)
        )
        for backend, more in (("vllm", {}), ("transformers", {"device": "cpu"}))
    ]
    assert found[0] == found[1]
    assert [one.status for one in found[0]].count("empty") == 1
    assert {one.status for one in found[0]} >= {"ok"}
    assert not any("\n" in one.text for one in found[0] if form == "text")


def test_beams_ask_once_per_token_and_say_that_they_are_slow(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One call for all rows, whatever their caps, and none after the last row has ended."""
    translator = Translator(folder, backend="vllm", num_beams=3, max_new_tokens=30)
    assert "3 beams by vLLM are slow" in caplog.text
    found = list(translator.stream([Request(text, "en", "kk") for text in ("rain", "hello world, " * 9)]))
    assert {one.status for one in found} == {"ok"}
    assert max(one.tokens for one in found) <= LLM.calls < 30
    assert LLM.started["max_logprobs"] == tokens_to_draw(3)


def test_the_dtype_is_the_checkpoint_s(folder: Path) -> None:
    """vLLM's own "auto" would round a checkpoint in float32 to 16 bits."""
    assert Translator(folder, backend="vllm").describe()["made_by"]["dtype"] == "float32"
    assert LLM.started["dtype"] == "float32"
    assert Translator(folder, backend="vllm", dtype="bfloat16").describe()["made_by"]["dtype"] == "bfloat16"


def test_what_is_recorded(folder: Path) -> None:
    made_by = Translator(folder, backend="vllm", revision="v1").describe()["made_by"]
    assert made_by["backend"] == "vllm 0.32.0"
    again = Translator(folder, backend="vllm").describe()["made_by"]
    assert again == made_by
    (folder / "model.safetensors").touch()
    other = Translator(folder, backend="vllm").describe()["made_by"]
    assert other["model"] != made_by["model"]  # so finished texts of other weights are not taken
    assert other | {"model": made_by["model"]} == made_by


def test_without_vllm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(InputError, match=r"package vllm, which is not installed; run pip install"):
        Translator(folder, backend="vllm")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"model": object()}, "give its name or folder"),
        ({"device": "cuda", "load_in_4bit": True}, "device and quantization with backend vllm"),
        ({"batch_tokens": 99}, "batch_tokens with backend vllm"),
        ({"num_beams": 0}, "num_beams 0"),
    ],
)
def test_what_vllm_is_not_given(folder: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Translator(**{"model": folder, "backend": "vllm", **given})


def with_adapter(folder: Path, **options: Any) -> Path:
    model = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(5)
    adapted = get_peft_model(model, LoraConfig(r=9, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(folder.parent / "adapter")
    return folder.parent / "adapter"


def test_an_adapter_is_put_on_its_base(folder: Path) -> None:
    adapter = with_adapter(folder)
    requests = [Request(text, "en", code) for text, code in zip(TEXTS, TARGETS, strict=True)]
    ours = Translator(adapter, backend="vllm", num_beams=1, max_new_tokens=20)
    assert (LLM.started["enable_lora"], LLM.started["max_lora_rank"]) == (True, 16)  # the next that vLLM knows
    found = list(ours.stream(requests))
    assert found == list(Translator(adapter, num_beams=1, max_new_tokens=20, device="cpu").stream(requests))
    assert found != list(Translator(folder, num_beams=1, max_new_tokens=20, device="cpu").stream(requests))
    made_by = ours.describe()["made_by"]["model"]
    assert str(folder) in made_by
    assert str(adapter) in made_by


@pytest.mark.parametrize(
    ("name", "words"),
    [("too-large", "does not fit into the memory"), ("unknown", r"vLLM does not start with it \(Model architectures")],
)
def test_models_that_do_not_start(folder: Path, name: str, words: str) -> None:
    moved = folder.rename(folder.with_name(name))
    with pytest.raises(InputError, match=words):
        Translator(moved, backend="vllm")


def test_models_that_vllm_is_not_given(folder: Path) -> None:
    """What they are shows before vLLM is started with them."""
    gguf = folder / "model.gguf"
    gguf.touch()
    with pytest.raises(InputError, match="is a GGUF file"):
        Translator(gguf, backend="vllm")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": ["LlamaForSequenceClassification"]}))
    with pytest.raises(InputError, match="no causal language model"):
        Translator(folder, backend="vllm")
    with pytest.raises(InputError, match="no such folder"):
        Translator(folder / "absent", backend="vllm")
