"""`hf-miwv select`: the rows to keep of scored rows, or of rows that are scored first."""

from __future__ import annotations

from typing import Any

import click

from hf_miwv.commands.score_options import HIGH, data_options, output_options, scoring_options
from hf_miwv.common.command_line import json_option, options
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.push_command import TO_HUB_OPTIONS, push_result, take_hub_options

selection_options = options(
    click.option("--fraction", metavar="P", help="Share of all rows to keep: 0.01 keeps 1 %."),
    click.option("--count", type=int, help="Number of rows to keep."),
    click.option(
        "--threshold",
        type=float,
        help="Keep rows with at least this score (MIWV: nats per response token). [default: 4.5 for alpagasus, where "
        "no other limit is given]",
    ),
    click.option(
        "--method",
        default="miwv",
        show_default=True,
        help="Score to choose by: miwv, "
        "prompt_loss, perplexity, ifd, superfiltering, influence, influence_diverse, target_gain, recost, kcenter, "
        "selectit, selectit_sentence, nuggets, deita, alpagasus, length, "
        "random, random_by_length. The highest are kept; with _low behind the name (miwv_low) the lowest. "
        "superfiltering is for rows scored with a small proxy model.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of --method random and random_by_length."),
    click.option(
        "--like",
        metavar="METHOD",
        help="Of --method random_by_length: the method whose choice it has the lengths of. [default: miwv]",
    ),
    click.option(
        "--within",
        metavar="GROUPS",
        help="Choose inside groups, of each its share: length (bins of response tokens), source, or a column.",
    ),
    click.option(
        "--include-undesired",
        is_flag=True,
        help="Choose also from rows that say their response is a bad one (KTO's label: false).",
    ),
    click.option(
        "--include-target-rows",
        is_flag=True,
        help="Choose also from rows whose prompt is in the target set of --demonstrations-from.",
    ),
    click.option(
        "--diversity",
        type=float,
        metavar="COSINE",
        help="Pass over a row whose prompt has a cosine above this with one chosen before it; 1 passes over none. "
        "[default: 0.9 for deita, a sliding window for recost, else 1]",
    ),
    click.option(
        "--one-per",
        type=click.Choice(["prompt"]),
        help="Of several rows with one prompt keep at most the one with the highest score; without --fraction, "
        "--count and --threshold one of every prompt.",
    ),
    click.option(
        "--prompt-completion",
        is_flag=True,
        help="Write each row as prompt and completion, as it was scored: what TRL's SFTTrainer reads.",
    ),
)


@click.command(
    "select",
    help=f"""
    Keep the rows of DATA with the highest scores and write the folder OUTPUT.

    DATA is what `hf-miwv score` wrote, or its id on the Hub (USER/NAME, USER/NAME@REVISION); or,
    with --model, a data set that is scored first. {HIGH}
    Give one of --fraction, --count and --threshold. Other scores than MIWV: --method.
    """,
)
@data_options
@selection_options
@click.option("--model", help="Score DATA with this model first.")
@scoring_options
@output_options
@options(*TO_HUB_OPTIONS)
@json_option
@click.pass_context
def select_command(context: click.Context, **arguments: Any) -> None:
    """Choose rows; see the help text."""
    if arguments["model"] is None:
        _refuse_scoring_options(context)
    to_hub = take_hub_options(arguments)
    from hf_miwv.commands.score_and_select import select_data

    select_data(**arguments)
    push_result(arguments["output"], to_hub)


def _refuse_scoring_options(context: click.Context) -> None:
    selecting = {
        "data",
        "split",
        "fraction",
        "count",
        "threshold",
        "method",
        "seed",
        "diversity",
        "one_per",
        "like",
        "within",
        "include_undesired",
        "include_target_rows",
        "prompt_completion",
        "model",
        "output",
        "overwrite",
        "data_config",
        "field",
        "revision",
        "data_revision",
        "push_to_hub",
        "public",
        "hub_revision",
        "pull_request",
        "as_json",
    }
    # By source and not by value: an option that is given with its default is refused, too.
    sources = {name: context.get_parameter_source(name) for name in context.params}
    scoring_only = [
        f"--{name.removeprefix('data_').replace('_', '-')}"
        for name, source in sources.items()
        if name not in selecting and source is not None and source.name != "DEFAULT"
    ]
    if scoring_only:
        raise InputError(f"{', '.join(scoring_only)}: for scoring; give --model too, or leave it out")
