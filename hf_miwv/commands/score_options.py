"""Options of commands that score rows: the data, how they are scored, the output."""

from __future__ import annotations

from pathlib import Path

import click

from hf_miwv.commands.rating_options import rating_options
from hf_miwv.commands.settings_file import read_settings
from hf_miwv.common.command_line import comma_separated, options
from hf_miwv.common.reading.options import field_option

HIGH = (
    "A high score means, says the paper, that the model is weak on the row even with an example: high = weak = keep. "
    "Where rows were planted to see, the highest were rows that the model knew and the example disturbed; the command "
    "trial compares a choice with a random one."
)


def _read_settings(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    if path is not None:
        context.default_map = read_settings(path, context.command)


data_options = options(
    click.argument("data"),
    click.option("--split", help="Split of DATA, or a slice of it (train[:1000])."),
    click.option("--config", "data_config", help="Configuration of a Hub data set."),
    field_option,
    click.option("--columns", help="For other column names: prompt=question,completion=answer."),
)
"""Which rows are read."""

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
        metavar="NAME,...",
        callback=lambda _context, _option, texts: tuple(name for text in texts for name in comma_separated(text)),
        help="Measure what these methods of select need, too: none more for influence and kcenter, one more pass "
        "over each response for ifd and superfiltering (meant for a small proxy MODEL), over each row one for "
        "selectit, five for selectit_sentence, up to nine for nuggets, one of each scorer for deita; for "
        "alpagasus a judge's answer to each row.",
    ),
    rating_options,
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
"""How the rows are scored."""

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
        callback=_read_settings,
        help="YAML file of these options; the command line wins.",
    ),
)
"""Which folder is written; and `--settings`, a file with all options of the command."""
