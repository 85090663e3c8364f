"""Default number of tokens in a forward pass, by device."""

from __future__ import annotations

import torch

CPU_BATCH_TOKENS = 1024  # measured: larger batches leave the cache
ACCELERATOR_BATCH_TOKENS = 16384


def default_batch_tokens(device: torch.device) -> int:
    """Return the tokens of a forward pass that scores, where nobody says otherwise; our choice.

    Args:
        device (`torch.device`): The device of the pass.

    Returns:
        `int`: Tokens, padding among them.
    """
    return CPU_BATCH_TOKENS if device.type == "cpu" else ACCELERATOR_BATCH_TOKENS
