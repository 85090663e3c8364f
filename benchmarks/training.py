"""Tokens a second of `hf-lmt train` beside TRL's own sft script, on the same rows in the same call.

    python benchmarks/training.py [--data TABLE] [--tokenizer FOLDER] [--batches 8,32] [--steps 30]
    python benchmarks/training.py --dry-run     # the same code, shrunken, on the CPU: does it work?

Prints Markdown. Arms, each from the same random weights in the shape of Qwen3-0.6B (see on_gpu.py),
with the same optimizer, learning rate and order of rows:

    trl            SFTTrainer with the defaults of `trl sft`: rows of a batch padded to the longest
    padded         hf_lmt's training with its defaults
    padding-free   the same with padding_free: true, rows of a batch one behind the other; without
                   the package flash-attn, attention is that of hf_lmt/training/segment_attention.py

Rows are translations of a multi-way table in every direction from and to English and Chinese, in
prompts as for training. Tokens are those of the rows, never padding. The clock runs from the end of
step --warm-up to the end of the last one: passes and optimizer are in it, saving is not.

Counted are the floating-point operations that the formula needs, three times those of a forward
pass, and none for what is computed again (activation checkpointing, TRL's default):

    3 x (2 x P x tokens + 4 x layers x heads x head dimension x attended pairs
         + 2 x hidden size x vocabulary x labeled tokens)

P: parameters but for the embedding and the output layer; a row of t tokens attends t (t + 1) / 2
pairs. Their rate is compared with that of a product of two 8192 x 8192 bf16 matrices.
"""

from __future__ import annotations

import argparse
import gc
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import trl
import yaml
from datasets import Dataset
from on_gpu import (
    device_of,
    gpu_parser,
    load_tokenizer,
    make_model,
    parse_for_gpu,
    rate_of,
    run_or_tell,
    shape_of,
    synchronize,
    where,
)
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.registry import LANGUAGES
from hf_lmt.training.prepared_rows import PreparedRows, prepare_rows
from hf_lmt.training.segment_attention import NAME, STARTS
from hf_lmt.training.training_tokens import tokenize_rows
from hf_lmt.training.tuning import Run, tune
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.trainer.trainable import trainable_source
from hf_miwv.neighbors.index import hashed_sample

ARMS = ("trl", "padded", "padding-free")
SHAPE = "Qwen3-0.6B"


class Counted(NamedTuple):
    """Of the timed steps; positions: tokens and padding."""

    seconds: float
    tokens: int
    positions: int
    pairs: float
    labeled: int
    peak_bytes: int


class Meter(TrainerCallback):
    """Counts what the model is given, and times the steps after `warm_up`."""

    def __init__(self, model: Any, warm_up: int) -> None:
        self._warm_up, self._device = warm_up, model.device
        self._began = self.seconds = 0.0
        self._counts = torch.zeros(4, dtype=torch.float64, device=model.device)
        model.register_forward_pre_hook(self._count, with_kwargs=True)

    def _count(self, module: Any, _: Any, given: dict[str, Any]) -> None:
        ids, labels = given["input_ids"], given["labels"]
        lengths = given[STARTS].diff() if STARTS in given else given["attention_mask"].sum(-1)
        lengths = lengths.to(torch.float64)
        self._counts += torch.stack(
            [
                lengths.sum(),
                lengths.new_tensor(ids.numel()),
                (lengths * (lengths + 1) / 2).sum(),
                (labels != -100).sum().to(torch.float64),
            ]
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step not in (self._warm_up, state.max_steps):
            return
        synchronize(self._device)
        if state.global_step == self._warm_up:
            self._counts.zero_()
            if self._device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(self._device)
            self._began = time.perf_counter()
        else:
            self.seconds = time.perf_counter() - self._began

    @property
    def counted(self) -> Counted:
        tokens, positions, pairs, labeled = self._counts.tolist()
        on_gpu = self._device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(self._device) if on_gpu else 0
        return Counted(self.seconds, int(tokens), int(positions), pairs, int(labeled), peak)


def write_lines(given: argparse.Namespace, path: Path) -> str:
    """Some lines of the table, by hash: each gives a row in every direction."""
    table = read_dataset(given.data)
    chosen = hashed_sample(np.arange(len(table)), min(given.lines, len(table)), seed=0)
    codes = [code for code in LANGUAGES if code in table.column_names]
    table.select(chosen).select_columns(codes).to_parquet(str(path))
    return str(path)


def write_recipe(given: argparse.Namespace, folder: Path, arm: str, batch: int) -> Path:
    """A recipe with TRL's own defaults, so that both are trained alike."""
    recipe = {
        "model_name_or_path": given.tokenizer,
        "data": [{"path": given.data, "corpus": "lines"}],
        "directions": ["en-*", "*-en", "zh-*", "*-zh"],
        "curation": {"contamination": {"sets": "none"}},
        "downsampling": {"rate": 0.05},
        "max_length": given.max_length,
        "max_steps": given.steps,
        "per_device_train_batch_size": batch,
        "use_cpu": given.dry_run,
        "bf16": True,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "padding_free": arm == "padding-free",
        "output_dir": str(folder / "out"),
    }
    if arm == "padding-free" and find_spec("flash_attn"):
        recipe["attn_implementation"] = "flash_attention_2"
    path = folder / f"{arm}.yaml"
    path.write_text(yaml.safe_dump(recipe), "utf-8")
    return path


def run_ours(model: Any, rows: PreparedRows, path: Path, given: argparse.Namespace) -> Any:
    """`hf_lmt`'s training of these rows; the meter."""
    recipe, tokenizer = read_training_recipe(path), load_tokenizer(given.tokenizer)
    if attention := recipe.model.get("attn_implementation"):
        model.set_attn_implementation(attention)
    folder = path.with_suffix("")
    tokens = tokenize_rows(rows.dataset, tokenizer, given.max_length, folder / "tokens.arrow", progress=False)
    meter = Meter(model, given.warm_up)
    run = Run(recipe, Launch(), Processes(), model, tokenizer, rows, tokens)
    tune(run, folder / "checkpoints", watchers=[lambda _: [meter]])
    return meter


def run_trl(model: Any, rows: PreparedRows, path: Path, given: argparse.Namespace) -> Any:
    """TRL's SFTTrainer as its sft script makes it."""
    columns = ("prompt", "completion", "chat_template_kwargs")
    dataset = rows.dataset.select_columns([c for c in columns if c in rows.dataset.column_names])
    recipe = read_training_recipe(path)
    names = (
        "max_length",
        "max_steps",
        "per_device_train_batch_size",
        "use_cpu",
        "save_strategy",
        "report_to",
        "disable_tqdm",
    )
    settings = {name: recipe.training[name] for name in names}
    meter = Meter(model, given.warm_up)
    trainer = SFTTrainer(
        model=model,
        args=SFTConfig(
            output_dir=str(path.with_suffix("") / "checkpoints"),
            logging_steps=1,
            bf16=True,
            seed=recipe.data.seed,
            **settings,
        ),
        train_dataset=dataset,
        processing_class=load_tokenizer(given.tokenizer),
        callbacks=[meter],
    )
    trainer.train()
    return meter


def measure(arm: str, batch: int, given: argparse.Namespace) -> tuple[Counted, Any]:
    """What was counted, and the model's config."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_recipe(given, folder, arm, batch)
        path.with_suffix("").mkdir()
        rows = prepare_rows(read_training_recipe(path), given.tokenizer, given.rows, Processes())
        rows = PreparedRows(first_rows(rows.dataset, batch * given.steps), rows.run)
        model = make_model(shape_of(SHAPE, given), device_of(given))
        tokenizer = load_tokenizer(given.tokenizer)
        model.resize_token_embeddings(max(model.config.vocab_size, len(tokenizer)))
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model = model.to(getattr(torch, given.dtype)).train()
        run = run_trl if arm == "trl" else run_ours
        counted, config = run(model, rows, path, given).counted, model.config
        config.body = body_of(model)
        del model
        gc.collect()
        torch.cuda.empty_cache()
        return counted, config


def first_rows(rows: Dataset, count: int) -> Dataset:
    """As many as the steps need: TRL tokenizes all that it is given."""
    return rows.select(range(min(count, len(rows))))


def body_of(model: Any) -> int:
    """Parameters but for the embedding and the output layer."""
    ends = {
        id(layer.weight): layer.weight.numel()
        for layer in (model.get_input_embeddings(), model.get_output_embeddings())
    }
    return sum(part.numel() for part in model.parameters()) - sum(ends.values())


def operations(counted: Counted, config: Any) -> float:
    """Floating-point operations that the steps need, by the formula at the top."""
    width = config.num_hidden_layers * config.num_attention_heads * config.head_dim
    forward = (
        2.0 * config.body * counted.tokens
        + 4.0 * width * counted.pairs
        + 2.0 * config.hidden_size * config.vocab_size * counted.labeled
    )
    return 3 * forward


def report(found: Sequence[tuple[str, int, Counted, Any]], rate: float) -> None:
    """A line for each arm and batch, beside the trl arm of its batch."""
    base = {batch: one.tokens / one.seconds for arm, batch, one, _ in found if arm == "trl"}
    print(
        "| arm | rows of a batch | tokens timed | padding | seconds | tokens/s | x trl "
        f"| share of the dense rate | peak GiB |\n|{'---|' * 9}"
    )
    for arm, batch, one, config in found:
        speed = one.tokens / one.seconds
        beside = f"{speed / base[batch]:.2f}" if batch in base else "–"
        share = operations(one, config) / one.seconds / rate
        peak = f"{one.peak_bytes / 2**30:.1f}" if one.peak_bytes else "–"
        cells = (
            arm,
            batch,
            f"{one.tokens:,}",
            f"{one.positions / one.tokens - 1:.0%}",
            f"{one.seconds:.1f}",
            f"{speed:,.0f}",
            beside,
            f"{share:.1%}",
            peak,
        )
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


def parse() -> argparse.Namespace:
    parser = gpu_parser(__doc__)
    parser.add_argument(
        "--data",
        default=str(resources.files("hf_lmt") / "sample/sentences.csv"),
        help="table with a column per language [default: the sample]",
    )
    parser.add_argument("--lines", type=int, default=60, help="lines of --data, by hash")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--batches", default="8,32", help="rows of a batch")
    parser.add_argument("--steps", type=int, default=35)
    parser.add_argument("--warm-up", type=int, default=5, help="steps before the clock runs")
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument(
        "--dtype",
        choices=("bfloat16", "float32"),
        default="bfloat16",
        help="of the weights; the passes are in bfloat16",
    )
    given = parse_for_gpu(parser)
    for arm in given.arms.split(","):
        if arm not in ARMS:
            parser.error(f"--arms {arm}: known are {', '.join(ARMS)}")
    if not 0 < given.warm_up < given.steps:
        parser.error(f"--warm-up {given.warm_up}: give less than --steps, and 1 or more")
    return given


def benchmark(given: argparse.Namespace) -> None:
    rate = rate_of(given)
    flash = "flash_attention_2" if find_spec("flash_attn") else f"{NAME} (no flash-attn here)"
    given.tokenizer = trainable_source(given.tokenizer)
    # the trainers print their progress, which is no part of the table
    with tempfile.TemporaryDirectory() as name, redirect_stdout(sys.stderr):
        given.rows = Path(name)
        given.data = write_lines(given, given.rows / "lines.parquet")
        found = [
            (arm, batch, *measure(arm, batch, given))
            for batch in map(int, given.batches.split(","))
            for arm in given.arms.split(",")
        ]
    print(
        f"{where(given)}, trl {trl.__version__}; {SHAPE}, {given.dtype} weights, activation "
        f"checkpointing, attention sdpa, padding-free: {flash}; dense bf16 product "
        f"{rate / 1e12:.3g} TFLOP/s; steps {given.warm_up + 1} to {given.steps}\n"
    )
    report(found, rate)


def main() -> None:
    given = parse()
    run_or_tell(lambda: benchmark(given))


if __name__ == "__main__":
    main()
