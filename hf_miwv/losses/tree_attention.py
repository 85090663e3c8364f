"""Attention within packed trees: each token sees its own path through its tree, and no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import AttentionInterface

from hf_miwv.common.models.attention import UNKNOWN, takes_varlen, varlen_kernel
from hf_miwv.losses.tree_layout import Layout, Segment, current_layout

NAME = "hf_miwv_tree"


@torch.compiler.disable  # which segments there are differs from batch to batch
def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Compute softmax(q k^T x scaling) v over the path of each token.

    No padding and no masked pair is computed outside a segment's path: the work is that of each path
    alone. Where torch has a kernel for sequences of different lengths (CUDA, half precision), all
    segments go through it in one call; elsewhere one after another.

    Args:
        module (`torch.nn.Module`): The attention layer; not used.
        query (`torch.Tensor`): (1, H, L, D), of a packed sequence whose `Layout` is `attending`.
        key (`torch.Tensor`): (1, K, L, D), H a multiple of K.
        value (`torch.Tensor`): (1, K, L, V).
        attention_mask (`torch.Tensor`, *optional*): Must be None.
        scaling (`float`, *optional*): Factor of the products; by default torch's.
        sliding_window (`int`, *optional*): Tokens that a token sees, itself included.
        **others (`Any`): Arguments that a layer may pass; those in UNKNOWN must be None.

    Returns:
        `tuple[torch.Tensor, None]`: (1, L, H, V), and no attention weights.

    Raises:
        ValueError: The model asks for more than this formula (soft-capping, attention sinks, a
            bias by distance, a custom mask).
    """
    asked = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is not None or asked:
        raise ValueError(f"attention with {', '.join(asked) or 'a mask'}")
    layout = current_layout()
    layout.windows.add(sliding_window)
    kernel = varlen_kernel() if takes_varlen(query, value) else None
    if kernel is not None:
        return _varlen(kernel, layout, query, key, value, scaling, sliding_window), None
    # One call per segment: a mask over the whole packed sequence would compute every pair of branches.
    parts = [_by_segment(layout, segment, query, key, value, scaling, sliding_window) for segment in layout.segments]
    return torch.cat(parts, dim=1), None


def _varlen(
    kernel: Callable[..., Any],
    layout: Layout,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attend in all segments by one call.

    Token i of S in a segment sees the keys up to fork + i of its path: the kernel lays the last query
    beside the last key.
    """
    paths = layout.paths(query.device)
    keys, values = (tensor[0].transpose(0, 1).index_select(0, paths.keys) for tensor in (key, value))
    return kernel(
        query[0].transpose(0, 1),
        keys,
        values,
        paths.query_ends,
        paths.key_ends,
        paths.max_queries,
        paths.max_keys,
        scale=scaling,
        window_size=(-1 if window is None else window - 1, 0),
    )[None]


def _by_segment(
    layout: Layout,
    segment: Segment,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attend from the tokens of one segment to their path: (1, S, H, V)."""
    mask = layout.mask(segment, window, query.device)
    keys, values = (_path(tensor, segment) for tensor in (key, value))
    shared = query.shape[1] > key.shape[1]
    if shared and mask is not None and query.device.type != "cpu":
        # with a mask, the fast kernels of accelerators want as many keys as queries
        groups, shared = query.shape[1] // key.shape[1], False
        keys, values = (tensor.repeat_interleave(groups, dim=1) for tensor in (keys, values))
    attended = torch.nn.functional.scaled_dot_product_attention(
        query[:, :, segment.start : segment.end],
        keys,
        values,
        attn_mask=mask,
        is_causal=mask is None,
        scale=scaling,
        enable_gqa=shared,
    )
    return attended.transpose(1, 2)


def _path(tensor: torch.Tensor, segment: Segment) -> torch.Tensor:
    """Return the keys or values that the segment sees, (1, K, fork + S, D)."""
    segment_part = tensor[:, :, segment.start : segment.end]
    if segment.fork == 0:
        return segment_part
    before = tensor[:, :, segment.trunk : segment.trunk + segment.fork]
    return torch.cat([before, segment_part], dim=2)


AttentionInterface.register(NAME, tree_attention)
