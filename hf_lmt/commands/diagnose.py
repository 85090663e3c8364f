"""`hf-lmt diagnose`: where did it get worse, and is it degeneration?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hf_lmt.commands.json_file import check_json_file, json_file_option, show_numbers


@click.command(
    "diagnose",
    help="""
    Say where EVAL_AFTER is worse than EVAL_BEFORE and what kind of failure it is: directional
    degeneration, off-target output, copying, empty output, over-generation, or a plain loss.

    Both are folders that `hf-lmt evaluate` wrote, of the same set, or their ids on the Hub
    (USER/NAME, USER/NAME@REVISION): a model before and after training, or two models. One EVAL
    alone is judged by what its outputs show. Exit code 1 where a threshold is passed, 0 where none
    is, 2 where the input cannot be used.
    """,
)
@click.argument(
    "evaluations", metavar="[EVAL_BEFORE] EVAL_AFTER", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--training-rows",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="The rows that the model was trained on, as `hf-lmt prepare` wrote them: says "
    "how many sources stand behind a sentence.",
)
@click.option(
    "--samples", type=click.IntRange(min=40), default=1000, show_default=True, help="Resamples of the bootstrap."
)
@json_file_option
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write picture, page and numbers to.")
@click.option("--overwrite", is_flag=True, help="Replace what is in the --output folder.")
def diagnose_command(
    evaluations: tuple[Path, ...],
    training_rows: Path | None,
    samples: int,
    json_file: Path | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Diagnose the evaluations; see the help text."""
    from hf_lmt.evaluation.diagnosis.diagnose import as_json, diagnose
    from hf_lmt.evaluation.diagnosis.diagnosis_folder import write_diagnosis
    from hf_lmt.evaluation.diagnosis.diagnosis_tables import show_diagnosis
    from hf_lmt.evaluation.report.write_report import check_new
    from hf_miwv.common.errors import InputError

    if len(evaluations) > 2:
        raise InputError(f"{len(evaluations)} evaluations: give one, or one before and one after")
    if output is not None:
        check_new(output, overwrite, evaluations, ["hf-lmt", *sys.argv[1:]])
    check_json_file(json_file)
    before = evaluations[0] if len(evaluations) == 2 else None
    diagnosis = diagnose(before, evaluations[-1], training_rows, samples)
    show_numbers(json_file, as_json(diagnosis), lambda: show_diagnosis(diagnosis))
    if output is not None:
        write_diagnosis(diagnosis, output, overwrite, {"command_line": ["hf-lmt", *sys.argv[1:]]})
        click.echo(f"written: open {output / 'index.html'}", err=True)
    if diagnosis.alarm:
        sys.exit(1)
