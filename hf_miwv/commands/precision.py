"""`hf-miwv precision`: how the precision of the weights moves the ranking, before one chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hf_miwv.common.command_line import json_option, show_result
from hf_miwv.common.reading.options import field_option


@click.command(
    "precision",
    help="""
    Score a sample of DATA with MODEL in several precisions and compare each with float32.

    Shows how far bfloat16, 8-bit and 4-bit weights move the ranking, so that one can be chosen for
    `hf-miwv score` with open eyes. DATA and MODEL as in `hf-miwv score`. A precision that cannot
    run here is listed with its reason.
    """,
)
@click.argument("data")
@click.option("--split", help="Split of DATA, or a slice of it (train[:1000]).")
@click.option("--config", "data_config", help="Configuration of a Hub data set.")
@field_option
@click.option("--columns", help="For other column names: prompt=question,completion=answer.")
@click.option("--model", required=True, help="The causal language model that will be tuned.")
@click.option(
    "--embedder", help="Hub id or folder; finds the neighbors. [default: BAAI/bge-large-en-v1.5, as in the paper]"
)
@click.option("--template", help="alpaca, chat, plain or a Jinja file. [default: by the rows]")
@click.option(
    "--max-samples",
    "--sample",
    "sample",
    type=int,
    default=200,
    show_default=True,
    help="Rows to score, chosen by their content, not their place; neighbors come from among them.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed, other rows.")
@click.option("--fraction", metavar="P", default="0.1", show_default=True, help="Top share whose overlap is measured.")
@click.option(
    "--precisions",
    default="float32,bfloat16,8bit,4bit",
    show_default=True,
    help="Which, with commas between; float32 always runs.",
)
@click.option("--device", help="cpu, cuda, cuda:1, mps. [default: the accelerator at hand]")
@click.option("--output", type=click.Path(path_type=Path), help="JSON file to write, too.")
@json_option
def precision_command(
    as_json: bool,
    data: str,
    split: str | None,
    data_config: str | None,
    field: str | None,
    columns: str | None,
    embedder: str | None,
    precisions: str,
    **settings: Any,
) -> None:
    """Compare the precisions; see the help text."""
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.reading.source import Source
    from hf_miwv.comparing.compare_precisions import compare_precisions, show_precisions
    from hf_miwv.rows.schema import parse_columns
    from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER

    report = compare_precisions(
        read_dataset(Source.parse(data, split=split, config=data_config, field=field)),
        columns=parse_columns(columns) if columns else None,
        embedder=embedder or DEFAULT_EMBEDDER,
        precisions=[name.strip() for name in precisions.split(",")],
        **settings,
    )
    show_result(as_json, report, lambda: show_precisions(report))
