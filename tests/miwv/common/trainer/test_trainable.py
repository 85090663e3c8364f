"""Adapters are written the same whatever order a process has for the members of a set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import make_model

from hf_miwv.common.trainer.trainable import sort_adapter_modules

MODULES = ["v_proj", "q_proj", "up_proj", "k_proj", "down_proj", "gate_proj", "o_proj"]


def test_the_modules_of_an_adapter_are_in_order(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=MODULES)
    model = peft.get_peft_model(make_model("llama"), config)
    sort_adapter_modules(model)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"] == sorted(MODULES)


def test_a_whole_model_has_none() -> None:
    sort_adapter_modules(make_model("llama"))
