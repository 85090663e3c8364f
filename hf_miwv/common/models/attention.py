"""Attention as models describe it: sliding windows, and kernels that take many sequences in one call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

from hf_miwv.common.internals.of_transformers import attention_of


def sliding_window(model: Any) -> int | None:
    """Return the size of the model's sliding window.

    Args:
        model (`PreTrainedModel`): A transformers model.

    Returns:
        `int | None`: Tokens that the window sees; None where the model has none.
    """
    config = model.config.get_text_config()
    if getattr(config, "use_sliding_window", True) is False:
        return None
    return getattr(config, "sliding_window", None)


UNKNOWN = ("softcap", "s_aux", "position_bias", "cache")  # what some models do to their attention
LARGEST_HEAD = 256  # of torch's flash attention


@cache
def varlen_kernel() -> Callable[..., Any] | None:
    """Return torch's attention over sequences of different lengths (`varlen_attn`).

    Returns:
        `Callable | None`: The kernel; None where this torch (before 2.11) has none that takes windows.
    """
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    if "window_size" not in known:
        return None
    return partial(varlen_attn, enable_gqa=True) if "enable_gqa" in known else varlen_attn


def takes_varlen(query: torch.Tensor, value: torch.Tensor) -> bool:
    """Check whether flash attention knows this device, precision and head size.

    Args:
        query (`torch.Tensor`): (..., D) queries.
        value (`torch.Tensor`): (..., D) values.

    Returns:
        `bool`: True where `varlen_kernel` can run on them.
    """
    size = query.shape[-1]
    return (
        query.dtype in (torch.float16, torch.bfloat16)
        and size == value.shape[-1] <= LARGEST_HEAD
        and size % 8 == 0
        and _flash_device(query.device)
    )


@cache
def _flash_device(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


@contextmanager
def replaced_attention(model: Any, name: str) -> Iterator[None]:
    """Run a model with a registered attention in place of its own, which it gets back at the end.

    Of a model with several parts (text, vision) only the text part's is replaced: it alone runs.

    Args:
        model (`PreTrainedModel`): A transformers model.
        name (`str`): Name of the attention, as registered with `AttentionInterface`.
    """
    config, text = model.config, model.config.get_text_config()
    replacement: Any = name
    earlier: Any = attention_of(config)
    # Setting the name for all parts would also change the vision tower, which may not know the replacement.
    parts = [part for part in config.sub_configs if getattr(config, part, None) is text]
    if parts:
        replacement = {"": name, parts[0]: name}
        earlier = {"": earlier, parts[0]: attention_of(text)}
    model.set_attn_implementation(replacement)
    try:
        yield
    finally:
        model.set_attn_implementation(earlier)
