"""A checkpoint that waits to be pushed: what a translator needs beside the weights, and a card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_lmt.recipes.training_recipe import MODEL
from hf_lmt.training.tuning import Run
from hf_lmt.training.write_model import save_origin
from hf_miwv.common.cards.parts import on_hub
from hf_miwv.common.hub.hub_section import write_checkpoint_card


def complete_checkpoint(run: Run, folder: Path, step: int) -> None:
    """Complete a checkpoint, so that the revision can be translated with as the finished model can.

    Generation config, translation_prompt.json, recipe and card are added. The files there are links, and
    what is written in their place is new: none is changed.

    Args:
        run (`Run`): The training.
        folder (`Path`): Folder of the checkpoint, as it will be pushed.
        step (`int`): Step of the checkpoint, for the card.
    """
    if run.recipe.model.get("use_peft"):
        run.model.generation_config.save_pretrained(folder)  # whole models come with theirs
    save_origin(folder, run)
    write_checkpoint_card(folder, _metadata(run), run.recipe.hub["repo_id"], step)


def _metadata(run: Run) -> dict[str, Any]:
    """Return the card's metadata, with base_model only where it is an id on the Hub, which refuses others."""
    base, directions = run.recipe.content[MODEL], run.rows.run["counts"]["directions"]
    metadata: dict[str, Any] = {
        "library_name": "peft" if run.recipe.model.get("use_peft") else "transformers",
        "pipeline_tag": "text-generation" if run.recipe.mixture else "translation",
        "language": sorted({code for name in directions for code in name.split("-")}),
        "tags": ["machine-translation", "lmt", "checkpoint"],
    }
    if on_hub(base):
        metadata["base_model"] = base
    if license := run.recipe.hub.get("license"):
        metadata["license"] = license
    return metadata
