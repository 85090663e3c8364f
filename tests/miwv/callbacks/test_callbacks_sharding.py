"""Weights that no process has whole: the callbacks refuse them, by what the libraries say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import FullyShardedDataParallelPlugin
from accelerate.state import AcceleratorState
from accelerate.utils.deepspeed import HfDeepSpeedConfig
from sentence_transformers import SentenceTransformer
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import distribute_tensor
from trainers import make_trainer
from transformers.integrations.deepspeed import set_hf_deepspeed_config, unset_hf_deepspeed_config

from hf_miwv.callbacks.callbacks import MIWVDriftCallback, MIWVSelectionCallback
from hf_miwv.common.errors import InputError

MESSAGE = r"(FSDP|DeepSpeed ZeRO-3|tensor parallelism \(tp_plan\)) divides the model\'s weights .*DDP, ZeRO-2"


@contextmanager
def fsdp(trainer: Any) -> Iterator[None]:
    """accelerate's plugin in its state, from which the Trainer tells whether weights are cut."""
    trainer.accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    try:
        trainer.is_fsdp_enabled = getattr(trainer.accelerator.state, "fsdp_plugin", None) is not None
        yield
    finally:
        del AcceleratorState._shared_state["fsdp_plugin"]


@contextmanager
def deepspeed(stage: int) -> Iterator[None]:
    settings = HfDeepSpeedConfig({"zero_optimization": {"stage": stage}})
    set_hf_deepspeed_config(settings)
    try:
        yield
    finally:
        unset_hf_deepspeed_config()


@contextmanager
def tensor_parallel(trainer: Any, tmp_path: Path) -> Iterator[None]:
    """One of the model's weights over a mesh of one process."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1)
    try:
        layer = trainer.model.lm_head
        mesh = init_device_mesh("cpu", (1,))
        layer.weight = torch.nn.Parameter(distribute_tensor(layer.weight.detach(), mesh))
        yield
    finally:
        torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def embedder(embedder_folder: Path) -> SentenceTransformer:
    return SentenceTransformer(str(embedder_folder), device="cpu")


def make(kind: type, trainer: Any, embedder: SentenceTransformer) -> Any:
    if kind is MIWVDriftCallback:
        return kind(trainer, embedder=embedder, sample=4)
    return kind(trainer, 0.5, embedder=embedder)


@pytest.mark.parametrize("kind", [MIWVSelectionCallback, MIWVDriftCallback])
@pytest.mark.parametrize("sharding", ["fsdp", "zero3", "tensor parallel"])
def test_sharded_weights_are_refused(kind: type, sharding: str, embedder: SentenceTransformer, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, eval_strategy="no")
    context = {
        "fsdp": lambda: fsdp(trainer),
        "zero3": lambda: deepspeed(3),
        "tensor parallel": lambda: tensor_parallel(trainer, tmp_path),
    }[sharding]
    before = trainer.train_dataset
    with context(), pytest.raises(InputError, match=MESSAGE):
        make(kind, trainer, embedder)
    assert trainer.train_dataset is before  # nothing was begun


def test_zero_2_is_served(embedder: SentenceTransformer, tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    with deepspeed(2):
        make(MIWVSelectionCallback, trainer, embedder)
    assert len(trainer.train_dataset) == 12
