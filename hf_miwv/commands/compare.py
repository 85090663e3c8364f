"""`hf-miwv compare`: which rows would each method keep, and are these other rows?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hf_miwv.common.command_line import comma_separated, json_option, show_result


@click.command(
    "compare",
    help="""
    Compare the rows that MIWV and other methods would keep of SCORED, and write the folder OUTPUT.

    SCORED: a folder that `hf-miwv score` wrote, or its id on the Hub (USER/NAME,
    USER/NAME@REVISION), or several of the same data, scored with other models or settings. OUTPUT
    is a report: comparison.html, which opens in any browser, its pictures, and all numbers in
    comparison.json.
    """,
)
@click.argument("scored", nargs=-1, required=True)
@click.option(
    "--fractions",
    metavar="P,...",
    default="0.01,0.05,0.1,0.15",
    show_default=True,
    help="Shares of all rows to keep, as for `hf-miwv select`.",
)
@click.option(
    "--methods",
    metavar="NAME,...",
    help="Methods to compare. [default: all that the columns of SCORED allow, miwv_low and random]",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random choice.")
@click.option(
    "--source-column",
    metavar="NAME",
    help="Column that says where a row comes from. [default: source, dataset or the like, if there is one]",
)
@click.option(
    "--text-column",
    "text_columns",
    metavar="NAME",
    multiple=True,
    help="Column to show of example rows; may be given several times. [default: prompt and response]",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@json_option
def compare_command(
    as_json: bool,
    scored: tuple[str, ...],
    fractions: str,
    methods: str | None,
    seed: int,
    source_column: str | None,
    text_columns: tuple[str, ...],
    output: Path,
    overwrite: bool,
) -> None:
    """Compare the choices; see the help text."""
    from hf_miwv.common.runs.folder import check_output
    from hf_miwv.comparing.comparison import compare
    from hf_miwv.comparing.comparison_folder import write_comparison
    from hf_miwv.comparing.comparison_tables import show_comparison

    for folder in scored:
        # With --overwrite an OUTPUT that is one of the compared folders would be replaced.
        check_output(output, overwrite, Path(folder).expanduser())
    report = compare(
        scored,
        fractions=comma_separated(fractions),
        methods=None if methods is None else comma_separated(methods),
        seed=seed,
        source_column=source_column,
        text_columns=text_columns,
    )
    write_comparison(report, output, overwrite, {"command_line": ["hf-miwv", *sys.argv[1:]]})
    show_result(as_json, report, lambda: show_comparison(report))
    click.echo(f"written: {output}; open {output / 'comparison.html'}", err=True)
