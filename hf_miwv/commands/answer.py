"""`hf-miwv answer`: a model's answers to a set of prompts, as a file that can be judged."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import click

from hf_miwv.commands.endpoint_options import endpoint_options, read_request_fields, refuse_options
from hf_miwv.common.reading.options import field_option

ENDPOINT_OPTIONS = ("request_fields", "timeout", "concurrency")
MODEL_OPTIONS = ("batch_tokens", "dtype", "device", "model_revision", "trust_remote_code")

logger = logging.getLogger(__name__)


@click.command(
    "answer",
    help="""
    Let MODEL answer the prompts of DATA and write the JSON Lines file OUTPUT.

    DATA: a Hub id, a file or a folder, with the prompt in `instruction` (and `input`), `prompt`,
    `text` or `question`. Two such files can be compared with `hf-miwv judge`. Killed at any
    moment, the same command goes on where it stopped.

    With --base-url the model is one that an OpenAI-compatible endpoint serves (vLLM, SGLang). Its key
    comes from the environment: OPENAI_API_KEY, or HF_TOKEN for hosts of Hugging Face.
    """,
)
@click.argument("data")
@click.option("--split", help="Split of DATA, or a slice of it (test[:100]).")
@click.option("--config", "data_config", help="Configuration of a Hub data set.")
@field_option
@click.option(
    "--model",
    required=True,
    help="A causal language model: Hub id, folder, GGUF file. With --base-url its name there.",
)
@click.option("--base-url", help="Address of an OpenAI-compatible endpoint that serves MODEL: http://HOST:8000/v1.")
@endpoint_options
@click.option(
    "--template",
    help="alpaca, chat, plain or a Jinja file: what the model was tuned with. With chat an endpoint renders the "
    "prompts itself. [default: alpaca]",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="Tokens of an answer, at most.",
)
@click.option(
    "--batch-tokens",
    type=int,
    help="Model here: tokens of a batch, prompts and answers. [default: 4096 on the CPU, else 16384]",
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    help="Model here: of the weights. [default: auto, the checkpoint's]",
)
@click.option("--device", help="Model here: cpu, cuda, cuda:1, mps. [default: the accelerator at hand]")
@click.option("--model-revision", help="Model here: revision on the Hub.")
@click.option(
    "--trust-remote-code",
    is_flag=True,
    default=None,
    help="Model here: run code that comes with it from the Hub. Off by default.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["jsonl", "alpaca_eval"]),
    default="jsonl",
    show_default=True,
    help="Of the file: a JSON object in each line, or the one JSON list that AlpacaEval reads.",
)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
def answer_command(
    data: str,
    split: str | None,
    data_config: str | None,
    field: str | None,
    model: str,
    base_url: str | None,
    output: Path,
    overwrite: bool,
    template: str | None,
    max_new_tokens: int,
    output_format: str,
    **settings: Any,
) -> None:
    """Answer the prompts; see the help text."""
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.reading.source import Source
    from hf_miwv.common.runs.folder import check_file

    kind, foreign = ("an endpoint", MODEL_OPTIONS) if base_url else ("a model without --base-url", ENDPOINT_OPTIONS)
    refuse_options(settings, foreign, f"{kind} ({base_url or model})")
    used_settings = {name: value for name, value in settings.items() if value is not None}
    command_line = ["hf-miwv", *sys.argv[1:]]
    # Before the model is loaded, which takes minutes.
    check_file(output, overwrite, data, command_line)
    shared: dict[str, Any] = {
        "source": data,
        "template": template,
        "max_new_tokens": max_new_tokens,
        "output_format": output_format,
        "overwrite": overwrite,
        "command_line": command_line,
    }
    if base_url:
        from hf_miwv.judging.served_answers import answer_by_endpoint

        used_settings["request_fields"] = read_request_fields(used_settings.get("request_fields"))
        dataset = read_dataset(Source.parse(data, split=split, config=data_config, field=field))
        counts = answer_by_endpoint(dataset, base_url, model, output, **shared, **used_settings)
    else:
        from hf_miwv.common.models.models import load_model
        from hf_miwv.judging.answering import answer

        batch_tokens, revision = used_settings.pop("batch_tokens", None), used_settings.pop("model_revision", None)
        dataset = read_dataset(Source.parse(data, split=split, config=data_config, field=field))
        logger.info("loading %s", model)
        loaded = load_model(model, revision=revision, **used_settings)
        counts = answer(dataset, loaded, output, batch_tokens=batch_tokens, **shared)
    words = ", ".join(f"{name.replace('_', ' ')}: {count}" for name, count in sorted(counts.items()))
    logger.info("written: %s (%s)", output, words)
