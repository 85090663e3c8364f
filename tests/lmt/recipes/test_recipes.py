"""Recipes: what may stand in them, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_lmt.commands.recipe import recipe_command
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import TrainingRecipe, read_training_recipe
from hf_miwv.common.errors import InputError
from tests.lmt.training.test_training import door

pytest.importorskip("trl")
pytest.importorskip("peft")

ROOT = Path(__file__).parents[3]
BASE: dict[str, Any] = {
    "model_name_or_path": "owner/model",
    "output_dir": "out",
    "data": [{"path": "train"}],
    "curation": {"contamination": {"sets": "none"}},
}
if recipe_command not in door.commands.values():
    door.add_command(recipe_command)


def read(content: dict[str, Any], folder: Path, *words: str, launch: Launch | None = None) -> TrainingRecipe:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return read_training_recipe(path, words, launch or Launch())


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ({"learning_rat": 1}, ["unknown key 'learning_rat'; did you mean 'learning_rate'"]),
        ({"qqzz": 8}, ["unknown key 'qqzz'; the nearest of"]),
        ({"model_name_or_path": "package:../x"}, ["model_name_or_path: package:../x: give package:"]),
        ({"data": [{"path": "package:a..b"}]}, ["data, source 1: package:a..b: give package:"]),
        ({"global_batchsize": 8}, ["did you mean 'global_batch_size'"]),
        ({"max_steps": 2.5, "bf16": "maybe"}, ["max_steps: 2.5 is not", "bf16: 'maybe'"]),
        ({"lr_scheduler_type": "cosin"}, ["lr_scheduler_type: 'cosin' is not one of its values"]),
        ({False: 1}, ["unknown key: YAML reads this word as False; put it in quotes"]),
        ({"data": [{"path": "train", "languages": ["en", False]}]}, ['Norwegian as "nb"']),
        ({"directions": [False]}, ["directions: YAML reads this word as False"]),
        ({"pmp": {"sharing": 1}, "max_step": 1}, ["pmp: unknown key 'sharing'", "'max_step'"]),
        ({"data": None}, ["data: is missing; give a list of sources"]),
        ({"output_dir": None}, ["output_dir is missing"]),
        ({"model_name_or_path": None}, ["model_name_or_path is missing"]),
        ({"model_name_or_path": "package:nothing_there/x"}, ["nothing-there, which is not installed"]),
        ({"load_in_4bit": True}, ["load_in_4bit holds the weights still, so full tuning cannot be"]),
        ({"load_in_4bit": True, "load_in_8bit": True, "use_peft": True}, ["give one of load_in_4bit"]),
        ({"lora_r": 8}, ["lora_r has no effect without use_peft: true"]),
        ({"merge": True}, ["merge puts an adapter into the weights, and there is none"]),
        ({"bf16": True, "fp16": True}, ["give one of bf16 and fp16"]),
        ({"dtype": "float16"}, ["full tuning in it loses the small steps"]),
        ({"packing": True}, ["packing: it would join several rows to one"]),
        ({"save_total_limit": 1}, ["a run killed then would have none; give 2 or more"]),
        ({"eval_strategy": "steps"}, ["there is nothing to evaluate on; add a section evaluation"]),
        ({"evaluation": {"set": ["x"]}}, ["evaluation: unknown key 'set'"]),
        ({"evaluation": {}}, ["evaluation: sets: give a list of names or paths"]),
        ({"hub": {"repo_id": "no-owner", "privat": True}}, ["give OWNER/NAME", "'private'"]),
        ({"resume_from_checkpoint": "x"}, ["cannot be given: a killed run goes on by itself"]),
        ({"fsdp": "full_shard"}, ["fsdp cannot be given: the launch file of"]),
        ({"attn_implementation": "flash_attention_2"}, ["flash-attn", "or give sdpa"]),
        ({"use_liger_kernel": True}, ["liger-kernel, which is not installed"]),
        ({"global_batch_size": 8, "gradient_accumulation_steps": 2}, ["give one of them"]),
        ({"global_batch_size": 0}, ["give whole numbers, 1 or more"]),
    ],
)
def test_faults_are_told_together(change: dict[Any, Any], messages: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read({**BASE, **change, "warmup_ratio": 0.1}, tmp_path)
    for message in [*messages, "unknown key 'warmup_ratio'; its name is warmup_steps (below 1 it is a share"]:
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("launch", "each", "accumulation"),
    [
        (Launch(1, 1), 8, 6),
        (Launch(2, 2), 8, 3),
        (Launch(16, 8), 3, 1),
    ],
)
def test_the_accumulation_follows_from_the_batch(launch: Launch, each: int, accumulation: int, tmp_path: Path) -> None:
    content = {**BASE, "global_batch_size": 48, "per_device_train_batch_size": each}
    recipe = read(content, tmp_path, launch=launch)
    assert recipe.training["gradient_accumulation_steps"] == accumulation


def test_a_batch_that_cannot_be_divided_is_told_with_its_numbers(tmp_path: Path) -> None:
    content = {**BASE, "global_batch_size": 48}
    with pytest.raises(InputError, match=r"48 is no multiple of 56: 7 processes x 8 rows") as told:
        read(content, tmp_path, launch=Launch(7, 7))
    assert "no number of rows fits 7 processes" in str(told.value)
    with pytest.raises(InputError, match=r"give per_device_train_batch_size: 6$"):
        read({**content, "per_device_train_batch_size": 7}, tmp_path, launch=Launch(4, 4))


@pytest.mark.parametrize(
    ("change", "launch", "message"),
    [
        ({"load_in_8bit": True}, Launch(8, 8, "fsdp"), "load_in_8bit cannot be with fsdp"),
        ({"load_in_8bit": True}, Launch(8, 8, "zero3"), "load_in_8bit cannot be with zero3"),
        ({"merge": True}, Launch(8, 8, "zero3"), "merge loads the whole base in one process"),
        ({"load_in_8bit": True}, Launch(8, 8), None),
        ({"load_in_4bit": True}, Launch(8, 8, "fsdp"), None),
    ],
)
def test_quantized_weights_and_shards(
    change: dict[str, Any], launch: Launch, message: str | None, tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    content = {**BASE, **change, "use_peft": True}
    if message is None:
        read(content, tmp_path, launch=launch)
    else:
        with pytest.raises(InputError, match=message):
            read(content, tmp_path, launch=launch)


def test_words_behind_the_command_change_keys_and_sections(tmp_path: Path) -> None:
    words = (
        "--learning-rate",
        "1e-5",
        "--pmp.share=0.25",
        "--downsampling",
        "false",
        "--max_steps",
        "3",
        "--max_steps",
        "4",
    )
    recipe = read({**BASE, "pmp": True}, tmp_path, *words)
    assert (recipe.training["learning_rate"], recipe.training["max_steps"]) == (1e-5, 4)
    assert recipe.data.prompting.share == 0.25
    assert recipe.data.downsampling is None
    assert recipe.overrides["max_steps"] == 4
    with pytest.raises(InputError, match="give a key of the recipe and its value"):
        read(BASE, tmp_path, "--max_steps")
    with pytest.raises(InputError, match=r"--seed.x: seed of the recipe has no keys"):
        read({**BASE, "seed": 1}, tmp_path, "--seed.x", "1")
