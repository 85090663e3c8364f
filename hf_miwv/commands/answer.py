"""`hf-miwv answer`: a model's answers to a set of prompts, as a file that can be judged."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from hf_miwv.common.reading.options import field_option

logger = logging.getLogger(__name__)


@click.command(
    "answer",
    help="""
    Let MODEL answer the prompts of DATA and write the JSON Lines file OUTPUT.

    DATA: a Hub id, a file or a folder, with the prompt in `instruction` (and `input`), `prompt`,
    `text` or `question`. Two such files can be compared with `hf-miwv judge`. Killed at any
    moment, the same command goes on where it stopped.
    """,
)
@click.argument("data")
@click.option("--split", help="Split of DATA, or a slice of it (test[:100]).")
@click.option("--config", "data_config", help="Configuration of a Hub data set.")
@field_option
@click.option("--model", required=True, help="A causal language model: Hub id, folder, GGUF file.")
@click.option(
    "--template", help="alpaca, chat, plain or a Jinja file: what the model was tuned with. [default: alpaca]"
)
@click.option("--max-new-tokens", type=int, default=1024, show_default=True, help="Tokens of an answer, at most.")
@click.option(
    "--batch-tokens", type=int, help="Tokens of a batch, prompts and answers. [default: 4096 on the CPU, else 16384]"
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="Of the weights; auto: the checkpoint's.",
)
@click.option("--device", help="cpu, cuda, cuda:1, mps. [default: the accelerator at hand]")
@click.option("--model-revision", help="Revision of MODEL on the Hub.")
@click.option("--trust-remote-code", is_flag=True, help="Run code that comes with MODEL from the Hub. Off by default.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
def answer_command(
    data: str,
    split: str | None,
    data_config: str | None,
    field: str | None,
    model: str,
    dtype: str,
    device: str | None,
    model_revision: str | None,
    trust_remote_code: bool,
    output: Path,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Answer the prompts; see the help text."""
    from hf_miwv.common.models.models import load_model
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.reading.source import Source
    from hf_miwv.common.runs.folder import check_file
    from hf_miwv.judging.answering import answer

    command_line = ["hf-miwv", *sys.argv[1:]]
    # Before the model is loaded, which takes minutes.
    check_file(output, overwrite, data, command_line)
    dataset = read_dataset(Source.parse(data, split=split, config=data_config, field=field))
    logger.info("loading %s", model)
    loaded = load_model(
        model,
        revision=model_revision,
        dtype=dtype,
        device=device,
        trust_remote_code=trust_remote_code,
    )
    counts = answer(dataset, loaded, output, source=data, overwrite=overwrite, command_line=command_line, **settings)
    words = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in sorted(counts.items()))
    logger.info("written: %s (%s)", output, words)
