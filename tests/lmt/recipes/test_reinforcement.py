"""Recipes of stage grpo: what cannot be, what is counted, and what memory it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.reinforcement import Reinforcement, RewardSettings, rollouts_of
from hf_lmt.recipes.training_recipe import TrainingRecipe, read_training_recipe
from hf_lmt.training.estimate import Shape, memory_of
from hf_lmt.training.grpo.grpo_estimate import COMET_PARAMETERS, grpo_memory
from hf_lmt.training.tuning import training_arguments
from hf_miwv.common.errors import InputError
from tests.lmt.data.prepare.prepared_rows import lines, table
from tests.lmt.recipes.test_recipes import BASE, door
from tests.lmt.training.test_training import cache, tiny  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")

GRPO: dict[str, Any] = {**BASE, "stage": "grpo", "rewards": ["gated_comet"], "num_generations": 8}


def read(content: dict[str, Any], folder: Path, launch: Launch | None = None) -> TrainingRecipe:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return read_training_recipe(path, (), launch or Launch())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage": "dpo"}, "stage: 'dpo' is not one of its values"),
        ({"stage": "sft"}, "rewards has no effect without stage: grpo"),
        ({"rewards": []}, "rewards is missing: a list of functions"),
        ({"rewards": ["gated_come"]}, "did you mean 'gated_comet'"),
        ({"rewards": ["chrf", "chrf"]}, "rewards: chrf is there twice"),
        ({"rewards": [{"reward": "gated_comet", "modle": "x"}]}, "rewards: unknown key 'modle'; did you mean 'model'"),
        ({"rewards": [{"reward": "gated_chrf", "model": "x"}]}, "reward 'gated_chrf' has no COMET model"),
        ({"rewards": [{"reward": "gated_comet", "base_url": "here"}]}, "COMET server 'here' is no address"),
        (
            {"rewards": [{"reward": "gated_comet", "base_url": "http://a", "dtype": "float32"}]},
            "no effect with base_url",
        ),
        ({"watched_rewards": [{"model": "x"}]}, "watched_rewards: reward is missing"),
        ({"max_prompt_length": 0}, "max_prompt_length 0: give 1 or more"),
        ({"packing": True}, "unknown key 'packing'"),
        ({"beta": "much"}, "beta: 'much' is not a number"),
        ({"num_generations": 1}, "num_generations 1: a group needs 2 or more"),
        ({"num_generations": 3}, "8 completions is no multiple of num_generations 3"),
        ({"global_batch_size": 1020, "per_device_train_batch_size": 4}, "give global_batch_size: 1024"),
        ({"steps_per_generation": 4, "save_steps": 6}, "made for 4 steps together"),
        ({"num_iterations": 2, "save_steps": 3}, "a run killed between them would make others; give a multiple of 2"),
        ({"generation_batch_size": 16, "steps_per_generation": 2}, "give one of generation_batch_size and"),
        ({"dataset_streaming": True, "dataloader_num_workers": 2}, "dataset_streaming cannot be given"),
        ({"shuffle_dataset": True}, "shuffle_dataset cannot be given: the rows lie in the order of a hash"),
        ({"sync_ref_model": True}, "sync_ref_model cannot be given"),
        ({"reward_weights": [1.0, 2.0]}, "reward_weights [1.0, 2.0] for 1 rewards; give one for each"),
        ({"reward_weights": [0.0]}, "nothing would be rewarded"),
        ({"use_vllm": True}, "use_vllm needs the package vllm"),
        ({"mixture": {"total_tokens": 9}, "downsampling": False, "pmp": False}, "the lines of a mixture are none"),
    ],
)
def test_faults(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read({**GRPO, **change}, tmp_path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("rewards", "weights", "message"),
    [
        (["gated_comet", "gated_chrf"], None, None),
        (
            ["gated_comet", "gated_chrf"],
            [1.0, 0.05],
            "gated_comet with weight 1 would swamp gated_chrf with weight 0.05",
        ),
        (["gated_comet", "json.dumps"], None, "the scale of json.dumps is not known"),
        (["gated_comet", "json.dumps"], [1.0, 0.0], None),
    ],
)
def test_rewards_that_would_swamp_each_other_are_not_summed(
    rewards: list[str], weights: list[float] | None, message: str | None, tmp_path: Path
) -> None:
    content = {
        **GRPO,
        "rewards": rewards,
        "reward_weights": weights,
        "multi_objective_aggregation": "sum_then_normalize",
    }
    if message is None:
        read(content, tmp_path)
        return
    with pytest.raises(InputError) as caught:
        read(content, tmp_path)
    assert message in str(caught.value)
    assert "give normalize_then_sum" in str(caught.value)
    read({**content, "multi_objective_aggregation": "normalize_then_sum"}, tmp_path)


@pytest.mark.parametrize(
    ("rewards", "watched", "expected", "weights", "aggregation"),
    [
        (["gated_comet"], None, ["chrf"], [1, 0], "sum_then_normalize"),
        (["gated_chrf"], None, [], [1], "sum_then_normalize"),
        (["gated_comet", "gated_kiwi"], ["bleu"], ["bleu"], [1, 1, 0], "normalize_then_sum"),
    ],
)
def test_trl_gets_what_the_recipe_means(
    rewards: list[str],
    watched: list[str] | None,
    expected: list[str],
    weights: list[float],
    aggregation: str,
    tmp_path: Path,
) -> None:
    content = {**GRPO, "rewards": rewards, "watched_rewards": watched, "beta": 0.001, "use_cpu": True}
    recipe = read({**content, "model_revision": "abc", "eos_token": "</s>"}, tmp_path)
    assert recipe.reinforcement is not None
    assert [settings.reward for settings in recipe.reinforcement.watched] == expected
    settings = training_arguments(recipe, tmp_path / "checkpoints", None)
    assert settings.reward_weights == weights
    assert settings.multi_objective_aggregation == aggregation
    assert (settings.beta, settings.shuffle_dataset, settings.num_generations_eval) == (0.001, False, 1)
    assert settings.model_init_kwargs == {"revision": "abc"}


def test_completions_are_counted_as_trl_counts_them(tmp_path: Path) -> None:
    content = {**GRPO, "global_batch_size": 1024, "per_device_train_batch_size": 16}
    recipe = read(content, tmp_path, Launch(8, 8))
    rollouts = rollouts_of(recipe.training, 8)
    assert (rollouts.step, rollouts.prompts, rollouts.at_once, rollouts.passes) == (1024, 128, 128, 8)
    halves = rollouts_of({**recipe.training, "steps_per_generation": 4}, 8)
    assert (halves.step, halves.generated, halves.prompts, halves.at_once) == (1024, 512, 64, 64)
    sized = rollouts_of({**recipe.training, "generation_batch_size": 512}, 8)
    assert sized == halves


SHAPE = Shape(parameters=1000, linear=800, layers=2, hidden=10, cached=40)


@pytest.mark.parametrize(
    ("model", "training", "reward", "parts"),
    [
        ({}, {"beta": 0.1}, {}, (4000, 40 * 4 * 100 * 6, COMET_PARAMETERS * 2)),
        ({}, {}, {}, (0, 40 * 4 * 100 * 6, COMET_PARAMETERS * 2)),
        ({}, {"beta": 0.1, "bf16": True, "use_vllm": True}, {"device": "cuda:1"}, (4000, 0, 0)),
        ({}, {"beta": 0.1}, {"base_url": "http://127.0.0.1:8500"}, (4000, 96_000, 0)),
        ({}, {"beta": 0.1, "use_cpu": True}, {"dtype": "bfloat16"}, (4000, 96_000, COMET_PARAMETERS * 2)),
        ({"use_peft": True}, {"beta": 0.1}, {"reward": "chrf"}, (4000, 96_000, 0)),
    ],
    ids=["whole", "no KL", "vllm", "served", "cpu", "no adapter in the shape"],
)
def test_memory_beside_that_of_training(
    model: dict[str, Any], training: dict[str, Any], reward: dict[str, str], parts: tuple[float, ...]
) -> None:
    settings = RewardSettings(**{"reward": "gated_comet", **reward})
    reinforcement = Reinforcement((settings,), (), 60, 20)
    training = {
        "per_device_train_batch_size": 3,
        "gradient_accumulation_steps": 2,
        "max_completion_length": 40,
        **training,
    }
    memory = grpo_memory(SHAPE, model, training, Launch(), reinforcement)
    assert (memory.reference, memory.rollouts, memory.reward_model) == parts
    plain = memory_of(SHAPE, model, {**training, "max_length": 100}, Launch())
    assert memory.total == plain.total + sum(parts)


def test_an_adapter_needs_no_second_copy() -> None:
    reinforcement = Reinforcement((RewardSettings("chrf"),), (), 60, 20)
    memory = grpo_memory(SHAPE._replace(adapter=50), {"use_peft": True}, {"beta": 0.1}, Launch(), reinforcement)
    assert memory.reference == 0


def test_check_counts_prompts_completions_and_tokens(tmp_path: Path, tiny: Path) -> None:  # noqa: F811
    content = {
        **GRPO,
        "model_name_or_path": str(tiny),
        "eos_token": "<|im_end|>",
        "max_steps": 5,
        "max_prompt_length": 400,
        "max_completion_length": 20,
        "data": [{"path": table(tmp_path / "t.jsonl", lines(30, ("en", "de")))}],
        "directions": ["en-de"],
        "global_batch_size": 16,
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 0, (result.output, result.exception)
    for words in (
        "completions a step: 16 = 1 x 8 x 2 (processes",
        "rows: 30; steps: 5;",
        "prompts a step: 2, 8 completions of each; 16 are written at once on a device",
        "completions in all: 80; tokens to generate: about ",
        ", 1,600 at most",
        "reward model 1.1",
    ):
        assert words in result.output
