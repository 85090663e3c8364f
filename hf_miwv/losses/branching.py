"""Whether a model may be run on packed trees of sequences, and if not, why."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch

from hf_miwv.common.internals.of_transformers import attention_of
from hf_miwv.common.models.attention import sliding_window
from hf_miwv.common.models.memory import PROBE_ERRORS, is_out_of_memory, no_room_for_a_pass, probe_fault
from hf_miwv.common.models.quantization import quantization_of
from hf_miwv.common.models.rope import length_rule
from hf_miwv.losses.losses import Branch, ResponseLosses, Tree

logger = logging.getLogger(__name__)

# Both kinds of passes must give the same loss up to rounding; state that leaks from one branch to the next
# moves it by whole tenths.
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-3}
HALF_TOLERANCE = 0.1


def branching_obstacle(model: Any) -> str | None:
    """Say why trees cannot be used with this model, in a few words; None where they can.

    Kernels that were asked for by name (flash, eager) are used as they are, which means pass by
    pass. For the rest the model itself is asked: a small packed tree, against its paths one by
    one under the model's plain attention.

    Args:
        model (`PreTrainedModel`): The causal LM.

    Returns:
        `str | None`: The reason.
    """
    attention = str(attention_of(model.config.get_text_config()))
    if attention != "sdpa":
        return f"{attention} attention knows no trees"
    if getattr(model.config.get_text_config(), "attention_chunk_size", None) is not None:
        return "the model's attention is in chunks"
    # A trunk with a branch from its end and one from its middle: the two ways in which rows share tokens.
    ids = [3 + 5 * step % 47 for step in range(40)]
    tree = Tree(ids[:16], 4, (Branch(16, ids[16:28], 5), Branch(11, ids[28:], 6)))
    paths = [Tree(ids[:16], 4), Tree(ids[:28], 5), Tree(ids[:11] + ids[28:], 6)]
    rule = length_rule(model)
    if rule is not None and len(set(rule.classes([len(path.ids) for path in paths]))) > 1:
        return f"the rotary embedding changes within {len(ids)} tokens"
    packed, padded = ResponseLosses(model, packed=True), ResponseLosses(model)
    try:
        with padded.ready():
            alone = np.concatenate([padded([path]) for path in paths])
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_for_a_pass(error, len(ids)) from error
        raise
    try:
        with packed.ready():
            together = packed([tree])
    except PROBE_ERRORS as error:
        words = probe_fault(error, len(ids))
        logger.warning("the rows do not share passes: the model takes no trees (%s)", words)
        return f"the model takes no trees ({words[:100]})"
    # Quantized and autocast layers compute with fewer bits than the dtype of the model says.
    exact = quantization_of(model) is None and not torch.is_autocast_enabled(model.device.type)
    tolerance = TOLERANCE.get(model.dtype, HALF_TOLERANCE) if exact else HALF_TOLERANCE
    if not np.allclose(together, alone, rtol=0, atol=tolerance, equal_nan=True):
        return "the model keeps state beside its attention"
    # Its masks come from the window that a layer reports: one that hides it would see too much.
    if sliding_window(model) not in {None, *packed.windows}:
        return "the model does not tell its attention of its sliding window"
    return None
