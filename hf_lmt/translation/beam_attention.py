"""Attention of beams that share their past: nothing is copied when beams are chosen anew.

Every token that any beam of a row has read lies once in the row's cache, as a slot, and each beam
has a mask of the slots on its own path. Choosing beams is then choosing masks.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, CacheLayerMixin

NAME = "hf_lmt_beams"
UNKNOWN = ("softcap", "s_aux", "position_bias", "cache")  # what some models do to their attention


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, (R, K, S, D), with room for slots to come behind them."""

    is_sliding = False

    keys: Any  # tensors from the first update on
    values: Any

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.used = room, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.used = self.used, self.used + key_states.shape[2]
        self.keys, self.values = (
            self._written(*pair, start) for pair in ((self.keys, key_states), (self.values, value_states))
        )
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def keep(self, rows: torch.Tensor, slots: torch.Tensor) -> None:
        """Only `rows` (r,), and of each of them only the slots (r, s), in this order."""
        self.used = slots.shape[1]
        for name in ("keys", "values"):
            old = getattr(self, name)
            # Copied with room behind, so that the next steps write their tokens
            # without copying the whole cache again.
            kept = old.new_empty(len(rows), old.shape[1], self.used + self.room, old.shape[3])
            kept[:, :, : self.used] = old[rows[:, None], :, slots].transpose(1, 2)
            setattr(self, name, kept)

    def spread(self, rows: int) -> None:
        """Repeat the only row `rows` times."""
        self.keys, self.values = (old.repeat(rows, 1, 1, 1) for old in (self.keys, self.values))

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the length of keys that the mask covers, and their offset."""
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        """Return the slots that are in use."""
        return self.used

    def get_max_length(self) -> int:
        """Return -1: the cache grows as it is used."""
        return -1

    def _written(self, old: torch.Tensor, new: torch.Tensor, start: int) -> torch.Tensor:
        if old.shape[2] < self.used:
            shape = [*old.shape[:2], self.used + self.room, new.shape[3]]
            grown = new.new_empty(shape)
            grown[:, :, :start] = old[:, :, :start]
            old = grown
        old[:, :, start : self.used] = new
        return old


class SlotCache(Cache):
    """A `SlotLayer` for each layer of a model; `room`: slots that are likely to come."""

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[SlotLayer(room) for _ in range(layers)])

    def spread(self, rows: int) -> None:
        for layer in self.layers:
            cast(SlotLayer, layer).spread(rows)

    def keep(self, rows: torch.Tensor, slots: torch.Tensor) -> None:
        for layer in self.layers:
            cast(SlotLayer, layer).keep(rows, slots)


def beam_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """softmax(q k^T x scaling) v over the slots that the mask lets each beam see.

    Query (R, H, B, D), key (R, K, S, D), value (R, K, S, V) with H a multiple of K, mask (R, 1, B,
    S) bool; gives (R, B, H, V). The H / K heads that share a key go as further queries, so that
    keys and values are not copied for each of them.

    Raises:
        ValueError: the model asks for more than this formula (soft-capping, attention sinks, a
            bias by distance, a sliding window).
    """
    asked = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is None or sliding_window is not None or asked:
        raise ValueError(f"attention with {', '.join(asked) or 'a mask of its own'}")
    rows, heads, beams, width = query.shape
    groups = heads // key.shape[1]
    attended = torch.nn.functional.scaled_dot_product_attention(
        query.reshape(rows, key.shape[1], groups * beams, width),
        key,
        value,
        attn_mask=attention_mask.expand(-1, -1, beams, -1).repeat(1, 1, groups, 1),
        scale=scaling,
    )
    return attended.reshape(rows, heads, beams, -1).transpose(1, 2), None


AttentionInterface.register(NAME, beam_attention)
