"""Default number of tokens in a batch, by device."""

from __future__ import annotations

from typing import Any

CPU_BATCH_TOKENS = 1024  # measured: larger batches leave the cache
ACCELERATOR_BATCH_TOKENS = 16384


def _default_batch_tokens(model: Any) -> int:
    on_cpu = model.get_input_embeddings().weight.device.type == "cpu"
    return CPU_BATCH_TOKENS if on_cpu else ACCELERATOR_BATCH_TOKENS
