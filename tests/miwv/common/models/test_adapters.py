"""A model by the name of a PEFT adapter: the base that it names, with the adapter in its weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CHATML, make_model, make_tokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.models import load_model

peft = pytest.importorskip("peft")


@pytest.fixture(scope="module")
def tuned(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A model under an adapter whose weights are not zero, and the adapter's folder."""
    base = load_model(str(model_folder), device="cpu").model
    torch.manual_seed(0)
    adapted = peft.get_peft_model(
        base, peft.LoraConfig(task_type="CAUSAL_LM", r=2, target_modules=["q_proj"], init_lora_weights=False)
    ).eval()
    folder = tmp_path_factory.mktemp("adapter")
    adapted.save_pretrained(folder)
    return adapted, folder


def test_it_gives_the_logits_of_the_tuned_model(tuned: tuple[Any, Path], model_folder: Path) -> None:
    adapted, folder = tuned
    loaded = load_model(str(folder), device="cpu")
    ids = torch.tensor([[3, 5, 8, 13, 21]])
    with torch.no_grad():
        expected, logits = adapted(ids).logits, loaded.model(ids).logits
        untuned = load_model(str(model_folder), device="cpu").model(ids).logits
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)
    assert (logits - untuned).abs().max() > 1e-3
    assert not any("lora" in name for name, _ in loaded.model.named_parameters())  # merged: as fast as its base
    assert loaded.model.name_or_path == str(model_folder)


def test_its_own_tokenizer_is_the_one_that_it_was_tuned_with(tuned: tuple[Any, Path], tmp_path: Path) -> None:
    _, folder = tuned
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert load_model(str(tmp_path), device="cpu").tokenizer.chat_template == CHATML
    make_tokenizer(chat_template="{{ messages }}").save_pretrained(tmp_path)
    assert load_model(str(tmp_path), device="cpu").tokenizer.chat_template == "{{ messages }}"


@pytest.mark.parametrize(
    ("key", "message"),
    [("base_model_name_or_path", "names no base model"), (None, "has no adapter_model.safetensors")],
)
def test_an_adapter_that_cannot_be_put_on_is_refused(
    key: str | None, message: str, tuned: tuple[Any, Path], tmp_path: Path
) -> None:
    config = json.loads((tuned[1] / "adapter_config.json").read_text())
    if key is not None:
        config[key] = None
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=message):
        load_model(str(tmp_path), device="cpu")


def test_a_folder_without_an_adapter_is_a_model(tmp_path: Path) -> None:
    make_model("llama").save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    assert load_model(str(tmp_path), device="cpu").model.name_or_path == str(tmp_path)
