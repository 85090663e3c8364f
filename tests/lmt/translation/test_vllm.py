"""The backend of vLLM against a stand-in with the signatures of vLLM 0.22, without its engine.

It shows that prompts, caps and texts find their places, not that vLLM itself works.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TypedDict

import pytest
import torch
from tiny import CHATML, make_model, make_tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from hf_lmt.translation.requests import Request
from hf_lmt.translation.translator import Translator
from hf_miwv.common.errors import InputError

TEXTS = ["name the capital of france", "", "hello world", "what is water made of", "rain"]
TARGETS = ["kk", "de", "de", "zh", "kk"]


class TokensPrompt(TypedDict):
    prompt_token_ids: list[int]


class SamplingParams:
    def __init__(self, *, temperature: float = 1.0, max_tokens: int = 16, stop: list[str] | None = None) -> None:
        assert temperature == 0
        self.max_tokens, self.stop = max_tokens, stop or []


class BeamSearchParams:
    def __init__(self, beam_width: int, max_tokens: int) -> None:
        self.beam_width, self.max_tokens = beam_width, max_tokens


class LLM:
    """What vLLM's own class would write, one prompt at a time, by `transformers`."""

    def __init__(
        self,
        model: str,
        *,
        revision: str | None,
        dtype: str,
        trust_remote_code: bool,
        load_format: str,
        generation_config: str,
    ) -> None:
        assert (trust_remote_code, load_format, generation_config) == (False, "safetensors", "vllm")
        self._model = AutoModelForCausalLM.from_pretrained(model, revision=revision)
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self.llm_engine = SimpleNamespace(model_config=SimpleNamespace(max_model_len=512))

    def get_tokenizer(self) -> Any:
        return self._tokenizer

    def generate(
        self,
        prompts: list[TokensPrompt],
        sampling_params: list[SamplingParams],
        *,
        use_tqdm: bool = True,
    ) -> list[Any]:
        return [
            SimpleNamespace(
                outputs=[
                    SimpleNamespace(
                        token_ids=tuple(self._written(one["prompt_token_ids"], 1, own.max_tokens, own.stop))
                    )
                ]
            )
            for one, own in zip(prompts, sampling_params, strict=True)
        ]

    def beam_search(self, prompts: list[TokensPrompt], params: BeamSearchParams) -> list[Any]:
        found = []
        for one in prompts:
            ids = one["prompt_token_ids"]
            tokens = ids + self._written(ids, params.beam_width, params.max_tokens, [])
            found.append(SimpleNamespace(sequences=[SimpleNamespace(tokens=tokens)]))
        return found

    def _written(self, ids: list[int], beams: int, most: int, stop: list[str]) -> list[int]:
        end = self._tokenizer.eos_token_id
        self._model.generation_config = GenerationConfig(
            do_sample=False, num_beams=beams, max_new_tokens=most, eos_token_id=end, pad_token_id=3
        )
        written = self._model.generate(torch.tensor([ids]))[0, len(ids) :].tolist()
        stops = (
            at
            for at, token in enumerate(written)
            if token == end or any(mark in self._tokenizer.decode([token]) for mark in stop)
        )
        return written[: next(stops, len(written)) + 1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model whose texts end, and a module `vllm`."""
    stand_in, parameters = ModuleType("vllm"), ModuleType("vllm.sampling_params")
    vars(stand_in).update(LLM=LLM, SamplingParams=SamplingParams, __version__="0.22.1")
    vars(parameters).update(BeamSearchParams=BeamSearchParams)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", parameters)
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
    if (beams, form) != (3, "text"):  # vLLM's beams do not end at a line break
        assert found[0] == found[1]
    assert [one.status for one in found[0]].count("empty") == 1
    assert {one.status for one in found[0]} >= {"ok"}
    assert not any("\n" in one.text for one in found[0] if form == "text")


def test_what_is_recorded(folder: Path) -> None:
    made_by = Translator(folder, backend="vllm", revision="v1").describe()["made_by"]
    assert made_by["backend"] == "vllm 0.22.1"
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
        ({"device": "cuda", "quantization": "4bit"}, "device and quantization with backend vllm"),
        ({"beams": 0}, "beams 0"),
    ],
)
def test_what_vllm_is_not_given(folder: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        Translator(**{"model": folder, "backend": "vllm", **given})


def test_adapters_are_merged_first(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match="merge it into its base first"):
        Translator(folder, backend="vllm")
