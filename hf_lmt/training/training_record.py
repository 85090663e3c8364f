"""run.json and recipe of a trained model: what decides about it, and as whose work it goes on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from hf_lmt.model_card.trained_record import TrainedRecord
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import TrainingRecipe
from hf_lmt.training.tuning import rewards_of
from hf_miwv.common.runs.record import new_record

LIBRARIES = ("trl", "peft", "accelerate")  # beside those of `new_record`
RECIPE = "recipe.yaml"


def start_record(recipe: TrainingRecipe, launch: Launch, origin: Mapping[str, Any]) -> TrainedRecord:
    """Begin the record with what is known before anything is read, and the run's "identity".

    The identity is the recipe with its overrides, but for where the result goes, the launch and the
    versions; the contents of files and models that the recipe names are compared later, by
    `claims.claim_contents`.

    Args:
        recipe (`TrainingRecipe`): The recipe, with its overrides.
        launch (`Launch`): The launch.
        origin (`Mapping[str, Any]`): "command_line" and what else the record says about the run.

    Returns:
        `TrainedRecord`: The record, without what is known later.
    """
    run: TrainedRecord = {**new_record("train", origin, "hf_lmt")}
    run["versions"] |= {name: version(name) for name in LIBRARIES}
    if recipe.model.get("load_in_4bit") or recipe.model.get("load_in_8bit"):
        run["versions"]["bitsandbytes"] = version("bitsandbytes")
    kind = "translation" if recipe.reinforcement is None else "translation by rewards"
    run["kind"] = "continued pre-training" if recipe.mixture else kind
    run["recipe"] = _plain(recipe.content)
    run["overrides"] = _plain(recipe.overrides)
    run["launch"] = {"processes": launch.processes, "sharding": launch.sharding}
    on_cpu = bool(recipe.training.get("use_cpu"))
    identity = {
        **run["recipe"],
        "processes": launch.processes,
        "sharding": launch.sharding,
        "processor threads": torch.get_num_threads() if on_cpu else None,
        "hf_lmt": run["package"]["version"],
        **run["versions"],
    }
    if rewards := rewards_of(recipe):
        described = rewards.identities()  # with the fingerprint of the user's own functions
        identity["rewards"] = described
        # Where a COMET is served decides about nothing.
        if "watched_rewards" in identity:
            identity["watched_rewards"] = [
                {key: value for key, value in entry.items() if key != "base_url"} if isinstance(entry, dict) else entry
                for entry in identity["watched_rewards"] or ()
            ]
        # By names of their own, which a refusal to go on tells.
        identity |= {f"COMET served for {entry['name']}": entry["served"] for entry in described if "served" in entry}
    identity.pop("output_dir")
    identity["hub"] = {"license": recipe.hub.get("license")}  # in the card; the rest is where to
    run["identity"] = identity
    return run


def save_recipe(recipe: TrainingRecipe, folder: Path) -> None:
    """Write recipe.yaml: the file as it is, or with overrides its content with them in place.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        folder (`Path`): The folder to write to.
    """
    if not recipe.overrides:
        shutil.copyfile(recipe.path, folder / RECIPE)
        return
    words = ", ".join(f"{name}: {value}" for name, value in recipe.overrides.items())
    text = yaml.safe_dump(_plain(recipe.content), sort_keys=False, allow_unicode=True)
    head = f"# {recipe.path.name}, with changes of the command line: {words}\n"
    (folder / RECIPE).write_text(head + text, "utf-8")


def _plain(content: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the value as it will be read again from JSON; dates by their text."""
    return json.loads(json.dumps(dict(content), default=str))
