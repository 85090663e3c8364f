"""A model in evaluation mode for a while, each of its modules put back afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Run the model without dropout; its modules get back the mode that each of them had.

    `model.train()` afterwards would not do: parts may have been frozen in evaluation mode.

    Args:
        model (`torch.nn.Module`): The model.
    """
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
