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
    """Hold keys and values of one layer, (R, K, S, D), with room for slots to come behind them.

    R rows, K heads of keys, S slots, D numbers for each. Beams of a row share its slots.

    Args:
        room (`int`): Slots that are allocated beyond those in use, whenever the tensors are made anew.
    """

    is_sliding = False

    keys: Any  # tensors from the first update on
    values: Any

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room, self.used = room, 0

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Make tensors without slots, of the type, device and heads of these states.

        Args:
            key_states (`torch.Tensor`): (R, K, T, D) keys.
            value_states (`torch.Tensor`): (R, K, T, V) values.
        """
        self.keys, self.values = key_states[:, :, :0], value_states[:, :, :0]
        self.is_initialized = True

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the states into the next T slots.

        Args:
            key_states (`torch.Tensor`): (R, K, T, D) keys.
            value_states (`torch.Tensor`): (R, K, T, V) values.
            *_ (`Any`): Ignored, as is every keyword: transformers passes on what other layers need.
            **__ (`Any`): Ignored.

        Returns:
            `tuple[torch.Tensor, torch.Tensor]`: Keys (R, K, S, D) and values (R, K, S, V) of all slots in use; views.
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.used = self.used, self.used + key_states.shape[2]
        self.keys, self.values = (
            self._written(*pair, start) for pair in ((self.keys, key_states), (self.values, value_states))
        )
        return self.keys[:, :, : self.used], self.values[:, :, : self.used]

    def keep(self, rows: torch.Tensor, slots: torch.Tensor) -> None:
        """Keep only `rows`, and of each of them only its slots, in this order.

        Args:
            rows (`torch.Tensor`): (r,) row indices.
            slots (`torch.Tensor`): (r, s) slots of each.
        """
        self.used = slots.shape[1]
        for name in ("keys", "values"):
            old = getattr(self, name)
            # Copied with room behind, so that the next steps write their tokens
            # without copying the whole cache again.
            kept = old.new_empty(len(rows), old.shape[1], self.used + self.room, old.shape[3])
            kept[:, :, : self.used] = old[rows[:, None], :, slots].transpose(1, 2)
            setattr(self, name, kept)

    def spread(self, rows: int) -> None:
        """Repeat the only row.

        Args:
            rows (`int`): Rows that there are then.
        """
        self.keys, self.values = (old.repeat(rows, 1, 1, 1) for old in (self.keys, self.values))

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the length of keys that the mask covers, and their offset.

        Args:
            query_length (`int`): Tokens that the next update brings.

        Returns:
            `tuple[int, int]`: Slots in use behind that update, and 0.
        """
        return self.used + query_length, 0

    def get_seq_length(self) -> int:
        """Return the slots that are in use.

        Returns:
            `int`: Slots, S.
        """
        return self.used

    def get_max_length(self) -> int:
        """Return -1: the cache grows as it is used.

        Returns:
            `int`: -1.
        """
        return -1

    def _written(self, old: torch.Tensor, new: torch.Tensor, start: int) -> torch.Tensor:
        """Write the new states behind slot `start`, in larger tensors where the old ones have no room left."""
        # Only without room are the tensors made anew, `room` slots larger than now needed.
        if old.shape[2] < self.used:
            shape = [*old.shape[:2], self.used + self.room, new.shape[3]]
            grown = new.new_empty(shape)
            grown[:, :, :start] = old[:, :, :start]
            old = grown
        old[:, :, start : self.used] = new
        return old


class SlotCache(Cache):
    """Hold a `SlotLayer` for each layer of a model.

    Args:
        layers (`int`): Layers of the model.
        room (`int`): Slots that are likely to come.
    """

    def __init__(self, layers: int, room: int) -> None:
        super().__init__(layers=[SlotLayer(room) for _ in range(layers)])

    def spread(self, rows: int) -> None:
        """Repeat the only row in all layers.

        Args:
            rows (`int`): Rows that there are then.
        """
        for layer in self.layers:
            cast(SlotLayer, layer).spread(rows)

    def keep(self, rows: torch.Tensor, slots: torch.Tensor) -> None:
        """Keep only these rows and slots in all layers, as `SlotLayer.keep` does.

        Args:
            rows (`torch.Tensor`): (r,) row indices.
            slots (`torch.Tensor`): (r, s) slots of each.
        """
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
    """Compute softmax(q k^T x scaling) v over the slots that the mask lets each beam see.

    The H / K heads that share a key go as further queries, so that keys and values are not copied for
    each of them.

    Args:
        module (`torch.nn.Module`): The layer that asks; not used.
        query (`torch.Tensor`): (R, H, B, D), with H a multiple of K; a query for each of B beams.
        key (`torch.Tensor`): (R, K, S, D).
        value (`torch.Tensor`): (R, K, S, V).
        attention_mask (`torch.Tensor`, *optional*): (R, 1, B, S) bool, the slots that each beam sees; refused
            where it is missing.
        scaling (`float`, *optional*): Factor of the products, by default 1 / sqrt(D).
        sliding_window (`int`, *optional*): Refused.
        **others (`Any`): Further arguments of the model; those of UNKNOWN are refused, the rest changes nothing.

    Returns:
        `tuple[torch.Tensor, None]`: (R, B, H, V), and None for the weights.

    Raises:
        ValueError: the model asks for more than this formula (soft-capping, attention sinks, a
            bias by distance, a sliding window).
    """
    refused = [name for name in UNKNOWN if others.get(name) is not None]
    if attention_mask is None or sliding_window is not None or refused:
        raise ValueError(f"attention with {', '.join(refused) or 'a mask of its own'}")
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
