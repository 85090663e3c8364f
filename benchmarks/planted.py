"""What does a method put on top, and what does its choice teach? A pool of known, unknown and false rows, made for it.

    python benchmarks/planted.py --output FOLDER [--family words] [--tuning rows] [--neighbors 1] [--real 0] [--teach]

For each seed the small real model is first tuned (LoRA, --steps steps of 8 rows) on the known task of a family
(`planted_rows.py`): --tuning rows, on rows as they are; "examples", with another row of the task in front of every
second one, as MIWV puts its neighbor there; "none", not at all. The tuned model then scores a pool:

    known    60 further rows of the known task
    unknown  60 rows of the unknown task: the same form and number of items, never trained on
    other    40 rows of the other task, never trained on either
    false    40 rows of the unknown task, each with another row's answer
    doubled  20 copies of known rows
    short    20 unknown rows of 2 items
    long     20 unknown rows of 14 items
    real     --real rows of the instructions that come with the package

Reported is, for each method of `select`, the AUC: the share of pairs in which a row of the first kind stands above one
of the second, ties counting half; 0.5 is chance. Mean over seeds with a 95 % t-interval. Known, unknown and false
rows have the same number of items, so that length tells nothing between them. `target_gain` has 20 further unknown
rows, with right answers, as its target set. `teachable` is no method of `select`, but a candidate: rows whose
zero-shot loss is above the pool's median, ranked by how far an example brings it down, before all others.

With --teach the tuned model is tuned further on the 32 rows that each method puts first (16 steps of 8), and the
change of the loss on 30 held-out rows of each task is reported: below 0 the choice taught the task.

Goes on where it was stopped. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from planted_rows import FAMILIES, HELD_OUT, Row, make_pool, rows_of
from scipy import stats

from hf_miwv import score
from hf_miwv.common.models.models import load_model
from hf_miwv.common.models.row_tokens import encode
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder
from hf_miwv.common.runs.processes import Processes
from hf_miwv.prompts.text_prompts import SEPARATOR
from hf_miwv.prompts.text_template import TextTemplate
from hf_miwv.results.methods import method_scores
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize
from hf_miwv.trials.held_out import held_out_losses

METHODS = ("miwv", "miwv_low", "influence", "target_gain", "ifd", "perplexity", "length", "teachable", "random")
PAIRS = (
    ("unknown", "known"),
    ("other", "known"),
    ("false", "unknown"),
    ("known", "doubled"),
    ("long", "short"),
    ("real", "known"),
    ("unknown", "real"),
)
BATCH, CHOSEN, TEACHING_STEPS = 8, 32, 16


def tune(model: str, texts: Sequence[tuple[str, str]], steps: int, rate: float, seed: int, folder: Path) -> None:
    """Tune a model by LoRA on pairs of prompt and response, and save it merged.

    The loss is the mean over the response tokens of a batch, with the end token among them.

    Args:
        model (`str`): Folder of the model.
        texts (`Sequence[tuple[str, str]]`): The pairs, taken in turns in an order by the seed.
        steps (`int`): Optimizer steps of BATCH rows.
        rate (`float`): Learning rate of AdamW, which falls to 0 in a line.
        seed (`int`): Seed of weights and order.
        folder (`Path`): Where to save the model.
    """
    torch.manual_seed(seed)
    loaded = load_model(model, device="cpu", dtype="bfloat16")
    tokenizer = loaded.tokenizer
    network = get_peft_model(
        loaded.model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    )
    network.train()
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    chance = random.Random(f"order {seed}")  # noqa: S311
    order: list[int] = []
    while len(order) < steps * BATCH:
        order += chance.sample(range(len(texts)), len(texts))
    for step in range(steps):
        batch = [texts[index] for index in order[step * BATCH : (step + 1) * BATCH]]
        prompts = encode(tokenizer, [prompt for prompt, _ in batch])
        responses = [[*ids, tokenizer.eos_token_id] for ids in encode(tokenizer, [response for _, response in batch])]
        width = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
        ids = torch.zeros(BATCH, width, dtype=torch.long)
        labels = torch.full((BATCH, width), -100)
        for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            end = len(prompt) + len(response)
            ids[row, :end] = torch.tensor(prompt + response)
            labels[row, len(prompt) : end] = torch.tensor(response)
        # Padding stands on the right, where no response token can see it.
        loss = network(input_ids=ids, labels=labels).loss
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        optimizer.step()
        optimizer.zero_grad()
    unfinished = folder.with_name(folder.name + ".unfinished")
    network.merge_and_unload().save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)


def prompt_texts(rows: Sequence[Row]) -> list[str]:
    """Render the prompts by Alpaca's template, as they are scored."""
    shown = Dataset.from_list([{name: row[name] for name in ("instruction", "input", "output")} for row in rows])
    template = TextTemplate("alpaca")
    examples = Rows(shown, recognize(shown.column_names))
    return [template.render(example) for block in examples.blocks() for example in block]


def tuned_model(arguments: argparse.Namespace, seed: int) -> str:
    """Tune the model on the known task, unless that was done before; return its folder."""
    model = arguments.model or str(package_folder(MODEL_PACKAGE))
    if arguments.tuning == "none":
        return model
    folder = arguments.output / "tuned" / f"{arguments.family}-{arguments.tuning}-{arguments.steps}-{seed}"
    if folder.exists():
        return str(folder)
    rows = rows_of(arguments.family, "known", BATCH * arguments.steps, f"tuning {seed}")
    texts = list(zip(prompt_texts(rows), (row["output"] for row in rows), strict=True))
    if arguments.tuning == "examples":
        # Every second row has the one before it in front, as it is scored behind its neighbor.
        texts = [
            (before[0] + before[1] + SEPARATOR + prompt if index % 2 else prompt, response)
            for index, ((prompt, response), before) in enumerate(zip(texts, [texts[-1], *texts], strict=False))
        ]
    folder.parent.mkdir(parents=True, exist_ok=True)
    tune(model, texts, arguments.steps, 1e-3, seed, folder)
    return str(folder)


def scores_of(arguments: argparse.Namespace, seed: int, model: str, folder: Path) -> dict[str, np.ndarray]:
    """Score the pool by every method.

    Args:
        arguments (`argparse.Namespace`): The command line.
        seed (`int`): Seed of the pool.
        model (`str`): Folder of the model.
        folder (`Path`): A folder for the target set and the scored rows.

    Returns:
        `dict[str, np.ndarray]`: (N,) scores by method, high = first, nan for none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = rows_of(arguments.family, "unknown", 20, f"target {seed}")
    (folder / "target.json").write_text(json.dumps(target))
    scored = score(
        Dataset.from_list(make_pool(arguments.family, seed, arguments.real)),
        model,
        embedder=arguments.embedder or str(package_folder(EMBEDDER_PACKAGE) / "model"),
        output_dir=folder / "scored",
        template="alpaca",
        also=["ifd", "influence"],
        neighbors=arguments.neighbors,
        demonstrations_from=str(folder / "target.json"),
        device="cpu",
        dtype="bfloat16",
        max_length=1024,
        progress=False,
    )
    values = {method: method_scores(scored, method, seed) for method in METHODS if method != "teachable"}
    loss, gain = values["perplexity"], -values["miwv"]
    values["teachable"] = np.where(loss > np.nanmedian(loss), gain, gain - 1000)
    return values


def held_out_means(arguments: argparse.Namespace, seed: int, model: str, folder: Path) -> dict[str, float]:
    """Measure a model's mean loss on held-out rows of each task, nats per response token."""
    loaded = load_model(model, device="cpu", dtype="bfloat16")
    tasks = list(FAMILIES[arguments.family])
    rows = [row for task in tasks for row in rows_of(arguments.family, task, HELD_OUT, f"held out {seed}")]
    losses, _ = held_out_losses(
        loaded, Dataset.from_list(rows), folder / "held-out", Processes(), template="alpaca", progress=False
    )
    shutil.rmtree(folder / "held-out", ignore_errors=True)
    means = losses.reshape(len(tasks), HELD_OUT).mean(axis=1)
    return dict(zip(tasks, means.tolist(), strict=True))


def teach(
    arguments: argparse.Namespace, seed: int, model: str, values: dict[str, np.ndarray], folder: Path
) -> dict[str, dict[str, float]]:
    """Tune further on each method's first rows, and measure how the losses on held-out rows change.

    Args:
        arguments (`argparse.Namespace`): The command line.
        seed (`int`): Seed of pool and training.
        model (`str`): Folder of the tuned model.
        values (`dict[str, np.ndarray]`): (N,) scores by method.
        folder (`Path`): A folder for unfinished work.

    Returns:
        `dict[str, dict[str, float]]`: Change of the mean loss by method and task, nats per response token.
    """
    pool = make_pool(arguments.family, seed, arguments.real)
    before = held_out_means(arguments, seed, model, folder)
    changes = {}
    for method, scores in values.items():
        saved = folder / f"taught-{method}.json"
        if not saved.exists():
            first = np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")[:CHOSEN]
            rows = [pool[index] for index in first]
            texts = list(zip(prompt_texts(rows), (row["output"] for row in rows), strict=True))
            tune(model, texts, TEACHING_STEPS, 5e-4, seed, folder / "taught")
            after = held_out_means(arguments, seed, str(folder / "taught"), folder)
            shutil.rmtree(folder / "taught")
            saved.write_text(json.dumps({task: after[task] - before[task] for task in before}))
        changes[method] = json.loads(saved.read_text())
    return changes


def run_seed(arguments: argparse.Namespace, seed: int) -> dict[str, Any]:
    """Run a seed, or read what it gave before."""
    name = f"{arguments.family}-{arguments.tuning}-{arguments.steps}-k{arguments.neighbors}-real{arguments.real}"
    folder = arguments.output / name / f"seed-{seed}"
    saved = folder / ("taught.json" if arguments.teach else "result.json")
    if saved.exists():
        return json.loads(saved.read_text())
    model = tuned_model(arguments, seed)
    values = scores_of(arguments, seed, model, folder)
    kinds = np.array([row["kind"] for row in make_pool(arguments.family, seed, arguments.real)])
    result: dict[str, Any] = {
        "auc": {
            method: {
                f"{first} over {second}": auc(scores[kinds == first], scores[kinds == second])
                for first, second in PAIRS
            }
            for method, scores in values.items()
        },
        "means": {
            kind: {
                name: float(np.nanmean(values[name][kinds == kind])) for name in ("miwv", "perplexity", "influence")
            }
            for kind in dict.fromkeys(kinds.tolist())
        },
        "taught": teach(arguments, seed, model, values, folder) if arguments.teach else None,
    }
    saved.write_text(json.dumps(result))
    return result


def auc(first: np.ndarray, second: np.ndarray) -> float:
    """Count the share of pairs in which a value of `first` is above one of `second`, ties counting half.

    Args:
        first (`np.ndarray`): (A,) scores; nan is left out.
        second (`np.ndarray`): (B,) scores; nan is left out.

    Returns:
        `float`: The share; nan without any pair.
    """
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if not len(first) or not len(second):
        return float("nan")
    return float(stats.mannwhitneyu(first, second).statistic / (len(first) * len(second)))


def with_interval(values: list[float]) -> str:
    """Write the mean over seeds, and its 95 % t-interval where there are two or more."""
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) < 2:
        return f"{known[0]:.2f}" if len(known) else "–"
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.2f} ({known.mean() - half:.2f} to {known.mean() + half:.2f})"


def report(results: list[dict[str, Any]], tasks: Sequence[str]) -> None:
    """Print the tables.

    Args:
        results (`list[dict[str, Any]]`): What `run_seed` gave for each seed.
        tasks (`Sequence[str]`): The tasks that held-out rows are of.
    """
    kinds = list(results[0]["means"])
    pairs = [f"{first} over {second}" for first, second in PAIRS if first in kinds and second in kinds]
    print("| method | " + " | ".join(pairs) + " |")
    print("|---" * (len(pairs) + 1) + "|")
    for method in METHODS:
        cells = [with_interval([result["auc"][method][pair] for result in results]) for pair in pairs]
        print(f"| {method} | {' | '.join(cells)} |")
    print("\n| kind | mean MIWV | mean zero-shot loss | mean influence |\n|---|---|---|---|")
    for kind in kinds:
        cells = [
            with_interval([result["means"][kind][name] for result in results])
            for name in ("miwv", "perplexity", "influence")
        ]
        print(f"| {kind} | {' | '.join(cells)} |")
    if results[0]["taught"]:
        print(
            "\n| trained on the choice of | " + " | ".join(f"{task}, change | less random's" for task in tasks) + " |"
        )
        print("|---" * (2 * len(tasks) + 1) + "|")
        for method in METHODS:
            cells = []
            for task in tasks:
                changes = np.array([result["taught"][method][task] for result in results])
                by_chance = np.array([result["taught"]["random"][task] for result in results])
                cells += [f"{changes.mean():.2f}", with_interval((changes - by_chance).tolist())]
            print(f"| {method} | {' | '.join(cells)} |")


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--family", choices=tuple(FAMILIES), default="words")
    parser.add_argument("--tuning", choices=("rows", "examples", "none"), default="rows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--neighbors", type=int, default=1)
    parser.add_argument("--real", type=int, default=0)
    parser.add_argument("--teach", action="store_true")
    parser.add_argument("--model", help="Another model than the small real one.")
    parser.add_argument("--embedder", help="Another embedder than the small real one.")
    arguments = parser.parse_args()
    results = [run_seed(arguments, seed) for seed in range(arguments.seeds)]
    tuning = {"rows": f"{arguments.steps} steps on rows", "examples": f"{arguments.steps} steps, half with examples"}
    print(
        f"\nFamily {arguments.family}, {tuning.get(arguments.tuning, 'no tuning')}, K = {arguments.neighbors}, "
        f"{arguments.real} real rows, {len(results)} seeds\n"
    )
    report(results, list(FAMILIES[arguments.family]))


if __name__ == "__main__":
    main()
