"""Does the choice teach more? Tune on 5 % by each method, compare losses on rows held out before.

    python benchmarks/selection.py --data A.json B.json --output FOLDER [--rows 600] [--steps 24]
    ... --device cuda --tuning full --learning-rate 2e-5 --fraction 0.01 --epochs 3 --all-rows

Rows are held out by a hash of their instruction before anything is scored, so that an instruction
that stands in both files falls on one side. The rest is scored once by the small real model; each
method keeps the same share; a LoRA adapter (or, with --tuning full, all weights) is tuned on each
choice for the same number of steps, which --epochs derives from the share. --all-rows adds an arm
that is tuned on the whole pool for --epochs. --scored keeps the scored rows for other shares.
Reported is the mean loss on held-out responses (nats per response token) per source file, and its
difference from random choices (mean over their seeds) with a 95 % interval: percentile bootstrap
over the held-out rows, which does not cover the chance in training. Goes on where it was stopped.
Prints Markdown. --rows takes a hashed sample of the rows; without it, all.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import sys
from contextlib import redirect_stdout
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from datasets import Dataset, concatenate_datasets

from hf_miwv import train
from hf_miwv.common.models.models import LoadedModel, load_model
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder
from hf_miwv.losses.batch_plan import BatchPlan
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.losses import ResponseLosses, Tree
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize

HELD_OUT = 0.2
METHODS = ("miwv", "ifd", "perplexity", "miwv_low")
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}


def share_of(text: str) -> float:
    """A number in [0, 1) from a hash of the text."""
    return xxhash.xxh3_64_intdigest(text.encode()) / 2**64


def read_rows(files: list[str], count: int | None) -> Dataset:
    """All rows with their file's name as `source`; or those with the `count` lowest hashes."""
    parts = []
    for file in files:
        part = read_dataset(file)
        parts.append(part.add_column("source", [Path(file).stem] * len(part)))
    rows = concatenate_datasets(parts)
    if count is not None:
        hashes = [share_of(json.dumps([r["source"], r["instruction"], r["input"], r["output"]])) for r in rows]
        rows = rows.select(sorted(np.argsort(hashes, kind="stable")[:count].tolist()))
    return rows


def divide(rows: Dataset) -> tuple[Dataset, Dataset]:
    """(the rows to choose from, the rows held out), by a hash of the instruction."""
    held = np.array([share_of(row["instruction"].strip()) < HELD_OUT for row in rows])
    return rows.select(np.flatnonzero(~held)), rows.select(np.flatnonzero(held))


def response_losses(loaded: LoadedModel, rows: Dataset, longest: int) -> np.ndarray:
    """(N,) mean nats per response token given the prompt; nan for an empty response and for rows
    of more than `longest` tokens."""
    examples = Rows(rows, recognize(rows.column_names))
    prompts = choose_prompts("alpaca", loaded.tokenizer, "alpaca", False)
    encoded = [tokens for block in examples.blocks() for tokens in prompts.encode(block)]
    lengths = np.array([len(tokens.prompt) + len(tokens.response) for tokens in encoded])
    usable = [i for i, t in enumerate(encoded) if t.response and lengths[i] <= longest]
    packed = branching_obstacle(loaded.model) is None
    plan = BatchPlan.new(lengths[usable], 1024, packed)
    losses, engine, start = np.full(len(rows), np.nan), ResponseLosses(loaded.model, packed), 0
    with engine.ready():
        while start < len(usable):
            end = plan.batch_end(start)
            batch = [usable[place] for place in plan.order[start:end]]
            losses[batch] = engine(
                [Tree(encoded[i].prompt + encoded[i].response, len(encoded[i].response)) for i in batch]
            )
            start = end
    return losses


def interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of (N,) paired differences and its 95 % percentile bootstrap interval."""
    draws = np.random.default_rng(0).integers(len(differences), size=(2000, len(differences)))
    low, high = np.percentile(differences[draws].mean(axis=1), (2.5, 97.5))
    return float(differences.mean()), float(low), float(high)


def arms(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Name of each arm -> which rows it keeps."""
    chosen = {name: {"method": name, "fraction": given.fraction} for name in METHODS}
    for seed in range(given.seeds):
        chosen[f"random {seed}"] = {"method": "random", "seed": seed, "fraction": given.fraction}
    return chosen | ({"all rows": {"method": "random", "fraction": "1"}} if given.all_rows else {})


def steps(given: argparse.Namespace, wanted: dict[str, Any], rows: int) -> int:
    """Optimizer steps of an arm: --steps, or --epochs over as many rows as it is asked to keep."""
    if given.epochs is None:
        return given.steps
    return max(1, math.ceil(given.epochs * int(rows * float(wanted["fraction"])) / given.batch))


def measure(given: argparse.Namespace, pool: Dataset, held: Dataset) -> dict[str, np.ndarray]:
    """The losses of the untuned model and of each arm on the held-out rows."""
    model = given.model or str(package_folder(MODEL_PACKAGE))
    embedder = given.embedder or str(package_folder(EMBEDDER_PACKAGE) / "model")
    longest = given.max_length
    scoring = {"embedder": embedder, "also": ["ifd"], "device": given.device, "max_length": longest}
    found = {"untuned": _losses(given, given.output / "untuned.json", model, held)}
    for name, wanted in arms(given).items():
        folder = given.output / name.replace(" ", "-")
        train(
            pool,
            model,
            output_dir=folder,
            scored=given.scored or given.output / "scored",
            scoring=scoring,
            selection=wanted,
            loading={"device": given.device, "dtype": "float32"},
            lora=LORA if given.tuning == "lora" else None,
            training=training(given, steps(given, wanted, len(pool))),
        )
        found[name] = _losses(given, folder.with_suffix(".json"), str(folder), held)
    return found


def training(given: argparse.Namespace, count: int) -> dict[str, Any]:
    """What the trainer is told; on a GPU float32 weights are run in bfloat16."""
    return {
        "max_steps": count,
        "per_device_train_batch_size": given.batch,
        "learning_rate": given.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": max(1, count // 20),
        "max_length": given.max_length,
        "bf16": given.device == "cuda",
        "save_steps": count,
        "save_total_limit": 1,
        "seed": 0,
        "report_to": "none",
    }


def _losses(given: argparse.Namespace, saved: Path, model: str, held: Dataset) -> np.ndarray:
    if not saved.exists():
        loaded = load_model(model, device=given.device, dtype="float32")
        losses = response_losses(loaded, held, given.max_length)
        saved.write_text(json.dumps([None if np.isnan(v) else v for v in losses.tolist()]))
        gc.collect()
    return np.array(json.loads(saved.read_text()), dtype=float)


def report(found: dict[str, np.ndarray], held: Dataset) -> None:
    sources = np.array(held["source"])
    usable = np.isfinite(np.stack(list(found.values()))).all(axis=0)
    chance = np.mean([v for name, v in found.items() if name.startswith("random")], axis=0)
    print("| choice | source | held-out rows | mean loss | less random (95 % interval) |")
    print("|---|---|---|---|---|")
    for name, losses in found.items():
        for source in ("all", *sorted(set(sources))):
            own = usable & ((sources == source) | (source == "all"))
            mean, low, high = interval((losses - chance)[own])
            print(
                f"| {name} | {source} | {own.sum()} | {losses[own].mean():.4f} "
                f"| {mean:+.4f} ({low:+.4f} to {high:+.4f}) |"
            )
    print(f"\n{(~usable).sum()} of {len(usable)} held-out rows could not be run.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_miwv") / "sample" / "instructions.jsonl"
    parser.add_argument("--data", nargs="+", default=[str(sample)])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--fraction", default="0.05")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--epochs", type=float, help="Instead of --steps.")
    parser.add_argument("--all-rows", action="store_true", help="Tune on the whole pool, too.")
    parser.add_argument("--tuning", choices=("lora", "full"), default="lora")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--scored", type=Path, help="[default: OUTPUT/scored]")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--max-length", type=int, default=1024)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--model", help="Another model than the small real one.")
    parser.add_argument("--embedder", help="Another embedder than the small real one.")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    pool, held = divide(read_rows(given.data, given.rows))
    print(f"{len(pool)} rows to choose from, {len(held)} held out\n", file=sys.stderr)
    with redirect_stdout(sys.stderr):  # the trainer prints its progress
        found = measure(given, pool, held)
    print(
        f"{len(pool)} rows to choose from, {len(held)} held out, fraction {given.fraction}, "
        f"{given.tuning} tuning, {steps(given, {'fraction': given.fraction}, len(pool))} steps of "
        f"{given.batch} rows, learning rate {given.learning_rate}\n"
    )
    report(found, held)


if __name__ == "__main__":
    main()
