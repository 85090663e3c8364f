"""`hf-lmt inspect`: what is in corpora, direction by direction, and what will go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_lmt.commands.json_file import check_json_file, json_file_option, show_numbers
from hf_lmt.commands.source_options import listed, source_fields, source_options


@click.command(
    "inspect",
    help="""
    Show what is in DATA, direction by direction, and what will go wrong in training on it.

    DATA is anything that holds translations: a table with a column per language, JSON Lines, TSV,
    TMX, plain text files side by side (data/train for train.en and train.de), a FLORES folder, a
    Hub data set, or a folder that `hf-lmt prepare` or `curate` wrote. Each verdict says how bad it
    is, by which numbers, and which setting mends it. Without DATA, the sample in the package.
    """,
)
@click.argument("data", required=False)
@click.option(
    "--kind",
    help="What DATA is, where its look does not tell: rows, table, translation, smol, text, flores, tsv or tmx.",
)
@source_options
@click.option(
    "--directions",
    metavar="GLOBS",
    help="Directions that there should be, with commas between: en-*,*-zh. [default: all that are there]",
)
@click.option("--corpus", help="What the corpus is called. [default: by its path]")
@click.option("--split", help="Split of a Hub data set, FLORES folder or other folder.")
@click.option(
    "--rate",
    type=float,
    default=0.05,
    show_default=True,
    help="Share of X->En and X->Zh that downsampling would keep.",
)
@click.option(
    "--evaluation-sets",
    metavar="SETS",
    help="Look for rows that repeat these, with "
    "commas between: flores-devtest, wmt24++, paths. [default: not checked]",
)
@click.option(
    "--identify", is_flag=True, help="Also identify each text's language; about 3,000 distinct texts a second."
)
@click.option("--all", "every", is_flag=True, help="Show every direction, not only the worst.")
@json_file_option
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write table, picture and numbers to.")
@click.option("--overwrite", is_flag=True, help="Replace what is in the --output folder.")
def inspect_command(
    data: str | None,
    kind: str | None,
    directions: str | None,
    corpus: str | None,
    split: str | None,
    rate: float,
    evaluation_sets: str | None,
    identify: bool,
    every: bool,
    json_file: Path | None,
    output: Path | None,
    overwrite: bool,
    **reading: Any,
) -> None:
    """Inspect the rows; see the help text."""
    import sys
    from importlib.resources import files

    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.corpora.sources import Source
    from hf_lmt.data.curation.identification import LanguageIdentification
    from hf_lmt.data.inspection.inspect import inspect_rows
    from hf_lmt.data.inspection.inspection_folder import as_json, check_inspection_output, write_inspection
    from hf_lmt.data.inspection.inspection_table import show_inspection
    from hf_lmt.data.method.downsampling import StrategicDownsampling
    from hf_lmt.directions import DIRECTIONS, match_directions

    downsampling = StrategicDownsampling(rate)
    chosen_directions = match_directions(listed(directions)) if directions else None
    if output is not None:
        check_inspection_output(output, overwrite, ["hf-lmt", *sys.argv[1:]])
    check_json_file(json_file)
    data = data or str(files("hf_lmt") / "sample" / "sentences.csv")
    source = Source(data, kind=kind, corpus=corpus, split=split, **source_fields(**reading))
    rows = load(source, chosen_directions or DIRECTIONS).rows
    inspection = inspect_rows(
        rows,
        downsampling=downsampling,
        directions=chosen_directions,
        evaluation_sets=listed(evaluation_sets or ""),
        identification=LanguageIdentification() if identify else None,
    )
    show_numbers(json_file, as_json(inspection), lambda: show_inspection(inspection, every))
    if output is not None:
        write_inspection(inspection, output, overwrite, {"command_line": ["hf-lmt", *sys.argv[1:]]})
