"""Trees: every pass once, at the floor of tokens, the same losses as each pass by itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from plain import plain_loss
from tiny import BRACKETS, CHATML, THINKING, make_model, make_rows, make_tokenizer

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.attention import sliding_window
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes, build_passes
from hf_miwv.losses.forest import Forest, grow_forest
from hf_miwv.losses.losses import ResponseLosses
from hf_miwv.losses.tree_attention import NAME as TREE_ATTENTION
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize

ALL = "all of the neighbor's pass"
PART = "the beginning: the template rewrites the rest"


def passes_of(
    template: str,
    neighbors: list[int],
    max_length: int = 500,
    chat: str | None = CHATML,
    empty: int | None = None,
) -> Passes:
    from datasets import Dataset

    rows = make_rows(len(neighbors))
    if empty is not None:
        rows[empty]["output"] = ""
    dataset = Dataset.from_list(rows)
    table_rows = Rows(dataset, recognize(dataset.column_names))
    prompts = choose_prompts(template, make_tokenizer(chat_template=chat), "alpaca", False)
    table = tokenize_rows(table_rows, prompts, progress=False)
    return build_passes(table, np.array(neighbors), prompts, max_length, progress=False)


def losses_of(model: Any, forest: Forest) -> dict[int, float]:
    engine = ResponseLosses(model, forest.packed)
    found: dict[int, float] = {}
    with engine.ready():
        for index in range(len(forest.units)):
            values = engine([forest.tree(index)])
            found |= dict(zip(forest.outputs(index), values.tolist(), strict=True))
    return found


RING = [1, 2, 3, 4, 5, 6, 7, 0]
HUB = [3, 3, 3, 0, 3, 3, 3, 3]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
@pytest.mark.parametrize("neighbors", [RING, HUB])
@pytest.mark.parametrize(
    ("template", "chat", "shared"),
    [
        ("alpaca", None, ALL),
        ("chat", CHATML, ALL),
        ("chat", BRACKETS, ALL),
        ("chat", THINKING, PART),
    ],
)
def test_every_pass_once_and_as_by_itself(
    kind: str, neighbors: list[int], template: str, chat: str | None, shared: str
) -> None:
    passes = passes_of(template, neighbors, chat=chat)
    forest = grow_forest(passes, np.array(neighbors))
    assert forest.reuse == {shared: 8}
    outputs = Counter(number for unit in range(len(forest.units)) for number in forest.outputs(unit))
    assert outputs == Counter(range(16))
    model = make_model(kind)
    found = losses_of(model, forest)
    for number in range(16):
        ids, response = passes[number]
        plain = plain_loss(model, ids[:-response], ids[-response:])
        assert found[number] == pytest.approx(plain, abs=1e-4)


def test_the_floor_is_twice_the_tokens_of_the_rows() -> None:
    passes = passes_of("alpaca", RING)
    forest = grow_forest(passes, np.array(RING))
    own = int(passes.lengths[:8].sum())
    separators, starts = 8 * len(make_tokenizer()("\n\n", add_special_tokens=False)["input_ids"]), 8
    assert int(forest.lengths.sum()) == 2 * own + separators - starts
    assert int(passes.lengths.sum()) > 2.9 * own  # without reuse


def test_a_template_that_rewrites_earlier_turns_still_shares_the_prompt() -> None:
    passes = passes_of("chat", RING, chat=THINKING)
    forest = grow_forest(passes, np.array(RING))
    own = int(passes.lengths[:8].sum())
    neighbor_responses = int(passes.responses.lengths.sum())
    assert int(forest.lengths.sum()) <= 2 * own + neighbor_responses + 8 * 3  # </s> and newlines


def test_a_hub_is_run_again_rather_than_in_one_endless_tree() -> None:
    passes = passes_of("alpaca", HUB)
    forest = grow_forest(passes, np.array(HUB), tree_tokens=1)
    trunk = len(passes[3].ids)
    trees = [unit for unit in forest.units if unit.trunk == 3]
    assert len(trees) > 1
    assert [unit.scored for unit in trees] == [True] + [False] * (len(trees) - 1)
    assert all(unit.tokens <= 4 * trunk for unit in trees)


def test_a_neighbor_with_an_empty_response_is_a_trunk_without_a_score() -> None:
    passes = passes_of("alpaca", HUB, empty=3)
    forest = grow_forest(passes, np.array(HUB))
    assert 3 not in [n for unit in range(len(forest.units)) for n in forest.outputs(unit)]
    assert forest.reuse == {ALL: 7}


def test_passes_that_may_not_share_run_by_themselves() -> None:
    forest = grow_forest(passes_of("alpaca", RING), np.array(RING), obstacle="no trees")
    assert forest.reuse == {"nothing: no trees": 8}
    assert all(not unit.branches for unit in forest.units)
    assert len(forest.units) == 16
    assert not forest.packed


def test_a_trimmed_demonstration_runs_by_itself() -> None:
    passes = passes_of("alpaca", RING, max_length=200)
    forest = grow_forest(passes, np.array(RING))
    trimmed = sum("demonstration_trimmed" in flags for flags in passes.flags)
    assert trimmed > 0
    assert forest.reuse["nothing: the demonstration is trimmed"] == trimmed


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2"])
def test_attention_models_may_branch(kind: str) -> None:
    assert branching_obstacle(make_model(kind)) is None


def test_a_model_with_recurrent_state_may_not_branch() -> None:
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=400, hidden_size=32, num_hidden_layers=2, state_size=8)
    assert branching_obstacle(MambaForCausalLM(config).eval()) is not None


def test_a_model_of_attention_and_recurrent_layers_may_not_branch() -> None:
    from transformers import JambaConfig, JambaForCausalLM

    config = JambaConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_layer_period=2,
        attn_layer_offset=1,
        num_experts=2,
        use_mamba_kernels=False,
        initializer_range=0.3,
        mamba_dt_rank=4,
    )
    model = JambaForCausalLM(config).eval()
    assert branching_obstacle(model) == "the model keeps state beside its attention"


def test_a_model_that_biases_attention_by_distance_may_not_branch() -> None:
    from transformers import BloomConfig, BloomForCausalLM

    config = BloomConfig(vocab_size=400, hidden_size=32, n_layer=2, n_head=4, initializer_range=0.3)
    assert branching_obstacle(BloomForCausalLM(config).eval()) is not None


def test_a_model_that_caps_its_attention_may_not_branch() -> None:
    from transformers import Gemma2Config, Gemma2ForCausalLM

    config = Gemma2Config(**SHAPE, head_dim=8, attn_logit_softcapping=5.0)
    assert branching_obstacle(Gemma2ForCausalLM(config).eval()) is not None


@pytest.mark.parametrize("attention", ["eager", "flash_attention_2"])
def test_kernels_asked_for_by_name_run_pass_by_pass(attention: str) -> None:
    model = make_model("llama")
    model.config._attn_implementation_internal = attention  # flash kernels are not on every machine
    assert branching_obstacle(model) == f"{attention} attention knows no trees"


@pytest.mark.parametrize("attention", [TREE_ATTENTION, "sdpa"])
@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_memory_that_runs_out_is_no_trait_of_the_model(attention: str, error: Exception) -> None:
    def run_out(module: torch.nn.Module, inputs: object) -> None:
        if module.config._attn_implementation == attention:
            raise error

    model = make_model("llama")
    model.register_forward_pre_hook(run_out)
    with pytest.raises(InputError, match=r"out of memory in a first pass of 40 tokens.*--device"):
        branching_obstacle(model)


SHAPE = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.3,
}


@pytest.mark.parametrize("window", [8, 100])
def test_trees_are_exact_through_a_sliding_window(window: int) -> None:
    """Passes here have 100 to 300 tokens, so both windows cut."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(3)
    model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=window)).eval()
    assert branching_obstacle(model) is None
    passes = passes_of("alpaca", HUB)
    found = losses_of(model, grow_forest(passes, np.array(HUB)))
    for number in range(16):
        ids, response = passes[number]
        plain = plain_loss(model, ids[:-response], ids[-response:])
        assert found[number] == pytest.approx(plain, abs=1e-4)


def test_the_sliding_window_is_read_off_the_configuration() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    assert sliding_window(MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=64))) == 64
    assert sliding_window(make_model("llama")) is None
    assert sliding_window(make_model("qwen3")) is None
