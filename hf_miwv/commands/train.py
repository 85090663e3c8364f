"""`hf-miwv train`: score, select, tune, save, by a recipe."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from hf_miwv.common.hub.hub_names import path_name

logger = logging.getLogger(__name__)


@click.command(
    "train",
    context_settings={"ignore_unknown_options": True},
    help="""
    Score the data of a recipe with its model, choose, and tune the model on what was chosen.

    The recipe is a YAML file with the sections model, data, scoring, selection, training (the
    names of trl.SFTConfig), lora (those of peft.LoraConfig; left out for full tuning), output and
    hub (where to push to). KEYS replace keys of its training section: --max_steps 3 --learning_rate
    1e-5. Killed at any moment, the same command goes on where it stopped. Needs the extra
    hf-miwv-lmt[train].
    """,
)
@click.option(
    "--config", "recipe", required=True, type=click.Path(path_type=Path), help="The recipe; see recipes/miwv."
)
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write, in place of the recipe's own.")
@click.option("--overwrite", is_flag=True, help="Replace what the output folder holds.")
@click.argument("keys", nargs=-1, type=click.UNPROCESSED)
def train_command(recipe: Path, output: Path | None, overwrite: bool, keys: tuple[str, ...]) -> None:
    """Train by the recipe; see the help text."""
    from hf_miwv.common.reading.reading import is_local, read_dataset
    from hf_miwv.common.runs.folder import check_output
    from hf_miwv.common.runs.processes import Processes
    from hf_miwv.training.train_recipe import read_recipe
    from hf_miwv.training.training import train

    wanted = read_recipe(recipe, keys, output)
    data, model, output_section = dict(wanted.data), dict(wanted.model), wanted.output
    source, columns = data.pop("source"), data.pop("columns", None)
    small = [name for name in ("4bit", "8bit") if model.pop(f"load_in_{name}", False)]
    # With --overwrite an output folder that is also read would be replaced.
    for read in (source, wanted.model["name"], output_section.get("scored")):
        if read is not None and is_local(read):
            check_output(Path(output_section["folder"]), overwrite, Path(read).expanduser())
    logger.info("reading %s", source)
    run = train(
        read_dataset(source, **data),
        model.pop("name"),
        output=output_section["folder"],
        selection=wanted.selection,
        training=wanted.training,
        lora=wanted.lora,
        loading=model | {"quantization": small[0]} if small else model,
        scoring=wanted.scoring,
        columns=columns,
        scored=output_section.get("scored"),
        license=output_section.get("license"),
        hub=wanted.hub,
        recipe=wanted.text,
        overwrite=overwrite,
        origin={
            "source": path_name(source) if is_local(source) else source,
            **data,
            "command_line": ["hf-miwv", *sys.argv[1:]],
        },
    )
    if Processes.launched().first:
        logger.info(
            "%d steps, last loss %.4f nats per token; written: %s",
            run["steps"],
            run["loss_curve"][-1]["loss"],
            output_section["folder"],
        )
