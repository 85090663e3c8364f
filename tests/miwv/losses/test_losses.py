"""Batched, padded, response-only losses equal the plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from plain import plain_loss
from tiny import make_model

from hf_miwv.losses.losses import LOGIT_CHUNK, Branch, ResponseLosses, Tree, token_losses

IDS = [5 + 7 * step % 390 for step in range(60)]
SEQUENCES = [Tree(IDS[:n], r) for n, r in ((30, 5), (12, 11), (2, 1))]
TREES = [
    Tree(
        IDS[:20],
        6,
        (Branch(20, IDS[20:29], 4), Branch(13, IDS[30:50], 7), Branch(20, IDS[50:55], 5)),
    ),
    Tree(IDS[3:9], 2),
    Tree(IDS[9:30], 0, (Branch(21, IDS[40:45], 3),)),
]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_a_padded_batch_equals_the_plain_loop(kind: str, tied: bool) -> None:
    model = make_model(kind, tied)
    losses = ResponseLosses(model)
    with losses.ready():
        batched = losses(SEQUENCES)
    plain = [plain_loss(model, s.ids[: -s.response], s.ids[-s.response :]) for s in SEQUENCES]
    np.testing.assert_allclose(batched, plain, atol=1e-5)
    assert np.ptp(plain) > 0.1  # three different numbers, or the comparison shows nothing


def test_only_response_positions_reach_the_output_layer() -> None:
    model = make_model("llama")
    seen = []
    model.lm_head.register_forward_hook(lambda _, inputs, output: seen.append(output.shape[:-1]))
    losses = ResponseLosses(model)
    with losses.ready():
        losses(SEQUENCES)
    assert seen == [torch.Size([1, 5 + 11 + 1])]


def test_what_the_model_does_to_its_logits_still_happens() -> None:
    """A model that scales its logits after the output layer (as Cohere's and Granite's do)."""
    model = make_model("llama")
    plain_forward = model.forward

    def scaled(**inputs: object) -> object:
        output = plain_forward(**inputs)
        output.logits = output.logits * 0.25
        return output

    model.forward = scaled
    losses = ResponseLosses(model)
    with losses.ready():
        batched = losses(SEQUENCES[:1])
    ids = SEQUENCES[0].ids
    assert batched[0] == pytest.approx(plain_loss(model, ids[:-5], ids[-5:]), abs=1e-5)


def test_training_modes_are_put_back_module_by_module() -> None:
    model = make_model("llama").train()
    model.model.layers[0].eval()
    losses = ResponseLosses(model)
    with losses.ready():
        assert not any(module.training for module in model.modules())
    assert model.training
    assert not model.model.layers[0].training
    assert model.model.layers[1].training


def test_the_hook_is_gone_afterwards() -> None:
    model = make_model("llama")
    with ResponseLosses(model).ready():
        pass
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape == (1, 3, 400)


def test_token_losses_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOGIT_CHUNK, "cpu", 25)
    logits, targets = torch.randn(7, 10), torch.arange(7)
    expected = [-torch.log_softmax(row, 0)[i].item() for i, row in enumerate(logits)]
    np.testing.assert_allclose(token_losses(logits, targets).numpy(), expected, rtol=1e-5)


def test_a_model_with_infinite_weights_gives_a_loss_that_is_not_finite() -> None:
    model = make_model("llama")
    model.lm_head.weight.data[3] = float("inf")
    losses = ResponseLosses(model)
    with losses.ready():
        assert not np.isfinite(losses(SEQUENCES)).any()


def plain_paths(model: Any, tree: Tree) -> list[float]:
    """Each path from the root run by itself."""
    found = []
    if tree.response:
        found.append(plain_loss(model, tree.ids[: -tree.response], tree.ids[-tree.response :]))
    for fork, ids, response in tree.branches:
        path = tree.ids[:fork] + ids
        found.append(plain_loss(model, path[:-response], path[-response:]))
    return found


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_packed_trees_equal_their_paths_run_one_by_one(kind: str) -> None:
    model = make_model(kind)
    losses = ResponseLosses(model, packed=True)
    with losses.ready():
        found = losses(TREES)
    plain = [value for tree in TREES for value in plain_paths(model, tree)]
    assert len(found) == 6
    np.testing.assert_allclose(found, plain, atol=1e-5)


def test_packed_trees_are_the_work_of_their_tokens_and_no_more() -> None:
    model = make_model("llama")
    seen = []
    model.model.layers[0].mlp.register_forward_hook(lambda _, i, o: seen.append(tuple(o.shape[:2])))
    losses = ResponseLosses(model, packed=True)
    with losses.ready():
        losses(TREES)
    assert seen == [(1, sum(tree.tokens for tree in TREES))]


def test_the_models_own_attention_is_put_back() -> None:
    model = make_model("llama")
    with ResponseLosses(model, packed=True).ready():
        assert model.config._attn_implementation == "hf_miwv_tree"
    assert model.config._attn_implementation == "sdpa"


def test_branches_need_a_packed_batch() -> None:
    with pytest.raises(ValueError, match="packed"):
        ResponseLosses(make_model("llama"))(TREES)
