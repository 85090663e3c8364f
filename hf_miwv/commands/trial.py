"""`hf-miwv trial`: does choosing help this model on these rows?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hf_miwv.commands.judge import ENDPOINT_OPTIONS, MODEL_OPTIONS, open_judge
from hf_miwv.commands.rating_options import given_ratings, rating_options
from hf_miwv.common.command_line import comma_separated, json_option, show_result
from hf_miwv.common.reading.options import field_option


@click.command(
    "trial",
    help="""
    Find out whether choosing rows by some methods helps MODEL on DATA, and write the folder OUTPUT.

    Holds rows out, scores the others once, tunes MODEL on each method's choice and on random rows with several
    seeds, and compares the tuned models on the rows held out: one table with intervals, a page (trial.html) and a
    verdict, which can be "no difference". Killed at any moment, the same command goes on. Needs the extra
    hf-miwv-lmt[train]; lm-eval's tasks need hf-miwv-lmt[trial].
    """,
)
@click.argument("data")
@click.option("--split", help="Split of DATA, or a slice of it (train[:1000]).")
@click.option("--config", "data_config", help="Configuration of a Hub data set.")
@field_option
@click.option("--columns", metavar="NAME=COLUMN,...", help="Where the columns have other names, as for score.")
@click.option("--model", required=True, help="The causal language model to tune: Hub id, folder, GGUF file.")
@click.option(
    "--methods",
    default="miwv,miwv_low,random_by_length",
    show_default=True,
    metavar="NAME,...",
    help="Methods of select; random or random_by_length is what the others are compared with.",
)
@click.option("--fraction", default="0.05", show_default=True, help="Share of the rows that each method keeps.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Trainings of each arm.")
@click.option("--held-out", type=float, default=0.2, show_default=True, help="Share of the rows to hold out.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the hash by which rows are held out.")
@click.option(
    "--evaluate",
    default="loss",
    show_default=True,
    metavar="loss,judge,lm-eval:TASK",
    help="What is measured; the first is what the verdict speaks of.",
)
@click.option("--equal", default="steps", show_default=True, help="What all arms have in common: steps or tokens.")
@click.option("--embedder", help="As for score. [default: BAAI/bge-large-en-v1.5]")
@click.option("--template", help="As for score: alpaca, chat, plain or a Jinja file.")
@click.option("--demonstrations-from", metavar="TARGET", help="As for score: the target set of target_gain.")
@rating_options
@click.option("--max-length", type=int, help="Tokens of a row, at most. [default: 2048, or the model's limit]")
@click.option("--num-train-epochs", type=float, default=3.0, show_default=True, help="Of the rows that are kept.")
@click.option("--learning-rate", type=float, default=2e-4, show_default=True)
@click.option("--per-device-train-batch-size", type=int, default=8, show_default=True, help="Rows of a step.")
@click.option("--lora-r", type=int, default=16, show_default=True, help="Rank of the adapter; 0 tunes all weights.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Of the weights.",
)
@click.option("--device", help="cpu, cuda, mps. [default: the accelerator at hand]")
@click.option("--source-column", metavar="NAME", help="Column by which held-out losses are shown, too.")
@click.option("--judge", "judge_name", metavar="ENDPOINT_OR_MODEL", help="With --evaluate judge: as for judge.")
@click.option("--judge-model", help="With an endpoint: the name of the model behind it.")
@click.option("--judged-rows", type=int, default=50, show_default=True, help="Held-out prompts that are answered.")
@click.option("--max-new-tokens", type=int, default=512, show_default=True, help="Tokens of an answer, at most.")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--overwrite", is_flag=True, help="Replace what --output holds.")
@json_option
def trial_command(
    as_json: bool,
    data: str,
    split: str | None,
    data_config: str | None,
    field: str | None,
    columns: str | None,
    model: str,
    methods: str,
    evaluate: str,
    embedder: str | None,
    template: str | None,
    demonstrations_from: str | None,
    max_length: int | None,
    num_train_epochs: float,
    learning_rate: float,
    per_device_train_batch_size: int,
    lora_r: int,
    dtype: str,
    device: str | None,
    judge_name: str | None,
    judge_model: str | None,
    max_new_tokens: int,
    output: Path,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Run the trial; see the help text."""
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.reading.source import Source
    from hf_miwv.common.runs.folder import check_output
    from hf_miwv.common.runs.processes import Processes
    from hf_miwv.rows.schema import parse_columns
    from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER
    from hf_miwv.trials.trial import LORA, trial

    source = Source.parse(data, split=split, config=data_config, field=field)
    check_output(output, overwrite, source.local_path)
    judge = None
    if judge_name is not None:
        unset = dict.fromkeys((*ENDPOINT_OPTIONS, *MODEL_OPTIONS))
        judge = open_judge(judge_name, max_new_tokens, **{**unset, "judge_model": judge_model})
    limits = {} if max_length is None else {"max_length": max_length}
    scoring: dict[str, Any] = {"embedder": embedder or DEFAULT_EMBEDDER, **limits}
    scoring |= {} if template is None else {"template": template}
    scoring |= {} if demonstrations_from is None else {"demonstrations_from": demonstrations_from}
    scoring |= given_ratings(settings)
    run = trial(
        read_dataset(source),
        model,
        methods=comma_separated(methods),
        evaluate=comma_separated(evaluate),
        output_dir=output,
        training={
            "num_train_epochs": num_train_epochs,
            "learning_rate": learning_rate,
            "per_device_train_batch_size": per_device_train_batch_size,
            "bf16": False,
            **limits,
        },
        lora={**LORA, "r": lora_r, "lora_alpha": 2 * lora_r} if lora_r else None,
        loading={"dtype": dtype, "device": device},
        scoring=scoring,
        columns=parse_columns(columns) if columns else None,
        judge=judge,
        max_new_tokens=max_new_tokens,
        overwrite=overwrite,
        origin={**source.facts(), "command_line": ["hf-miwv", *sys.argv[1:]]},
        **settings,
    )
    if Processes.launched().first:
        from hf_miwv.trials.trial_summary import show_trial

        show_result(as_json, run, lambda: show_trial(run))
        click.echo(f"written: {output}; open {output / 'trial.html'}", err=True)
