"""The door: `hf-miwv COMMAND`; heavy imports wait inside the commands."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from hf_miwv.commands.answer import answer_command
from hf_miwv.commands.app import app_command
from hf_miwv.commands.compare import compare_command
from hf_miwv.commands.judge import judge_command
from hf_miwv.commands.precision import precision_command
from hf_miwv.commands.recipe import recipe_command
from hf_miwv.commands.settings_file import read_settings
from hf_miwv.commands.train import train_command
from hf_miwv.commands.trial import trial_command
from hf_miwv.common.command_line import CONTEXT, Commands, json_option, logging_options, options, start_logging
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.push_command import TO_HUB_OPTIONS, push_command, take_hub_options
from hf_miwv.common.reading.options import field_option

logger = logging.getLogger("hf_miwv")

HIGH = "A high score means that the model is weak on the row even with an example: high = weak = keep."


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    help=f"""
    Choose the instructions that would teach your own model most (MIWV, arXiv 2511.07074).

    Each row is scored with the very model that will be tuned: its loss on the response behind the
    nearest other row as a worked example, less its loss without. {HIGH}
    """,
)
@click.version_option(package_name="hf-miwv-lmt", prog_name="hf-miwv")
@logging_options
def main(quiet: bool, verbose: bool, log_level: str | None) -> None:
    """Set up the log; the work is in the commands."""
    start_logging("hf_miwv", quiet=quiet, verbose=verbose, log_level=log_level)


def _settings(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = read_settings(path, context.command)


data_options = options(
    click.argument("data"),
    click.option("--split", help="Split of DATA, or a slice of it (train[:1000])."),
    click.option("--config", "data_config", help="Configuration of a Hub data set."),
    field_option,
    click.option("--columns", help="For other column names: prompt=question,completion=answer."),
)
scoring_options = options(
    click.option(
        "--streaming",
        is_flag=True,
        help="Read DATA row by row, straight into the work "
        "folder beside OUTPUT, with no other copy of it on the disk.",
    ),
    click.option(
        "--max-samples",
        "--limit",
        "max_samples",
        type=int,
        metavar="ROWS",
        help="With --streaming: score the first ROWS rows, and no more. A stream without end needs it.",
    ),
    click.option(
        "--embedder", help="Hub id or folder; finds the neighbors. [default: BAAI/bge-large-en-v1.5, as in the paper]"
    ),
    click.option(
        "--template",
        help="alpaca, chat, plain or a Jinja file. [default: by the rows: "
        "alpaca, chat for conversations, plain for string prompts]",
    ),
    click.option(
        "--pooling",
        type=click.Choice(["mean", "model"]),
        default="mean",
        show_default=True,
        help="Mean of the token embeddings, or the embedder's own.",
    ),
    click.option(
        "--embed-text",
        type=click.Choice(["rendered", "bare"]),
        default="rendered",
        show_default=True,
        help="Embed the prompt with or without its template.",
    ),
    click.option(
        "--max-length", type=int, help="Tokens of a sequence. [default: 2048, or the model's own limit if smaller]"
    ),
    click.option(
        "--batch-tokens",
        type=int,
        help="Tokens of a forward pass, with padding. [default: 1024 on the CPU, else 16384]",
    ),
    click.option(
        "--dtype",
        type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
        default="auto",
        show_default=True,
        help="Of the weights; auto: the checkpoint's.",
    ),
    click.option("--load-in-4bit", is_flag=True, help="Weights in 4 bits (bitsandbytes, NF4)."),
    click.option("--load-in-8bit", is_flag=True, help="Weights in 8 bits (bitsandbytes)."),
    click.option(
        "--search",
        type=click.Choice(["auto", "exact", "index"]),
        default="auto",
        show_default=True,
        help="For neighbors; auto: exact up to 400,000 rows.",
    ),
    click.option(
        "--neighbors",
        type=int,
        default=1,
        show_default=True,
        metavar="K",
        help="Score each row behind each of its K nearest, and take the mean. 1 is the paper's; "
        "K costs (1 + K) / 2 times as much.",
    ),
    click.option(
        "--avoid-duplicate-neighbors",
        is_flag=True,
        help="Neighbor: the nearest row with another prompt. By default, as in the paper, it may have the same.",
    ),
    click.option(
        "--demonstrations-from",
        metavar="TARGET",
        help="Rows of a task that the model is to learn (Hub id, file or folder): score each row behind its K "
        "nearest of these, too, by K more passes. Column target_gain: high = these examples help.",
    ),
    click.option("--demonstrations-split", metavar="SPLIT", help="Split of TARGET, or a slice of it."),
    click.option(
        "--also",
        multiple=True,
        type=click.Choice(
            ["ifd", "superfiltering", "influence", "kcenter", "selectit", "selectit_sentence", "nuggets"]
        ),
        help="Measure what this method of select needs, too: none more for influence and kcenter, one more pass "
        "over each response for ifd and superfiltering (meant for a small proxy MODEL), over each row one for "
        "selectit, five for selectit_sentence, up to nine for nuggets. May be given again.",
    ),
    click.option(
        "--keep-embeddings", is_flag=True, help="Write the prompts' embeddings, too: what --diversity of select needs."
    ),
    click.option(
        "--attn-implementation",
        "--attention",
        "attn_implementation",
        type=click.Choice(["auto", "sdpa", "flash_attention_2", "flash_attention_3", "eager"]),
        default="auto",
        show_default=True,
        help="Attention kernels. Only auto and sdpa share passes between rows.",
    ),
    click.option(
        "--device",
        help="cpu, cuda, cuda:1, mps, or split: MODEL over all accelerators. [default: the accelerator at hand]",
    ),
    click.option("--revision", help="Revision of DATA or MODEL, whichever is on the Hub."),
    click.option("--data-revision", help="Where both are on the Hub: of DATA."),
    click.option("--model-revision", help="Where both are on the Hub: of MODEL."),
    click.option("--embedder-revision", help="Revision of EMBEDDER."),
    click.option(
        "--license",
        "--licence",
        "license",
        metavar="NAME",
        help="Of DATA, by the Hub's name: cc-by-4.0. [default: what its card says]",
    ),
    click.option(
        "--unreadable-rows",
        type=click.Choice(["refuse", "flag"]),
        default="refuse",
        show_default=True,
        help="Rows that cannot be read, or that the chat template "
        "refuses: stop after all were looked at, or keep them in place without a score.",
    ),
    click.option(
        "--trainer-max-length",
        type=int,
        default=1024,
        show_default=True,
        help="Tokens at which your trainer will cut a row (TRL's default): such rows are counted.",
    ),
    click.option(
        "--date",
        metavar="YYYY-MM-DD",
        help="For chat templates that print the date. [default: the day on which the run began]",
    ),
    click.option(
        "--trust-remote-code",
        is_flag=True,
        help="Run code that comes with MODEL or EMBEDDER from the Hub. Off by default.",
    ),
    click.option("--overwrite-columns", is_flag=True, help="Replace columns of DATA that are named like ours."),
)
selection_options = options(
    click.option("--fraction", metavar="P", help="Share of all rows to keep: 0.01 keeps 1 %."),
    click.option("--count", type=int, help="Number of rows to keep."),
    click.option(
        "--threshold", type=float, help="Keep rows with at least this score (MIWV: nats per response token)."
    ),
    click.option(
        "--method",
        default="miwv",
        show_default=True,
        help="Score to choose by: miwv, "
        "prompt_loss, perplexity, ifd, superfiltering, influence, influence_diverse, target_gain, kcenter, "
        "selectit, selectit_sentence, nuggets, length, "
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
        help="Pass over a row whose prompt has a cosine above this with one chosen before it.",
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
output_options = options(
    click.option(
        "--output",
        required=True,
        type=click.Path(path_type=Path),
        help="Folder to write; `datasets.load_dataset` opens it.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace what --output holds."),
    click.option(
        "--settings",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_settings,
        help="YAML file of these options; the command line wins.",
    ),
)

hub_options = options(*TO_HUB_OPTIONS)


@main.command(
    "score",
    help=f"""
    Score every row of DATA with MODEL and write the folder OUTPUT.

    DATA: a Hub id, or a JSON, JSONL, CSV or Parquet file, or a folder. MODEL: a Hub id, a folder
    or a GGUF file. {HIGH} Killed at any moment, the same command goes on where it stopped.
    """,
)
@data_options
@click.option("--model", required=True, help="The causal language model that will be tuned.")
@scoring_options
@click.option("--executor", metavar="local:TASKS", help="Score in tasks, in as many processes. Needs the extra scale.")
@click.option(
    "--executor-config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="YAML file: tasks, workers.",
)
@output_options
@hub_options
@json_option
def score_command(**options: Any) -> None:
    """Score the rows; see the help text."""
    # Before hours of work: a repository that cannot be pushed to is refused now.
    to_hub = take_hub_options(options)
    from hf_miwv.commands.score_and_select import score_data

    score_data(**options)
    _push(options["output"], to_hub)


@main.command(
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
@hub_options
@json_option
@click.pass_context
def select_command(context: click.Context, **options: Any) -> None:
    """Choose rows; see the help text."""
    if options["model"] is None:
        _refuse_scoring_options(context)
    to_hub = take_hub_options(options)
    from hf_miwv.commands.score_and_select import select_data

    select_data(**options)
    _push(options["output"], to_hub)


for command in (
    precision_command,
    compare_command,
    recipe_command,
    train_command,
    trial_command,
    answer_command,
    judge_command,
    push_command,
    app_command,
):
    main.add_command(command)


@main.command(
    "demo",
    help="""
    The whole job on two small real models and a sample data set, offline: score, select, show.
    """,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("miwv-demo"),
    show_default=True,
    help="Folder for the results.",
)
@click.option("--fraction", metavar="P", default="0.05", show_default=True, help="Share to keep.")
def demo_command(output: Path, fraction: str) -> None:
    """Run the demo; see the help text."""
    from hf_miwv.commands.demo import run_demo

    run_demo(output, fraction)


def _push(output: Path, to_hub: dict[str, Any] | None) -> None:
    """Push the result; of several processes, one does."""
    from hf_miwv.common.runs.processes import Processes

    if to_hub is not None and Processes.launched().first:
        from hf_miwv.common.hub.telling import push_folder

        push_folder(output, logger, **to_hub)


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


if __name__ == "__main__":
    main()
