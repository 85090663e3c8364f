"""`hf-lmt evaluate`: a model, or hypotheses, judged on an evaluation set in all directions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hf_lmt.commands.source_options import listed, source_fields, source_options
from hf_lmt.commands.translate import translate_command
from hf_miwv.common.command_line import json_option, show_result

TRANSLATING = (
    "revision",
    "num_beams",
    "max_new_tokens",
    "batch_tokens",
    "prompt",
    "form",
    "backend",
    "base_url",
    "dtype",
    "load_in_8bit",
    "load_in_4bit",
    "device",
    "work",
)
"""Options of `hf-lmt translate` that a model takes here, too."""


@click.command(
    "evaluate",
    help="""
    Judge MODEL, or hypotheses from elsewhere, on an evaluation set: scores with confidence
    intervals, and how often translations are in another language, copied, blank, too long,
    repetitive or shared by different sources.

    DATA is flores-devtest, flores-dev, wmt24++, ntrex-128 or flores-mvf from the Hub or its cache;
    a folder with a copy of one; or any table with a column per language, rows, JSON Lines, TSV or
    plain text files side by side. EVAL holds no text of the set, and can be pushed as it is. A
    killed run goes on where it stopped when the same command is typed again.
    """,
)
@click.option(
    "--model",
    help="A causal language model: Hub id (USER/NAME, USER/NAME@REVISION), folder, GGUF file, or a PEFT adapter.",
)
@click.option(
    "--hypotheses",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Instead of a model: text named after its direction (en-de.txt), JSONL of "
    "`hf-lmt translate`, or a folder of them. Repeatable.",
)
@click.option("--data", required=True, metavar="DATA", help="The evaluation set.")
@click.option("--split", help="Split of a folder or Hub data set that has several.")
@source_options
@click.option(
    "--directions",
    metavar="GLOBS",
    help='With commas between: "en-*,*-zh". [default: all that the set, or the hypotheses, have]',
)
@click.option("--output", metavar="EVAL", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@click.option(
    "--metrics",
    default="bleu,chrf++",
    show_default=True,
    help="With commas between: bleu, spbleu, chrf++, chrf, ter, comet (COMET-22), cometkiwi, xcomet.",
)
@click.option(
    "--hints",
    type=click.Choice(["none", "self", "given"]),
    default="none",
    show_default=True,
    help="A hint in the auxiliary language: the model's own (PMP-S), or the set's text (PMP-O, an upper bound).",
)
@click.option(
    "--max-samples",
    "--limit",
    "max_samples",
    type=click.IntRange(1),
    metavar="LINES",
    help="A sample of so many lines, the same in all directions.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, another sample.")
@click.option("--num-proc", type=click.IntRange(1), default=1, show_default=True, help="Processes that score.")
@click.option(
    "--allow-contaminated",
    is_flag=True,
    help="Judge also where the model was trained on the set; every table says so.",
)
@click.option(
    "--comet-python",
    type=click.Path(path_type=Path),
    help="Score COMET by unbabel-comet, in another process: Python of its environment. [default: in this process]",
)
@click.option(
    "--install-comet",
    is_flag=True,
    help="The same with the environment in ~/.cache/hf-lmt/comet, which is made if it is not there: some gigabytes.",
)
@click.option(
    "--comet-dtype",
    type=click.Choice(["float32", "bfloat16"]),
    help="Of COMET's encoder in this process; bfloat16 needs half the memory. [default: float32]",
)
@json_option
def evaluate_command(
    as_json: bool,
    model: str | None,
    hypotheses: tuple[Path, ...],
    data: str,
    directions: str | None,
    output: Path,
    metrics: str,
    split: str | None,
    languages: str | None,
    language_names: str | None,
    cells: str | None,
    skip_broken_units: bool,
    **options: Any,
) -> None:
    """Evaluate the model or the hypotheses; see the help text."""
    from hf_lmt.data.corpora.sources import Source
    from hf_lmt.evaluation.evaluate import evaluate
    from hf_lmt.evaluation.results.evaluation_table import show_evaluation

    translating = {name: options.pop(name) for name in TRANSLATING if name != "work"}
    reading = source_fields(languages, language_names, cells, skip_broken_units)
    evaluation = evaluate(
        Source(data, split=split, **reading),
        output,
        model=model,
        hypotheses=list(hypotheses) or None,
        directions=None if directions is None else listed(directions),
        metrics=listed(metrics),
        origin={"command_line": ["hf-lmt", *sys.argv[1:]]},
        **options,
        **(translating if model is not None else {}),
    )
    show_result(as_json, evaluation.scores, lambda: show_evaluation(evaluation))


evaluate_command.params += [option for option in translate_command.params if option.name in TRANSLATING]
