"""Attention in a flattened batch: that of each sequence by itself, with its gradients."""

from __future__ import annotations

import math

import pytest
import torch
from tiny import make_model

from hf_lmt.training import segment_attention as segments
from hf_lmt.training.segment_attention import NAME, segment_attention, within_sequences
from hf_miwv.common.models.attention import varlen_kernel

LENGTHS = [5, 1, 9, 3]
STARTS = torch.tensor([0, 5, 6, 15, 18], dtype=torch.int32)


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, window: int | None) -> torch.Tensor:
    """(1, L, H, D), token by token: softmax over the tokens of its sequence up to itself."""
    _, heads, tokens, width = query.shape
    groups = heads // key.shape[1]
    found = torch.zeros(1, tokens, heads, width, dtype=query.dtype)
    first = 0
    for length in LENGTHS:
        for token in range(first, first + length):
            begin = first if window is None else max(first, token - window + 1)
            for head in range(heads):
                keys = key[0, head // groups, begin : token + 1]
                weights = (keys @ query[0, head, token] / math.sqrt(width)).softmax(-1)
                found[0, token, head] = weights @ value[0, head // groups, begin : token + 1]
        first += length
    return found


def inputs(heads: int, shared: int, device: str = "cpu") -> list[torch.Tensor]:
    torch.manual_seed(3)
    shapes = [(1, count, sum(LENGTHS), 16) for count in (heads, shared, shared)]
    return [torch.randn(shape, device=device).requires_grad_() for shape in shapes]


@pytest.mark.parametrize(("heads", "shared"), [(2, 2), (4, 2)], ids=["own", "shared"])
@pytest.mark.parametrize("window", [None, 4, 100])
def test_it_is_the_plain_attention_of_each_sequence(heads: int, shared: int, window: int | None) -> None:
    given = inputs(heads, shared)
    found, _ = segment_attention(
        torch.nn.Module(), *given, sliding_window=window, cu_seq_lens_q=STARTS, max_length_q=9
    )
    expected = plain(*given, window)
    assert torch.allclose(found, expected, atol=1e-5)
    weights = torch.randn_like(found)
    grads = [torch.autograd.grad((one * weights).sum(), given) for one in (found, expected)]
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize(("heads", "shared"), [(2, 2), (4, 2)], ids=["own", "shared"])
@pytest.mark.parametrize("window", [None, 4])
def test_the_kernel_of_the_gpu_says_the_same(heads: int, shared: int, window: int | None) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    given = [part.detach().to("cuda", torch.bfloat16).requires_grad_() for part in inputs(heads, shared)]
    exact = [part.detach().float().cpu().requires_grad_() for part in given]
    assert varlen_kernel() is not None
    found, _ = segment_attention(
        torch.nn.Module(),
        *given,
        sliding_window=window,
        cu_seq_lens_q=STARTS.cuda(),
        max_length_q=9,
    )
    expected = plain(*exact, window)
    assert torch.allclose(found.float().cpu(), expected, atol=3e-2)
    grads = torch.autograd.grad(found.sum(), given), torch.autograd.grad(expected.sum(), exact)
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one.float().cpu(), other, atol=6e-2)


def test_what_the_gpus_kernel_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def kernel(*tensors: object, **given: object) -> torch.Tensor:
        asked.append((tensors[3:], given))
        return torch.zeros(sum(LENGTHS), 4, 16)

    monkeypatch.setattr(segments, "takes_varlen", lambda *_: True)
    monkeypatch.setattr(segments, "varlen_kernel", lambda: kernel)
    given = {"cu_seq_lens_q": STARTS, "max_length_q": 9, "scaling": 0.5}
    for window in (None, 4):
        found, _ = segment_attention(torch.nn.Module(), *inputs(4, 2), sliding_window=window, **given)
        assert found.shape == (1, sum(LENGTHS), 4, 16)
    assert [one[0] for one in asked] == [(STARTS, STARTS, 9, 9)] * 2
    assert [one[1]["window_size"] for one in asked] == [(-1, 0), (3, 0)]


def test_a_model_has_the_losses_of_its_sequences_alone() -> None:
    model = make_model("qwen3")
    ids = torch.arange(10, 10 + sum(LENGTHS))[None]
    places = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    flat = {"input_ids": ids, "position_ids": places, "cu_seq_lens_q": STARTS, "max_length_q": 9}
    with torch.no_grad(), within_sequences(model, flat):
        assert model.config._attn_implementation == NAME
        logits = model(**flat).logits[0]
    assert model.config._attn_implementation == "sdpa"
    with torch.no_grad():
        alone = [model(part[None]).logits[0] for part in ids[0].split(LENGTHS)]
    assert torch.allclose(logits, torch.cat(alone), atol=1e-5)


@pytest.mark.parametrize(("implementation", "flat"), [("sdpa", False), ("eager", True)])
def test_padded_batches_and_other_attention_are_left_alone(implementation: str, flat: bool) -> None:
    model = make_model("qwen3")
    model.set_attn_implementation(implementation)
    with within_sequences(model, {"cu_seq_lens_q": STARTS} if flat else {}):
        assert model.config._attn_implementation == implementation


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cu_seq_lens_q": STARTS, "max_length_q": 9, "softcap": 30.0}, "attention with softcap"),
        ({}, "attention with a mask of its own"),
    ],
)
def test_what_it_does_not_know_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        segment_attention(torch.nn.Module(), *inputs(2, 2), **given)
