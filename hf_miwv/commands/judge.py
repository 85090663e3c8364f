"""`hf-miwv judge`: which of two systems answers better, by a judge that sees both orders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hf_miwv.commands.endpoint_options import endpoint_options, read_request_fields, refuse_options
from hf_miwv.common.command_line import json_option, show_result
from hf_miwv.common.errors import InputError

if TYPE_CHECKING:
    from hf_miwv.judging.verdicts import Judge

ENDPOINT_OPTIONS = ("judge_model", "request_fields", "timeout", "concurrency")
MODEL_OPTIONS = ("dtype", "device", "revision", "batch_tokens", "trust_remote_code")


@click.command(
    "judge",
    help="""
    Compare the answers in A with those in B to the same prompts and write the folder OUTPUT.

    A and B: JSON Lines files with a prompt (`instruction`, `prompt`, `text` or `question`) and an
    answer (`output`, `response`, `completion` or `answer`), as `hf-miwv answer` writes them. Every
    pair is judged in both orders; the win score is (wins - losses) / judged pairs + 1, and 1 is
    parity (arXiv 2511.07074).

    The key for an endpoint comes from the environment: OPENAI_API_KEY, or HF_TOKEN for hosts of
    Hugging Face. Killed at any moment, the same command goes on and asks nothing twice.
    """,
)
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option(
    "--judge",
    "judge_name",
    required=True,
    metavar="ENDPOINT_OR_MODEL",
    help="Address of an OpenAI-compatible endpoint (https://HOST/v1), or a model to run "
    "here: Hub id, folder or GGUF file.",
)
@click.option("--judge-model", help="Endpoint: the name of the model behind it.")
@endpoint_options
@click.option(
    "--max-new-tokens", type=click.IntRange(min=1), default=512, show_default=True, help="Tokens of a reply, at most."
)
@click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    help="Model: of the weights. [default: auto, the checkpoint's]",
)
@click.option("--device", help="Model: cpu, cuda, cuda:1, mps. [default: the accelerator at hand]")
@click.option("--revision", help="Model: revision on the Hub.")
@click.option(
    "--batch-tokens",
    type=click.IntRange(min=1),
    help="Model: tokens of a batch, questions and replies. [default: 4096 on the CPU, else 16384]",
)
@click.option(
    "--trust-remote-code", is_flag=True, default=None, help="Model: run code that comes with it from the Hub."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap interval.")
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to write; `datasets.load_dataset` opens it.",
)
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@json_option
def judge_command(
    as_json: bool,
    a: Path,
    b: Path,
    judge_name: str,
    max_new_tokens: int,
    seed: int,
    output: Path,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Judge the answers; see the help text."""
    from hf_miwv.common.runs.folder import check_output
    from hf_miwv.judging.judge_answers import judge_answers
    from hf_miwv.judging.judged_summary import show_judged

    check_output(output, overwrite)
    run = judge_answers(
        a,
        b,
        open_judge(judge_name, max_new_tokens, **settings),
        output,
        seed=seed,
        overwrite=overwrite,
        origin={"command_line": ["hf-miwv", *sys.argv[1:]]},
    )
    show_result(as_json, run, lambda: show_judged(run))


def open_judge(name: str, max_new_tokens: int, **settings: Any) -> Judge:
    """Open the judge that --judge names: an endpoint where it is an address, else a model here.

    Args:
        name (`str`): The value of --judge.
        max_new_tokens (`int`): Tokens of a reply, at most.
        **settings (`Any`): Values of ENDPOINT_OPTIONS and MODEL_OPTIONS, None where not given.

    Returns:
        `Judge`: The judge.

    Raises:
        InputError: an option of the other kind is given, or an endpoint has no --judge-model.
    """
    is_endpoint = name.lower().startswith(("http://", "https://"))
    kind, foreign = ("an endpoint", MODEL_OPTIONS) if is_endpoint else ("a model", ENDPOINT_OPTIONS)
    refuse_options(settings, foreign, f"{kind} ({name})")
    used_settings = {key: value for key, value in settings.items() if value is not None}
    return (_open_endpoint if is_endpoint else _open_model)(name, max_new_tokens, **used_settings)


def _open_endpoint(
    name: str,
    max_new_tokens: int,
    judge_model: str | None = None,
    request_fields: str | None = None,
    **settings: Any,
) -> Judge:
    from hf_miwv.judging.endpoint import completions_url, endpoint_judge

    completions_url(name)  # an address that cannot be used is the first thing to say
    if judge_model is None:
        raise InputError(f"judge {name}: give --judge-model, the name of the model behind it")
    fields = read_request_fields(request_fields)
    return endpoint_judge(name, judge_model, max_new_tokens=max_new_tokens, fields=fields, **settings)


def _open_model(name: str, max_new_tokens: int, batch_tokens: int | None = None, **loading: Any) -> Judge:
    from hf_miwv.common.models.models import load_model
    from hf_miwv.judging.local_model import model_judge

    return model_judge(load_model(name, **loading), max_new_tokens=max_new_tokens, batch_tokens=batch_tokens)
