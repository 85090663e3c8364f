"""Attention in a flattened batch: each sequence sees itself and no other, and nothing is padded.

For padding_free and packed training without the package flash-attn. transformers' own way with
sdpa is a mask over the whole batch, (L, L), of which the sequences' own squares are a small part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from hf_miwv.common.internals.of_transformers import attention_of
from hf_miwv.common.models.attention import UNKNOWN, replaced_attention, takes_varlen, varlen_kernel

NAME = "hf_lmt_segments"
INSTEAD_OF = "sdpa"  # what a model loads with where nothing else is asked for
# of TRL's collator: where the sequences of a flattened batch begin, (N + 1,)
STARTS = "cu_seq_lens_q"


@contextmanager
def within_sequences(model: Any, inputs: Mapping[str, Any]) -> Iterator[None]:
    """Use `segment_attention` in the passes within, for a flattened batch and a model with sdpa.

    Args:
        model (`PreTrainedModel`): The model.
        inputs (`Mapping[str, Any]`): Arguments of its passes; others than flattened ones change nothing.
    """
    replaced = STARTS in inputs and attention_of(model.config) == INSTEAD_OF
    with replaced_attention(model, NAME) if replaced else nullcontext():
        yield


def segment_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally within each sequence: softmax(q k^T x scaling) v, within its sliding window.

    On a GPU in half precision by torch's own flash attention for sequences of different lengths
    (torch.nn.attention.varlen), else sequence by sequence.

    Args:
        module (`torch.nn.Module`): The layer that attends; not read.
        query (`torch.Tensor`): (1, H, L, D).
        key (`torch.Tensor`): (1, K, L, D), with H a multiple of K.
        value (`torch.Tensor`): (1, K, L, D).
        attention_mask (`torch.Tensor`, *optional*): None: a mask of the model's own is refused.
        dropout (`float`, *optional*, defaults to `0.0`): Share of the attention weights that are set to 0.
        scaling (`float`, *optional*): Factor of the products; torch's, D^-1/2, by default.
        sliding_window (`int`, *optional*): Tokens that a token sees, itself among them; all before it by default.
        cu_seq_lens_q (`torch.Tensor`, *optional*): (N + 1,) int32, where the N sequences begin in L, and L.
        max_length_q (`int`, *optional*): Tokens of the longest sequence.
        **others (`Any`): Further arguments of the model; those of UNKNOWN are refused.

    Returns:
        `tuple[torch.Tensor, None]`: (1, L, H, D), and no weights.

    Raises:
        ValueError: the model asks for more than this formula (soft-capping, attention sinks, a
            bias by distance, a mask of its own), or the batch is not flattened.
    """
    asked = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is not None or cu_seq_lens_q is None or max_length_q is None or asked:
        raise ValueError(f"attention with {', '.join(asked) or 'a mask of its own'}")
    kind = query.device.type
    if torch.is_autocast_enabled(kind):  # which does not know the kernel below
        dtype = torch.get_autocast_dtype(kind)
        query, key, value = (part.to(dtype) for part in (query, key, value))
    kernel = varlen_kernel() if takes_varlen(query, value) and not dropout else None
    if kernel is not None:
        parts = (part[0].transpose(0, 1) for part in (query, key, value))
        before = -1 if sliding_window is None else sliding_window - 1
        output = kernel(
            *parts,
            cu_seq_lens_q,
            cu_seq_lens_q,
            max_length_q,
            max_length_q,
            scale=scaling,
            window_size=(before, 0),
        )
        return output[None], None
    ends = cu_seq_lens_q.tolist()
    attended = [
        _alone(
            query[:, :, first:last], key[:, :, first:last], value[:, :, first:last], dropout, scaling, sliding_window
        )
        for first, last in pairwise(ends)
    ]
    return torch.cat(attended, dim=2).transpose(1, 2), None


def _alone(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    dropout: float,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attend within one sequence: (1, H, S, D)."""
    size, mask = query.shape[2], None
    if window is not None and window < size:  # token i sees those after i - window
        mask = torch.ones(size, size, dtype=torch.bool, device=query.device)
        mask = mask.tril().triu(1 - window)
    return scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=query.shape[1] > key.shape[1],
    )


AttentionInterface.register(NAME, segment_attention)
