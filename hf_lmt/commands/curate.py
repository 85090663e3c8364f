"""`hf-lmt curate`: corpora through filters, with a reason for every row that goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_lmt.commands.source_options import listed, source_fields, source_options
from hf_miwv.common.command_line import json_option, show_result


@click.command(
    "curate",
    help="""
    Filter DATA, count for every direction what each filter took and why, and write the rest.

    DATA is anything that holds translations: a table with a column per language, JSON Lines, TSV,
    TMX, plain text files side by side (data/train for train.en and train.de), a FLORES folder, or
    a Hub data set. CLEAN opens with `load_dataset`. Applied by default: empty, length,
    length_ratio, markup, copy, script, duplicates, contamination (rows that repeat an evaluation
    set). On request: whitespace (which trims), score (a cell of --cells), terminal_punctuation,
    digits, identification, near_duplicates, quality, caps.
    """,
)
@click.argument("data")
@click.option("--output", metavar="CLEAN", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--kind",
    help="What DATA is, where its look does not tell: rows, table, translation, smol, text, flores, tsv or tmx.",
)
@source_options
@click.option(
    "--directions",
    metavar="GLOBS",
    help="Directions to make rows of, with commas between: en-*,*-zh. [default: all that are there]",
)
@click.option("--corpus", help="What the corpus is called. [default: by its path]")
@click.option("--license", "--licence", "license", help="License of DATA, for the card; by the Hub's name: cc-by-4.0.")
@click.option("--split", help="Split of a Hub data set, FLORES folder or other folder.")
@click.option(
    "--settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file of steps, as in `length_ratio: {most: 4}` or `script: false`.",
)
@click.option(
    "--set",
    "changes",
    metavar="STEP.SETTING=VALUE",
    multiple=True,
    help="One setting, such as length_ratio.most=4, or a step: digits=true. Repeatable.",
)
@click.option(
    "--contamination-sets",
    metavar="SETS",
    help="Evaluation sets, with commas "
    "between: names, files, folders; none for no check. "
    "[default: flores-devtest,wmt24++]",
)
@click.option("--keep-rejects", is_flag=True, help="Write what goes, too, each with its reason.")
@click.option("--overwrite", is_flag=True, help="Replace what is in the folder.")
@json_option
def curate_command(
    as_json: bool,
    data: str,
    output: Path,
    kind: str | None,
    directions: str | None,
    corpus: str | None,
    license: str | None,
    split: str | None,
    settings: Path | None,
    changes: tuple[str, ...],
    contamination_sets: str | None,
    keep_rejects: bool,
    overwrite: bool,
    **reading: Any,
) -> None:
    """Filter the rows; see the help text."""
    import sys

    from hf_lmt.data.corpora.sources import Source
    from hf_lmt.data.curation.curate_source import curate_source
    from hf_lmt.data.curation.curation_report import show_curation
    from hf_lmt.data.curation.curation_settings import steps_from
    from hf_lmt.directions import DIRECTIONS, match_directions
    from hf_miwv.common.recipes.yaml_file import load_mapping

    step_settings = changed_settings(load_mapping(settings) if settings else {}, changes)
    if contamination_sets is not None:
        sets = listed(contamination_sets)
        step_settings = with_setting(step_settings, "contamination", "sets", "none" if sets == ["none"] else sets)
    run = curate_source(
        Source(
            data,
            kind=kind,
            corpus=corpus,
            license=license,
            split=split,
            **source_fields(**reading),
        ),
        output,
        steps_from(step_settings),
        directions=match_directions(listed(directions)) if directions else DIRECTIONS,
        keep_rejects=keep_rejects,
        overwrite=overwrite,
        command_line=["hf-lmt", *sys.argv[1:]],
    )
    show_result(as_json, run, lambda: show_curation(run))


def changed_settings(step_settings: dict[Any, Any], changes: tuple[str, ...]) -> dict[Any, Any]:
    """Put each STEP.SETTING=VALUE or STEP=VALUE into the settings; values are YAML.

    Args:
        step_settings (`dict[Any, Any]`): Settings by step, as a settings file has them; not changed.
        changes (`tuple[str, ...]`): The changes, in the order they are made.

    Returns:
        `dict[Any, Any]`: The settings with all changes.

    Raises:
        InputError: a change that is written in another form, or whose value is not YAML.
    """
    import yaml

    from hf_miwv.common.errors import InputError
    from hf_miwv.common.recipes.yaml_text import read_yaml

    for change in changes:
        name, equals, text = change.partition("=")
        step, dot, option = name.partition(".")
        if not (step and equals and text) or bool(dot) != bool(option):
            raise InputError(f"--set {change}: write STEP.SETTING=VALUE as in length_ratio.most=4, or STEP=true")
        try:
            value = read_yaml(text)
        except yaml.YAMLError as error:
            raise InputError(f"--set {change}: {text!r} is no value: {error}") from error
        step_settings = with_setting(step_settings, step, option, value) if option else {**step_settings, step: value}
    return step_settings


def with_setting(step_settings: dict[Any, Any], step: str, option: str, value: Any) -> dict[Any, Any]:
    """Set one option of a step to a value.

    Args:
        step_settings (`dict[Any, Any]`): Settings by step; not changed.
        step (`str`): Name of the step; settings of it that are no mapping (`true`) are replaced.
        option (`str`): Name of the option.
        value (`Any`): Its value.

    Returns:
        `dict[Any, Any]`: The settings with this one.
    """
    options = step_settings.get(step)
    return {**step_settings, step: {**(options if isinstance(options, dict) else {}), option: value}}
