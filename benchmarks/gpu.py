"""How much of a GPU the scoring engine uses, and how long the paper's data set would take on it.

    python benchmarks/gpu.py [--data ROWS.json] [--rows 2000] [--batch-tokens 16384,32768,65536]
    python benchmarks/gpu.py --dry-run      # the same code, shrunken, on the CPU: does it work?

Prints Markdown. The models have the shapes of Qwen3-0.6B and LLaMA-7B and random bf16 weights, made
on the GPU: nothing is fetched. The passes have the lengths of real rows (without --data, of the
sample in the package) under --tokenizer, with each token id renamed to a random one. Each row's
neighbor is another row at random, which leaves 37 % of the rows nobody's neighbor (of 999 Alpaca
rows it is 42 %), or with --embedder the real one.

Counted are the floating-point operations that the formula needs, whatever the kernels do:

    2 x P x tokens run              P: parameters but for the embedding and the output layer
  + 4 x layers x heads x head dimension x attended pairs
  + 2 x hidden size x vocabulary x scored tokens

where a trunk of t tokens attends t (t + 1) / 2 pairs, and a branch of b tokens that forks off after
f tokens b f + b (b + 1) / 2. Softmax, norms and activations count nothing. Their rate is compared
with that of a product of two 8192 x 8192 bf16 matrices on the same GPU (median). The minutes for
52,002 rows are the measured seconds in proportion, forward passes only.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from on_gpu import (
    SHAPES,
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

from hf_miwv.common.models.models import load_embedder
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes, build_passes
from hf_miwv.losses.forest import Forest, grow_forest
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.exact import nearest_neighbors
from hf_miwv.neighbors.index import hashed_sample
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize

ALPACA_ROWS = 52_002  # arXiv 2511.07074: 85 minutes with LLaMA2-7B
WARM_UP = 64  # units


class Measured(NamedTuple):
    """One shape under one budget."""

    seconds: float
    totals: dict[str, float]
    halved: bool  # the budget did not fit and was halved
    peak_bytes: int


def prepare(given: argparse.Namespace) -> tuple[Passes, np.ndarray]:
    """The passes of --rows rows, chosen by hash, and (N,) their neighbors."""
    dataset = read_dataset(given.data)
    chosen = hashed_sample(np.arange(len(dataset)), min(given.rows, len(dataset)), seed=0)
    rows = Rows(dataset.select(sorted(chosen.tolist())), recognize(dataset.column_names))
    prompts = choose_prompts(None, load_tokenizer(given.tokenizer), "alpaca", False)
    table = tokenize_rows(rows, prompts, progress=False)
    neighbors = random_neighbors(len(rows))
    if given.embedder:
        texts = [prompts.prompt_text(rows[index]) for index in range(len(rows))]
        neighbors, _ = nearest_neighbors(Embedder(load_embedder(given.embedder))(texts, 32))
    return build_passes(table, neighbors, prompts, given.max_length, progress=False), neighbors


def random_neighbors(rows: int) -> np.ndarray:
    """(N,) another row for each row, the same every time."""
    steps = np.random.default_rng(0).integers(1, rows, size=rows)
    return (np.arange(rows) + steps) % rows


def renamed(passes: Passes, vocabulary: int) -> Passes:
    """The same passes with each token id replaced by a random one of this vocabulary."""
    names = ("zero_shot", "one_shot", "responses")
    tables: list[TokenTable] = [getattr(passes, name) for name in names]
    most = np.concatenate([table.flat for table in tables]).max()
    ids = np.random.default_rng(0).integers(0, vocabulary, size=most + 1)
    fresh = [TokenTable(ids[table[i]].tolist() for i in range(len(table))) for table in tables]
    return dataclasses.replace(passes, **dict(zip(names, fresh, strict=True)))


def attended_pairs(forest: Forest) -> int:
    """Pairs of a token and one that it sees, over all units, by the formula at the top."""
    pairs = 0
    for index in range(len(forest.units)):
        tree = forest.tree(index)
        for fork, ids in ((0, tree.ids), *((branch.fork, branch.ids) for branch in tree.branches)):
            pairs += len(ids) * fork + len(ids) * (len(ids) + 1) // 2
    return pairs


def counted_operations(model: Any, forest: Forest) -> float:
    """Floating-point operations that all units need, by the formula at the top."""
    config = model.config
    ends = {
        id(layer.weight): layer.weight.numel()
        for layer in (model.get_input_embeddings(), model.get_output_embeddings())
    }
    body = sum(parameter.numel() for parameter in model.parameters()) - sum(ends.values())
    width = config.num_hidden_layers * config.num_attention_heads * config.head_dim
    lengths, responses = forest.passes.lengths, np.tile(forest.passes.responses.lengths, 2)
    return (
        2.0 * body * int(forest.lengths.sum())
        + 4.0 * width * attended_pairs(forest)
        + 2.0 * config.hidden_size * config.vocab_size * int(responses[lengths > 0].sum())
    )


def measure(model: Any, forest: Forest, batch_tokens: int, device: torch.device) -> Measured:
    """All units once, as `hf-miwv score` runs them, after a few for warming up."""
    run(model, dataclasses.replace(forest, units=forest.units[:WARM_UP]), batch_tokens)
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    synchronize(device)
    began = time.perf_counter()
    totals, halved = run(model, forest, batch_tokens)
    synchronize(device)
    seconds = time.perf_counter() - began
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return Measured(seconds, totals, halved, peak)


def run(model: Any, forest: Forest, batch_tokens: int) -> tuple[dict[str, float], bool]:
    """The counts of the engine, and whether it had to halve the budget."""
    with tempfile.TemporaryDirectory() as folder, Workspace(Path(folder) / "w") as workspace:
        _, totals = score_forest(model, forest, workspace, batch_tokens, Processes(), progress=False)
        return totals, len(workspace.read_json("budgets.json") or []) > 1


def line(name: str, budget: int, found: Measured, operations: float, rate: float, rows: int, own: int) -> str:
    """A line of the table."""
    speed = operations / found.seconds
    cells = [
        name,
        f"{budget:,}" + (" (halved)" if found.halved else ""),
        f"{found.totals['tokens'] / own:.2f}",
        f"{found.totals['forwarded_tokens'] / found.totals['tokens'] - 1:.1%}",
        f"{found.seconds:.1f}",
        f"{found.totals['tokens'] / found.seconds:,.0f}",
        f"{speed / 1e12:.3g}",
        f"{speed / rate:.1%}",
        f"{found.peak_bytes / 2**30:.1f}" if found.peak_bytes else "–",
        f"{found.seconds * ALPACA_ROWS / rows / 60:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def parse() -> argparse.Namespace:
    parser = gpu_parser(__doc__)
    sample = resources.files("hf_miwv") / "sample" / "instructions.jsonl"
    parser.add_argument("--data", default=str(sample))
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--embedder", help="folder or Hub id: real neighbors, not random ones")
    parser.add_argument("--max-length", type=int, default=2048)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--batch-tokens", default="16384,32768,65536")
    given = parse_for_gpu(parser)
    unknown = [name for name in given.shapes.split(",") if name not in SHAPES]
    if unknown:
        parser.error(f"--shapes {unknown[0]}: known are {', '.join(SHAPES)}")
    if given.rows < 2:
        parser.error(f"--rows {given.rows}: a row needs a neighbor; give 2 or more")
    return given


def benchmark(given: argparse.Namespace) -> None:
    """Every shape under every budget, as lines of a table."""
    device, rate = device_of(given), rate_of(given)
    passes, neighbors = prepare(given)
    rows, own = len(neighbors), int(passes.lengths[: len(neighbors)].sum())
    print(
        f"{where(given)}; dense bf16 product {rate / 1e12:.3g} TFLOP/s; {rows:,} rows, "
        f"T0 = {own:,} tokens\n\n"
        "| shape | batch tokens | tokens run / T0 | padding | seconds | tokens/s | TFLOP/s counted "
        f"| share of the dense rate | peak GiB | minutes for {ALPACA_ROWS:,} rows |\n|{'---|' * 10}"
    )
    for name in given.shapes.split(","):
        model = make_model(shape_of(name, given), device)
        forest = grow_forest(
            renamed(passes, model.config.vocab_size),
            neighbors,
            obstacle=branching_obstacle(model),
            rule=length_rule(model),
        )
        operations = counted_operations(model, forest)
        print(f"{name}: {dict(forest.reuse)}", file=sys.stderr)
        for budget in map(int, given.batch_tokens.split(",")):
            found = measure(model, forest, budget, device)
            print(line(name, budget, found, operations, rate, rows, own), flush=True)
        del model


def main() -> None:
    given = parse()
    run_or_tell(lambda: benchmark(given))


if __name__ == "__main__":
    main()
