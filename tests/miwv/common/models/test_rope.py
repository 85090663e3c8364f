"""Models whose rotary frequencies hang on the length of a pass: each row as it is alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from plain import plain_alpaca, plain_loss
from tiny import make_model, make_rows, make_tokenizer
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
)

from hf_miwv import InputError, score
from hf_miwv.common.models.models import length_limit
from hf_miwv.common.models.rope import CHANGES, LengthRule, length_rule
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.forest import grow_forest
from hf_miwv.losses.losses import Branch, ResponseLosses, Tree
from hf_miwv.transforms.measure_losses import run_passes

IDS = [5 + 7 * step % 390 for step in range(200)]
SHAPE: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 3,
}


def make_longrope(border: int = 32, attention: str = "sdpa") -> Any:
    """A tiny Phi-3 whose short and long factors say very different things."""
    torch.manual_seed(5)
    return Phi3ForCausalLM(
        Phi3Config(
            **SHAPE,
            max_position_embeddings=512,
            original_max_position_embeddings=border,
            attn_implementation=attention,
            rope_parameters={
                "rope_type": "longrope",
                "rope_theta": 10_000.0,
                "original_max_position_embeddings": border,
                "short_factor": [1.0] * 4,
                "long_factor": [4.0, 8.0, 16.0, 30.0],
            },
        )
    ).eval()


def make_dynamic(border: int = 32) -> Any:
    """A tiny Llama that stretches its frequencies beyond `border` tokens, by length."""
    torch.manual_seed(5)
    rope = {"rope_type": "dynamic", "rope_theta": 10_000.0, "factor": 8.0}
    return LlamaForCausalLM(LlamaConfig(**SHAPE, max_position_embeddings=border, rope_parameters=rope)).eval()


def fresh_loss(make: Any, ids: list[int], response: int) -> float:
    """The plain loop on a model that has just been made, and has no passes behind it."""
    return plain_loss(make(), ids[:-response], ids[-response:])


BORDER = 160
MAKERS = pytest.mark.parametrize("make", [make_longrope, make_dynamic])


@MAKERS
@pytest.mark.parametrize("packed", [False, True])
def test_sequences_beside_longer_ones_are_as_they_are_alone(make: Any, packed: bool) -> None:
    lengths = [20, 60, 31, 32, 33, 100, 60, 8]
    trees = [Tree(IDS[start : start + n], 5) for start, n in enumerate(lengths)]
    losses = ResponseLosses(make(), packed)
    with losses.ready():
        together = losses(trees)
    alone = [fresh_loss(make, tree.ids, 5) for tree in trees]
    np.testing.assert_allclose(together, alone, atol=1e-4)
    assert np.ptp(alone) > 0.1


def test_the_rows_above_do_differ_where_nothing_divides_them() -> None:
    """What the test above guards against is more than rounding."""
    model = make_longrope()
    ids = torch.tensor([IDS[:20] + [0] * 80, IDS[:100]])
    with torch.no_grad():
        beside, alone = (model(input_ids=part).logits[0, 19] for part in (ids, ids[:1, :20]))
    assert (beside - alone).abs().max() > 0.1


@MAKERS
def test_what_was_run_before_makes_no_difference_and_is_put_back(make: Any) -> None:
    model = make()
    with torch.no_grad():
        model(input_ids=torch.tensor([IDS[:150]]))
    before = model.model.rotary_emb.inv_freq.clone()
    losses = ResponseLosses(model)
    with losses.ready():
        found = losses([Tree(IDS[:32], 5)])
    assert found[0] == pytest.approx(fresh_loss(make, IDS[:32], 5), abs=1e-4)
    if make is make_dynamic:
        torch.testing.assert_close(model.model.rotary_emb.inv_freq, before)
        assert int(model.model.rotary_emb.max_seq_len_cached) == 150


def test_a_model_can_be_trained_after_it_was_scored() -> None:
    for make in (make_longrope, make_dynamic):
        model = make()
        losses = ResponseLosses(model)
        with losses.ready():
            losses([Tree(IDS[:50], 5), Tree(IDS[:20], 5)])
        ids = torch.tensor([IDS[:50]])
        model.train()
        model(input_ids=ids, labels=ids).loss.backward()
        assert all(weight.grad is not None for weight in model.parameters())


def make_passes(rows: int = 6) -> tuple[Passes, np.ndarray]:
    """Zero-shot passes of 20 to 70 tokens, one-shot passes behind that of the next row."""
    neighbors = np.roll(np.arange(rows), -1)
    contexts = [IDS[3 * row : 3 * row + 15 + 10 * row] for row in range(rows)]
    responses = [IDS[row + 1 : row + 6] for row in range(rows)]
    one_shot = [
        contexts[neighbor] + responses[neighbor] + contexts[row] for row, neighbor in enumerate(neighbors.tolist())
    ]
    return Passes(TokenTable(contexts), TokenTable(one_shot), TokenTable(responses), flags=[[]] * rows), neighbors


@MAKERS
def test_a_tree_has_one_side_of_the_border_only(make: Any) -> None:
    passes, neighbors = make_passes()
    model = make(40)
    forest = grow_forest(passes, neighbors, rule=length_rule(model))
    alone = forest.reuse[f"nothing: {CHANGES}"]
    assert alone == (3 if make is make_longrope else 6)
    assert sum(forest.reuse.values()) == 6
    losses = ResponseLosses(model, packed=True)
    found: dict[int, float] = {}
    with losses.ready():
        values = losses([forest.tree(unit) for unit in range(len(forest.units))])
    numbers = [number for unit in range(len(forest.units)) for number in forest.outputs(unit)]
    found = dict(zip(numbers, values.tolist(), strict=True))
    expected = {n: fresh_loss(lambda: make(40), *passes[n]) for n in range(12)}
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_trunk_without_a_response_counts_as_long_as_it_is() -> None:
    """A neighbor with an empty response is on the long side by its prompt alone."""
    passes = Passes(
        TokenTable([IDS[:40], IDS[50:60]]),
        TokenTable([[], IDS[:40] + IDS[50:60]]),
        TokenTable([[], IDS[1:6]]),
        flags=[[], []],
    )
    forest = grow_forest(passes, np.array([1, 0]), rule=LengthRule(steps=(45,)))
    assert forest.reuse == {f"nothing: {CHANGES}": 1}
    forest = grow_forest(passes, np.array([1, 0]), rule=LengthRule(steps=(32,)))
    assert forest.reuse == {"all of the neighbor's pass": 1}


def test_a_tree_over_the_border_is_refused_by_the_engine() -> None:
    losses = ResponseLosses(make_longrope(), packed=True)
    tree = Tree(IDS[:20], 5, (Branch(20, IDS[20:60], 5),))
    with losses.ready(), pytest.raises(ValueError, match="length classes"):
        losses([tree])


@MAKERS
def test_the_map_step_runs_them_apart(make: Any) -> None:
    passes, _ = make_passes()
    found = run_passes(make(40), passes, 4096)
    expected = [fresh_loss(lambda: make(40), *passes[number]) for number in range(12)]
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_score_equals_the_plain_loop_on_both_sides(attention: str, embedder_folder: Path) -> None:
    """Zero-shot passes here have 130 to 200 tokens, one-shot passes about twice as many."""
    rows, tokenizer = make_rows(12), make_tokenizer()
    model = make_longrope(BORDER, attention)
    scored = score(
        Dataset.from_list(rows),
        model,
        tokenizer=tokenizer,
        embedder=str(embedder_folder),
        batch_tokens=4096,
        progress=False,
    )

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    sides = set()
    for row, found in zip(rows, scored, strict=True):
        example = rows[found["neighbor"]]
        x, y = ids(plain_alpaca(row)), ids(row["output"])
        c = ids(plain_alpaca(example)) + ids(example["output"]) + ids("\n\n")
        plain = make_longrope(BORDER)
        assert found["loss_zero_shot"] == pytest.approx(plain_loss(plain, [1, *x], y), abs=1e-4)
        assert found["loss_one_shot"] == pytest.approx(plain_loss(plain, [1, *c, *x], y), abs=1e-4)
        sides |= {len(x + y) >= BORDER, len(c + x + y) >= BORDER}
    assert sides == {True, False}


def test_models_without_such_frequencies_have_no_rule() -> None:
    for kind in ("llama", "qwen3", "gpt2"):
        assert length_rule(make_model(kind)) is None
        assert ResponseLosses(make_model(kind))._frequencies is None


def test_the_rule_is_read_off_each_layer_type() -> None:
    rope = {
        "full_attention": {
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "factor": 4.0,
            "original_max_position_embeddings": 24,
            "short_factor": [1.0] * 4,
            "long_factor": [9.0] * 4,
        },
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    torch.manual_seed(1)
    config = Gemma3TextConfig(
        **SHAPE,
        head_dim=8,
        sliding_window=8,
        max_position_embeddings=96,
        rope_parameters=rope,
        layer_types=["sliding_attention", "full_attention"],
    )
    model = Gemma3ForCausalLM(config).eval()
    assert length_rule(model) == LengthRule(steps=(24,))
    losses = ResponseLosses(model)
    trees = [Tree(IDS[:20], 5), Tree(IDS[:60], 5)]
    with losses.ready():
        found = losses(trees)
    plain = [plain_loss(model, tree.ids[:-5], tree.ids[-5:]) for tree in trees]
    np.testing.assert_allclose(found, plain, atol=1e-4)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (LengthRule(steps=(10,)), [0, 0, -1, -1]),
        (LengthRule(grows=(10,)), [0, 0, 11, 30]),
        (LengthRule(steps=(10, 20)), [0, 0, -1, -3]),
        (LengthRule(steps=(9,), grows=(12,)), [0, -1, -1, 30]),
    ],
)
def test_length_classes(rule: LengthRule, expected: list[int]) -> None:
    assert rule.classes([9, 10, 11, 30]).tolist() == expected


def test_a_border_within_the_trial_tree_means_no_trees() -> None:
    assert branching_obstacle(make_longrope(20)) == "the rotary embedding changes within 40 tokens"
    assert branching_obstacle(make_longrope(32)) is None
    assert branching_obstacle(make_dynamic(32)) is None


def test_dynamic_models_reach_as_far_as_their_factor() -> None:
    model = make_dynamic(32)
    assert length_limit(model, None) == 32
    assert length_limit(model, 256) == 256
    with pytest.raises(InputError, match="above the model's own limit of 256 tokens"):
        length_limit(model, 257)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sums in one order, so that 1e-4 is far from rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
