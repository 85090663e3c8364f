"""Where a model is put: one device, or split over several."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny import make_model, make_rows
from transformers import AutoModelForCausalLM

from hf_miwv.__main__ import main
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.devices import check_split, describe_split, device_map, pick_device
from hf_miwv.common.models.models import load_model
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.losses.losses import ResponseLosses, Tree

no_accelerator = pytest.mark.skipif(torch.accelerator.is_available(), reason="on a CPU alone")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cpu", {"": torch.device("cpu")}),
        ("meta", {"": torch.device("meta")}),
        (None, {"": pick_device(None)}),
    ],
)
def test_one_device(given: str | None, expected: dict[str, torch.device]) -> None:
    assert device_map(given) == expected


@no_accelerator
def test_nothing_to_split_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    assert device_map("split") == {"": torch.device("cpu")}
    assert pick_device("split") == torch.device("cpu")  # the embedder's
    assert "no accelerator here to split the model over; it is on the CPU" in caplog.text


def test_several_processes_cannot_split(monkeypatch: pytest.MonkeyPatch, model_folder: Path) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="2 processes would each do so; launch one"):
        load_model(str(model_folder), device="split")


@pytest.mark.parametrize(
    ("placed", "expected"),
    [
        ({"": "cuda:0"}, "cuda:0: all of it"),
        ({"a": "cuda:0", "b": "cuda:1"}, "cuda:0: a, cuda:1: b"),
        (
            {"e": "cuda:0", "l.0": "cuda:0", "l.1": "cuda:1", "l.2": "cuda:1", "l.3": "cpu", "h": "cpu"},
            "cuda:0: e to l.0 (2), cuda:1: l.1 to l.2 (2), cpu: l.3 to h (2)",
        ),
    ],
)
def test_the_split_in_one_line(placed: dict[str, str], expected: str) -> None:
    assert describe_split(placed) == expected


def placed_model(folder: Path, tmp_path: Path, **elsewhere: str) -> Any:
    """The tiny model with some of its four parts elsewhere than on the CPU."""
    parts = {"embed": "model.embed_tokens", "first": "model.layers.0", "last": "model.layers.1"}
    places = {name: elsewhere.get(part, "cpu") for part, name in parts.items()}
    places |= {"model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": places[parts["embed"]]}
    return AutoModelForCausalLM.from_pretrained(folder, device_map=places, offload_folder=str(tmp_path / "offloaded"))


def test_parts_in_memory_are_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hf_miwv")
    model = make_model("llama")
    model.hf_device_map = {"model.embed_tokens": 0, "model.layers.0": 0, "lm_head": "cpu"}
    check_split(model, "m")
    kind = pick_device(None).type
    split = f"{kind}:0: model.embed_tokens to model.layers.0 (2), cpu: lm_head"
    assert f"model m is split: {split}" in caplog.text
    assert "the parts of m on the CPU are copied to an accelerator in every pass" in caplog.text


@pytest.mark.parametrize("part", ["embed", "last"])
def test_parts_on_the_disk_are_refused(part: str, model_folder: Path, tmp_path: Path) -> None:
    model = placed_model(model_folder, tmp_path, **{part: "disk"})
    with pytest.raises(InputError, match=r"model 'm' does not fit: .*disk: .*give --load-in-4bit"):
        check_split(model, "m")


def test_losses_of_a_model_in_parts_are_those_of_the_whole(model_folder: Path, tmp_path: Path) -> None:
    whole, parts = make_model("llama"), placed_model(model_folder, tmp_path, last="disk")
    assert next(parts.model.layers[1].parameters()).is_meta  # comes and goes in each pass
    trees = [Tree(list(range(20, 60)), 12), Tree(list(range(90, 110)), 3)]
    found = []
    for model in (whole, parts):
        losses = ResponseLosses(model)
        with losses.ready():
            found.append(losses(trees))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-6)


def test_device_split_on_the_command_line(model_folder: Path, embedder_folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in make_rows(8)))
    scores = []
    for device in ("cpu", "split"):
        words = [
            "score",
            data,
            "--model",
            model_folder,
            "--embedder",
            embedder_folder,
            "--device",
            device,
            "--output",
            tmp_path / device,
        ]
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == 0, result.output
        scores.append(read_dataset(tmp_path / device)["miwv"][:])
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-3)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_take_a_model_between_them(model_folder: Path) -> None:
    split = load_model(str(model_folder), device="split").model
    whole = load_model(str(model_folder), device="cuda:0").model
    trees = [Tree(list(range(20, 60)), 12)]
    found = []
    for model in (whole, split):
        losses = ResponseLosses(model)
        with losses.ready():
            found.append(losses(trees))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-4)
