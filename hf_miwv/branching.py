"""Whether a model may be run on trees of sequences, and if not, why."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hf_miwv.losses import Branch, ResponseLosses, Tree
from hf_miwv.models import quantization_of

# Two paths must give the same loss up to rounding; state that leaks from one branch to the next
# moves it by whole tenths.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_TOLERANCE = 0.1


def branching_obstacle(model: Any) -> str | None:
    """Why trees cannot be used with this model, in a few words; None where they can.

    Flash attention takes no mask of our own. For the rest (recurrent or hybrid state, attention
    biases by distance) the model itself is asked: a small tree, and its paths one by one.
    """
    attention = str(getattr(model.config, "_attn_implementation", ""))
    if "flash" in attention or "flex" in attention:
        return f"{attention} takes no tree mask"
    ids = [3 + 5 * step % 47 for step in range(40)]
    tree = Tree(ids[:16], 4, (Branch(16, ids[16:28], 5), Branch(11, ids[28:], 6)))
    paths = [Tree(ids[:16], 4), Tree(ids[:28], 5), Tree(ids[:11] + ids[28:], 6)]
    losses = ResponseLosses(model)
    try:
        with losses.ready():
            together = losses([tree])
            alone = np.concatenate([losses([path]) for path in paths])
    except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
        return "the model takes no tree mask"
    exact = quantization_of(model) is None
    tolerance = TOLERANCE.get(model.dtype, HALF_TOLERANCE) if exact else HALF_TOLERANCE
    if not np.allclose(together, alone, rtol=0, atol=tolerance, equal_nan=True):
        return "the model keeps state beside its attention"
    return None


def sliding_window(model: Any) -> int | None:
    """Tokens that the model's sliding window sees, None where it has none."""
    config = model.config.get_text_config()
    if getattr(config, "use_sliding_window", True) is False:
        return None
    return getattr(config, "sliding_window", None)
