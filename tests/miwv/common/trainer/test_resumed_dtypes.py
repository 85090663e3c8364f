"""Weights keep their dtype when a checkpoint is loaded over them."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from hf_miwv.common.trainer.checkpoints import ResumesInTheSameDtypes


class Upcasting:
    """Puts a new float32 weight into the place of the one that was trained, as PEFT does."""

    def __init__(self) -> None:
        self.model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
        self.model[0].requires_grad_(False)
        self.model[1].to(torch.bfloat16)

    def _load_from_checkpoint(self, checkpoint: str, model: Any = None) -> None:
        self.model[0].to(torch.float64)  # none of those that are trained
        self.model[1].weight = nn.Parameter(torch.tensor([[0.5, 1.0], [2.0, 4.0]]))


class Trainer(ResumesInTheSameDtypes, Upcasting):
    pass


def test_trained_weights_keep_their_dtype() -> None:
    trainer = Trainer()
    trainer._load_from_checkpoint("checkpoint-1")
    frozen, trained = (layer.weight for layer in trainer.model)
    assert (frozen.dtype, trained.dtype) == (torch.float64, torch.bfloat16)
    assert trained.tolist() == [[0.5, 1.0], [2.0, 4.0]]
    assert trained.requires_grad
