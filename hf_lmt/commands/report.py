"""`hf-lmt report`: evaluations as tables, heat maps and a page."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hf_miwv.common.command_line import json_option, show_result


@click.command(
    "report",
    help="""
    Show EVAL, a folder that `hf-lmt evaluate` wrote, or several of one set side by side: means by
    group here, all directions in heat maps and on a page for the browser.

    EVAL may be on the Hub: USER/NAME or USER/NAME@REVISION.

    Page and heat map of one EVAL go into its own folder, without texts of the evaluation set, so
    that it can be pushed. With --output they go there, with sources and references where the set is
    at hand: for your eyes only.
    """,
)
@click.argument("evaluations", metavar="EVAL...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Folder to write page and heat maps to. [default: EVAL itself; none for several]",
)
@click.option("--overwrite", is_flag=True, help="Replace what is in the --output folder.")
@json_option
def report_command(as_json: bool, evaluations: tuple[Path, ...], output: Path | None, overwrite: bool) -> None:
    """Report on the evaluations; see the help text."""
    from hf_lmt.evaluation.report.report_tables import show_report
    from hf_lmt.evaluation.report.write_report import check_new, read_evaluations, write_report, write_reports
    from hf_miwv.common.reading.source import Source

    if output is not None:
        check_new(output, overwrite, evaluations, ["hf-lmt", *sys.argv[1:]])
    judged = read_evaluations(evaluations)
    scores = {evaluation.name: evaluation.scores for evaluation in judged}
    show_result(as_json, scores, lambda: show_report(judged))
    if output is not None:
        origin = {"command_line": ["hf-lmt", *sys.argv[1:]]}
        page = write_reports(evaluations, output, overwrite, origin)
    elif len(evaluations) == 1 and Source.parse(evaluations[0]).is_local:
        page = write_report(evaluations[0])
    else:
        click.echo(
            "no page: give --output FOLDER for one of several evaluations, or of one on the Hub",
            err=True,
        )
        return
    click.echo(f"written: open {page}", err=True)
