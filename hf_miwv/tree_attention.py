"""Attention within packed trees: each token sees its own path through its tree, and no other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface

NAME = "hf_miwv_tree"
UNKNOWN = ("softcap", "s_aux", "position_bias", "cache")  # what some models do to their attention


class Segment(NamedTuple):
    """Tokens start..end of a packed sequence; the path to them is trunk..trunk + fork before."""

    start: int
    end: int
    trunk: int
    fork: int  # 0: the segment is itself a trunk


@dataclass
class Layout:
    """The segments of a packed sequence, in order and without gaps."""

    segments: list[Segment]
    windows: set[int | None]  # the sliding windows that the model's layers ask for are added here
    _masks: dict[tuple[Any, ...], torch.Tensor] = field(default_factory=dict)

    def mask(self, segment: Segment, window: int | None, device: Any) -> torch.Tensor | None:
        """(S, fork + S) bool: token i of the segment sees token j of its path if
        fork + i - window < j <= fork + i; None where plain causal attention says the same."""
        size = segment.end - segment.start
        narrow = window if window is not None and window < segment.fork + size else None
        if segment.fork == 0 and narrow is None:
            return None
        key = (size, segment.fork, narrow, device)
        if key not in self._masks:
            mask = torch.ones(size, segment.fork + size, dtype=torch.bool, device=device)
            mask = mask.tril(segment.fork)
            self._masks[key] = mask if narrow is None else mask.triu(segment.fork - narrow + 1)
        return self._masks[key]


_layout: ContextVar[Layout] = ContextVar("layout")


@contextmanager
def attending(layout: Layout) -> Iterator[None]:
    """The layout of the packed sequence that the model is run on within."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


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
    """softmax(q k^T x scaling) v over the path of each token, segment by segment.

    Query (1, H, L, D), key (1, K, L, D), value (1, K, L, V) with H a multiple of K, of a packed
    sequence whose `Layout` is `attending`; gives (1, L, H, V). No padding and no masked pair is
    computed outside a segment's own path: the work is that of each path by itself.

    Raises:
        ValueError: the model asks for more than this formula (soft-capping, attention sinks, a
            bias by distance, a mask of its own).
    """
    asked = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is not None or asked:
        raise ValueError(f"attention with {', '.join(asked) or 'a mask'}")
    layout = _layout.get()
    layout.windows.add(sliding_window)
    parts = []
    for segment in layout.segments:
        mask = layout.mask(segment, sliding_window, query.device)
        keys, values = (_path(tensor, segment) for tensor in (key, value))
        shared = query.shape[1] > key.shape[1]
        if shared and mask is not None and query.device.type != "cpu":
            # with a mask, the fast kernels of accelerators want as many keys as queries
            groups, shared = query.shape[1] // key.shape[1], False
            keys, values = (t.repeat_interleave(groups, dim=1) for t in (keys, values))
        attended = torch.nn.functional.scaled_dot_product_attention(
            query[:, :, segment.start : segment.end],
            keys,
            values,
            attn_mask=mask,
            is_causal=mask is None,
            scale=scaling,
            enable_gqa=shared,
        )
        parts.append(attended.transpose(1, 2))
    return torch.cat(parts, dim=1), None


def _path(tensor: torch.Tensor, segment: Segment) -> torch.Tensor:
    """The keys or values that the segment sees, (1, K, fork + S, D)."""
    own = tensor[:, :, segment.start : segment.end]
    if segment.fork == 0:
        return own
    before = tensor[:, :, segment.trunk : segment.trunk + segment.fork]
    return torch.cat([before, own], dim=2)


AttentionInterface.register(NAME, tree_attention)
