"""`hf-lmt recipe check`: what a recipe will do, and what it lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tiny import CHATML

from hf_lmt.recipes.launch import Launch
from hf_lmt.training.estimate import Shape, memory_of, steps_of
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.launched_sharding import check_can_shard
from tests.lmt.data.prepare.prepared_rows import lines, table
from tests.lmt.recipes.test_recipes import BASE
from tests.lmt.training.test_training import cache, door, tiny  # noqa: F401

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("model", "launch", "bytes_each"),
    [
        ({}, Launch(), (4, 4, 8)),
        ({}, Launch(4, 4), (4, 8, 8)),
        ({"dtype": "bfloat16"}, Launch(), (2, 2, 4)),
        ({}, Launch(4, 4, "fsdp"), (1, 1, 2)),
        ({}, Launch(4, 4, "zero2"), (4, 1, 2)),
    ],
    ids=["alone", "ddp", "bf16", "fsdp", "zero2"],
)
def test_bytes_of_a_weight(model: dict[str, Any], launch: Launch, bytes_each: tuple[int, ...]) -> None:
    shape = Shape(parameters=1000, linear=800, layers=2, hidden=10)
    memory = memory_of(shape, model, {"max_length": 100, "per_device_train_batch_size": 3}, launch)
    assert (memory.weights, memory.gradients, memory.optimizer) == tuple(1000 * one for one in bytes_each)
    assert memory.activations == 300 * 10 * (2 * 2 + 34)


@pytest.mark.parametrize(
    ("rows", "training", "steps"),
    [
        (100, {"max_steps": 7}, 7),
        (None, {"max_steps": 7}, 7),
        (None, {}, None),
        (100, {"num_train_epochs": 1}, 13),
        (100, {"num_train_epochs": 2.0}, 26),
    ],
)
def test_steps(rows: int | None, training: dict[str, Any], steps: int | None) -> None:
    assert steps_of(rows, 8, training) == steps


def test_check_says_what_a_recipe_will_do(tmp_path: Path, tiny: Path) -> None:  # noqa: F811
    content = {
        **BASE,
        "model_name_or_path": str(tiny),
        "eos_token": "<|im_end|>",
        "num_train_epochs": 1,
        "data": [{"path": table(tmp_path / "t.jsonl", lines(30, ("en", "de", "nl")))}],
        "directions": ["en-*", "de-en"],
        "downsampling": {"rate": 1.0},
        "global_batch_size": 10,
        "per_device_train_batch_size": 5,
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 0, result.output
    for words in (
        "de-en 30, en-de 30, en-nl 30",
        "rows: 90; steps: 9;",
        "1 x 5 x 2 (processes",
        "memory of a GPU (estimated): 1.",
    ):
        assert words in result.output
    launch = str(ROOT / "recipes" / "accelerate" / "cpu.yaml")
    result = CliRunner().invoke(door, ["recipe", "check", str(path), "--launch", launch])
    assert "2 x 5 x 1 (processes" in result.output
    result = CliRunner().invoke(door, ["recipe", "check", str(path), "--max_step", "3"])
    assert result.exit_code == 2
    assert "unknown key 'max_step'" in result.output


@pytest.mark.parametrize("launch", ["accelerate/fsdp2", "accelerate/deepspeed_zero3"])
def test_check_refuses_shards_on_the_cpu(launch: str, tmp_path: Path) -> None:
    """accelerate would train by DDP, without a word; `hf-lmt train` refuses with the same words."""
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**BASE, "use_cpu": True, "bf16": False}), "utf-8")
    result = CliRunner().invoke(door, ["recipe", "check", str(path), "--launch", launch])
    assert result.exit_code == 2
    sharding = "fsdp" if launch.endswith("fsdp2") else "zero3"
    with pytest.raises(InputError) as refusal:
        check_can_shard(sharding, use_cpu=True)
    words = str(refusal.value).replace("distributed_type NO", "distributed_type MULTI_CPU")
    assert " ".join(words.split()) in " ".join(result.output.split())


def test_check_says_which_source_is_not_here() -> None:
    path = ROOT / "recipes" / "lmt" / "0.6b" / "sft.yaml"
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "rows: not known; steps: 500" in result.output
    assert "not on this machine: NiuTrans/LMT-60-sft-data" in result.output


def test_check_counts_without_the_model_that_an_earlier_stage_writes() -> None:
    result = CliRunner().invoke(door, ["recipe", "check", str(ROOT / "recipes" / "lmt" / "0.6b" / "grpo.yaml")])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "the model lmt-trained/0.6b/sft is not on this machine yet" in result.output
    assert "prompts a step: 128, 8 completions of each" in result.output
    assert "completions in all: 512,000; tokens to generate: 262,144,000 at most" in result.output


def test_check_refuses_an_encoder_decoder(tmp_path: Path, tiny: Path) -> None:  # noqa: F811
    import shutil

    from transformers import T5Config

    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    T5Config(vocab_size=400, d_model=16, num_layers=1).save_pretrained(model)
    content = {
        **BASE,
        "model_name_or_path": str(model),
        "eos_token": "<|im_end|>",
        "data": [{"path": table(tmp_path / "t.jsonl", lines(3, ("en", "de")))}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 2, (result.output, result.exception)
    assert "is an encoder-decoder (t5)" in result.output
    assert "causal language model" in result.output


@pytest.mark.parametrize("here", [True, False])
def test_check_refuses_a_tokenizer_of_another_model(
    here: bool,
    tmp_path: Path,
    tiny: Path,  # noqa: F811
) -> None:
    """As the training would: rows that are here have a token without an embedding, or the end."""
    import shutil

    from transformers import AutoTokenizer

    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_tokens([f"filler{number}" for number in range(40)])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|end|>"]})
    assert tokenizer.convert_tokens_to_ids("<|end|>") >= 400
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "<|end|>")
    tokenizer.save_pretrained(model)
    rows = table(tmp_path / "t.jsonl", lines(3, ("en", "de")))
    content = {
        **BASE,
        "model_name_or_path": str(model),
        "eos_token": "<|end|>",
        "data": [{"path": rows if here else "owner/rows"}],
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 2, (result.output, result.exception)
    assert "the token '<|end|>' has the id 41" in result.output
    assert "and the model has embeddings for the ids 0 to 399 only" in result.output
