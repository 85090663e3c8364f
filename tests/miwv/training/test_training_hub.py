"""`hf-miwv train` with a section hub: checkpoints as revisions, then the whole model."""

# ruff: noqa: F811  the fixtures of another file
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hub.server import HubServer

from hf_miwv.common.hub.manifest import NAME
from hf_miwv.common.runs.workspace import workspace_of
from tests.miwv.training.test_training import change, invoke, recipe, refused, scored  # noqa: F401

pytest.importorskip("trl")
pytest.importorskip("peft")


def test_a_recipe_to_the_hub(hub: HubServer, recipe: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    change(recipe, "output: {", "hub: {repo_id: ada/tuned, every_save: true}\noutput: {")
    change(recipe, "max_steps: 2", "max_steps: 2, save_steps: 1, save_total_limit: 2")
    hub.fault("/commit/main", status=413)
    refused(invoke(recipe), "the model is finished, and whole in")
    result = invoke(recipe)
    assert result.exit_code == 0, result.output
    files = hub.files("model", "ada/tuned")
    assert files.pop(NAME)
    tuned = tmp_path / "tuned"
    assert files == {path.name: path.read_bytes() for path in tuned.iterdir()}
    assert files["recipe.yaml"] == recipe.read_bytes()
    assert sorted(hub.store.find("model", "ada/tuned").refs) == ["main", "step-1", "step-2"]
    assert hub.store.find("model", "ada/tuned").private
    step = hub.files("model", "ada/tuned", "step-2")
    assert step["model.safetensors"] == files["model.safetensors"]
    card = yaml.safe_load(step["README.md"].decode().split("---\n")[1])
    assert card["library_name"] == "transformers"
    assert not workspace_of(tuned).exists()
    cache = {"cache_dir": str(tmp_path / "cache"), "revision": "step-1"}
    assert AutoModelForCausalLM.from_pretrained("ada/tuned", **cache)
    assert AutoTokenizer.from_pretrained("ada/tuned", **cache).chat_template


def test_a_refusal_is_told_before_anything_is_scored(hub: HubServer, recipe: Path, tmp_path: Path) -> None:
    change(recipe, "output: {", "hub: {repo_id: bob/tuned}\noutput: {")
    refused(invoke(recipe), "bob/tuned: the token may not write here")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.yaml", "rows.jsonl"]


@pytest.mark.slow
def test_changes_of_the_command_line_are_in_the_recipe_that_is_kept(recipe: Path, tmp_path: Path) -> None:
    assert invoke(recipe, "--max_steps", 1).exit_code == 0
    kept = (tmp_path / "tuned" / "recipe.yaml").read_text()
    assert kept.startswith("# recipe.yaml, with changes of the command line: max_steps: 1\n")
    assert yaml.safe_load(kept)["max_steps"] == 1
