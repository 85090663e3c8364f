"""`hf-lmt prepare --executor`: where its tasks run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.prepared_record import PreparedRecord
from hf_miwv.common.executors.executor_settings import read_executor
from hf_miwv.common.executors.jobs_command import jobs_command
from hf_miwv.common.recipes.yaml_file import load_mapping

EXTRAS = "curate,scale"  # that the command may need on the machine of a job


def prepare_in_tasks(
    recipe: DataRecipe,
    output: Path,
    executor: str,
    config: Path | None,
    overwrite: bool,
    origin: Mapping[str, Any],
) -> PreparedRecord | None:
    """Prepare in tasks; with hf-jobs, print the command of the job, and with slurm, queue them.

    Args:
        recipe (`DataRecipe`): The recipe.
        output (`Path`): The folder to write.
        executor (`str`): The option, such as "local:8".
        config (`Path | None`): The file of the executor's settings.
        overwrite (`bool`): Whether `output` may be replaced.
        origin (`Mapping[str, Any]`): `command_line`, for the record.

    Returns:
        `PreparedRecord | None`: The record; None where nothing is finished yet.
    """
    settings = read_executor(executor, load_mapping(config) if config else None)
    if settings.kind == "hf-jobs":
        words = origin["command_line"][1:]
        click.echo(shlex.join(jobs_command(settings, "hf-lmt", words, EXTRAS, output)))
        return None
    from hf_lmt.pipeline.prepare_sharded import prepare_sharded

    run = prepare_sharded(recipe, output, settings, overwrite=overwrite, origin=origin)
    if run is None:
        click.echo(
            f"queued: {output}.work/tasks holds the scripts and logs; {output} appears when all are done", err=True
        )
    return run
