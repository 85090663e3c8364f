"""Attention over packed trees: all segments in one call, against one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tiny import make_model

from hf_miwv.common.models import attention
from hf_miwv.losses import tree_attention
from hf_miwv.losses.losses import Branch, ResponseLosses, Tree
from hf_miwv.losses.tree_layout import Layout, Segment, attending

# Two trees: a trunk of 7 with branches at 7 and 3, and a trunk of 5 alone.
SEGMENTS = [
    Segment(0, 7, 0, 0),
    Segment(7, 12, 0, 7),
    Segment(12, 14, 0, 3),
    Segment(14, 19, 14, 0),
]


def plain_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    query_ends: torch.Tensor,
    key_ends: torch.Tensor,
    most_queries: int,
    most_keys: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
) -> torch.Tensor:
    """The formula of torch's `varlen_attn`, query by query: (T, H, D), (P, K, D) -> (T, H, D)."""
    found = []
    groups = query.shape[1] // key.shape[1]
    ends = zip(query_ends.tolist(), query_ends.tolist()[1:], key_ends.tolist(), key_ends.tolist()[1:], strict=False)
    for first, last, first_key, last_key in ends:
        assert last - first <= most_queries
        assert last_key - first_key <= most_keys
        for i in range(first, last):
            stop = last_key - (last - 1 - i)  # the last query beside the last key
            start = first_key if window_size[0] < 0 else max(first_key, stop - 1 - window_size[0])
            keys, values = (t[start:stop].repeat_interleave(groups, 1) for t in (key, value))
            weights = torch.einsum("hd,khd->hk", query[i], keys) * (scale or query.shape[-1] ** -0.5)
            found.append(torch.einsum("hk,khd->hd", weights.softmax(-1), values))
    return torch.stack(found)


@pytest.fixture
def in_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_attention, "takes_varlen", lambda query, value: True)
    monkeypatch.setattr(tree_attention, "varlen_kernel", lambda: plain_attention)


@pytest.mark.parametrize("window", [None, 1, 4, 6, 100])
@pytest.mark.parametrize("scaling", [None, 0.7])
def test_one_call_equals_segment_by_segment(
    monkeypatch: pytest.MonkeyPatch, window: int | None, scaling: float | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(1, heads, 19, 8, generator=generator) for heads in (4, 2, 2))
    found = []
    for kernel in (None, plain_attention):
        monkeypatch.setattr(tree_attention, "takes_varlen", lambda q, v: True)
        monkeypatch.setattr(tree_attention, "varlen_kernel", lambda kernel=kernel: kernel)
        with attending(Layout(SEGMENTS, set())):
            found.append(
                tree_attention.tree_attention(None, query, key, value, scaling=scaling, sliding_window=window)[0]
            )
    assert found[0].shape == (1, 19, 4, 8)
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-6)


@pytest.mark.usefixtures("in_one_call")
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_a_model_runs_its_trees_in_one_call(kind: str) -> None:
    model = make_model(kind)
    ids = [5 + 7 * step % 390 for step in range(60)]
    tree = Tree(ids[:20], 6, (Branch(20, ids[20:29], 4), Branch(13, ids[30:50], 7)))
    paths = [Tree(ids[:20], 6), Tree(ids[:29], 4), Tree(ids[:13] + ids[30:50], 7)]
    found = []
    for packed, trees in ((True, [tree, paths[1]]), (False, [*paths, paths[1]])):
        losses = ResponseLosses(model, packed)
        with losses.ready():
            found.append(losses(trees))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "size", "device", "takes"),
    [
        (torch.float32, 64, "cuda", False),
        (torch.bfloat16, 64, "cpu", False),
        (torch.bfloat16, 60, "cuda", False),
        (torch.float16, 512, "cuda", False),
        (torch.bfloat16, 64, "cuda", True),
    ],
)
def test_the_kernel_serves_half_precision_on_cuda(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, size: int, device: str, takes: bool
) -> None:
    class Described:  # a tensor on a device that need not be here
        def __init__(self) -> None:
            self.dtype, self.shape = dtype, (1, 2, 3, size)
            self.device = torch.device(device)

    monkeypatch.setattr(attention, "_flash_device", lambda found: found.type == "cuda")
    assert tree_attention.takes_varlen(Described(), Described()) is takes


def on_gpu(kind: str, dtype: torch.dtype) -> Any:
    return make_model(kind).to("cuda", dtype)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("window", [None, 4, 100])
@pytest.mark.parametrize("heads", [2, 4])
def test_the_kernel_itself_on_a_gpu(monkeypatch: pytest.MonkeyPatch, window: int | None, heads: int) -> None:
    assert tree_attention.varlen_kernel() is not None
    generator = torch.Generator("cuda").manual_seed(0)
    query, key, value = (
        torch.randn(1, count, 19, 64, generator=generator, device="cuda", dtype=torch.bfloat16)
        for count in (4, heads, heads)
    )
    with attending(Layout(SEGMENTS, set())):
        found = tree_attention.tree_attention(None, query, key, value, sliding_window=window)[0]
        plain = tree_attention.tree_attention(None, query.float(), key.float(), value.float(), sliding_window=window)[
            0
        ]
    torch.testing.assert_close(found.float(), plain, rtol=0, atol=2e-2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.bfloat16, 0.1)])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_packed_trees_on_a_gpu(kind: str, dtype: torch.dtype, tolerance: float) -> None:
    ids = [5 + 7 * step % 390 for step in range(60)]
    tree = Tree(ids[:20], 6, (Branch(20, ids[20:29], 4), Branch(13, ids[30:50], 7)))
    paths = [Tree(ids[:20], 6), Tree(ids[:29], 4), Tree(ids[:13] + ids[30:50], 7)]
    packed, alone = (
        ResponseLosses(on_gpu(kind, dtype), packed=True),
        ResponseLosses(make_model(kind)),
    )
    with packed.ready(), alone.ready():
        np.testing.assert_allclose(packed([tree]), alone(paths), rtol=0, atol=tolerance)
