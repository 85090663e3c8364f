"""What does a method put on top? A pool of known, unknown, false, doubled, short and long rows, made for it.

    python benchmarks/planted.py --output FOLDER [--seeds 5] [--steps 60] [--neighbors 1] [--untuned]

For each seed the small real model is first tuned (LoRA, --steps steps of 8 rows) on one task, "write these words in
reverse order". Then a pool is scored by the tuned model:

    known    60 further rows of that task
    unknown  60 "sort these words" rows: the same form and lengths, never trained on
    other    40 "write each word twice": another task that was never trained on
    false    40 of the unknown rows' kind, each with another row's answer
    doubled  20 copies of known rows
    short    20 unknown rows of 2 words
    long     20 unknown rows of 14 words

Reported is, for each method of `select`, the AUC: the share of pairs in which a row of the first kind stands above one
of the second, ties counting half; 0.5 is chance. Mean over seeds with a 95 % t-interval. Known, unknown and false
rows have the same number of words, so that length tells nothing between them. `target_gain` has 20 further unknown
rows, with right answers, as its target set. `teachable` is no method of `select`, but a candidate: rows whose
zero-shot loss is above the pool's median, ranked by how far an example brings it down, before all others. --untuned
leaves the tuning out. Goes on where it was stopped. Prints Markdown.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from scipy import stats

from hf_miwv import score, train
from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, MODEL_PACKAGE, package_folder
from hf_miwv.results.methods import method_scores

VOCABULARY = (
    "apple river stone cloud table window garden bridge letter candle pencil mirror ladder basket button carpet "
    "engine forest guitar hammer island jacket kettle lemon market needle orange paper queen ribbon saddle tunnel "
    "umbrella velvet wagon yellow zebra anchor bottle copper dragon eagle feather glacier harbor insect jungle kitten "
    "lantern meadow number ocean pillow quarry rabbit silver temple valley winter barrel"
)
WORDS = VOCABULARY.split()
TASKS: dict[str, tuple[str, Callable[[list[str]], list[str]]]] = {
    "known": ("Write these words in reverse order", lambda words: words[::-1]),
    "unknown": ("Sort these words alphabetically", sorted),
    "other": ("Write each of these words twice", lambda words: [word for word in words for _ in range(2)]),
}
METHODS = ("miwv", "miwv_low", "influence", "target_gain", "ifd", "perplexity", "length", "teachable")
PAIRS = (("unknown", "known"), ("other", "known"), ("false", "unknown"), ("known", "doubled"), ("long", "short"))
LORA = {"r": 8, "lora_alpha": 16, "target_modules": "all-linear"}


def make_row(kind: str, chance: random.Random, words: int | None = None) -> dict[str, str]:
    """A row of a task, of 4 to 8 words unless said otherwise."""
    instruction, solve = TASKS[kind]
    chosen = chance.sample(WORDS, words or chance.randint(4, 8))
    return {"instruction": f"{instruction}: {', '.join(chosen)}", "input": "", "output": ", ".join(solve(chosen))}


def make_pool(seed: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The pool, each row with its `kind`, in an order by chance; and the target set."""
    chance = random.Random(f"pool {seed}")  # noqa: S311  for rows, not for secrets
    pool = {
        kind: [make_row(kind, chance) for _ in range(count)]
        for kind, count in (("known", 60), ("unknown", 60), ("other", 40))
    }
    wrong = [make_row("unknown", chance) for _ in range(40)]
    # Another row's answer of the same number of words, as far as there is one.
    answers = [row["output"] for row in sorted(wrong, key=lambda row: row["output"].count(","))]
    by_length = sorted(range(len(wrong)), key=lambda index: wrong[index]["output"].count(","))
    pool["false"] = [
        {**wrong[index], "output": answers[(rank + 1) % len(answers)]} for rank, index in enumerate(by_length)
    ]
    pool["doubled"] = [dict(row) for row in pool["known"][:20]]
    pool["short"] = [make_row("unknown", chance, 2) for _ in range(20)]
    pool["long"] = [make_row("unknown", chance, 14) for _ in range(20)]
    rows = [{**row, "kind": kind} for kind, part in pool.items() for row in part]
    chance.shuffle(rows)
    return rows, [make_row("unknown", chance) for _ in range(20)]


def tuned_model(arguments: argparse.Namespace, seed: int, folder: Path) -> str:
    """The folder of the model tuned on the known task with this seed; or the model as it is."""
    model = arguments.model or str(package_folder(MODEL_PACKAGE))
    if arguments.untuned:
        return model
    chance = random.Random(f"tuning {seed}")  # noqa: S311
    rows = Dataset.from_list([make_row("known", chance) for _ in range(8 * arguments.steps)])
    train(
        rows,
        model,
        output_dir=folder / "tuned",
        selection={"method": "random", "fraction": "1"},
        training={
            "max_steps": arguments.steps,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-3,
            "save_steps": arguments.steps,
            "max_length": 256,
            "bf16": False,
            "seed": seed,
            "report_to": "none",
        },
        lora=LORA,
        loading={"device": arguments.device, "dtype": "float32"},
        scoring={"embedder": embedder(arguments), "max_length": 256},
    )
    return str(folder / "tuned")


def embedder(arguments: argparse.Namespace) -> str:
    return arguments.embedder or str(package_folder(EMBEDDER_PACKAGE) / "model")


def scores_of(arguments: argparse.Namespace, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every method's (N,) scores of the pool's rows, and their kinds."""
    folder = arguments.output / f"seed-{seed}"
    pool, target = make_pool(seed)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "target.json").write_text(json.dumps(target))
    scored = score(
        Dataset.from_list(pool),
        tuned_model(arguments, seed, folder),
        embedder=embedder(arguments),
        output_dir=folder / "scored",
        also=["ifd", "influence"],
        neighbors=arguments.neighbors,
        demonstrations_from=str(folder / "target.json"),
        device=arguments.device,
        dtype="float32",
        max_length=1024,
    )
    values = {method: method_scores(scored, method) for method in METHODS if method != "teachable"}
    loss, gain = values["perplexity"], -values["miwv"]
    values["teachable"] = np.where(loss > np.nanmedian(loss), gain, gain - 1000)
    if not arguments.keep_models:
        shutil.rmtree(folder / "tuned", ignore_errors=True)
    return values, np.array(scored["kind"])


def auc(first: np.ndarray, second: np.ndarray) -> float:
    """The share of pairs in which a value of `first` is above one of `second`, ties counting half; nan without any."""
    first, second = first[np.isfinite(first)], second[np.isfinite(second)]
    if not len(first) or not len(second):
        return float("nan")
    return float(stats.mannwhitneyu(first, second).statistic / (len(first) * len(second)))


def with_interval(values: list[float]) -> str:
    """The mean over seeds, and its 95 % t-interval where there are two or more."""
    known = np.array([value for value in values if np.isfinite(value)])
    if len(known) < 2:
        return f"{known[0]:.2f}" if len(known) else "–"
    half = stats.t.ppf(0.975, len(known) - 1) * known.std(ddof=1) / np.sqrt(len(known))
    return f"{known.mean():.2f} ({known.mean() - half:.2f} to {known.mean() + half:.2f})"


def report(results: list[dict[str, Any]]) -> None:
    print("| method | " + " | ".join(f"{first} over {second}" for first, second in PAIRS) + " |")
    print("|---" * (len(PAIRS) + 1) + "|")
    for method in METHODS:
        cells = [
            with_interval([result["auc"][method][f"{first} over {second}"] for result in results])
            for first, second in PAIRS
        ]
        print(f"| {method} | {' | '.join(cells)} |")
    print("\n| kind | mean MIWV | mean zero-shot loss | mean influence |\n|---|---|---|---|")
    for kind in results[0]["means"]:
        cells = [
            with_interval([result["means"][kind][name] for result in results])
            for name in ("miwv", "perplexity", "influence")
        ]
        print(f"| {kind} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--neighbors", type=int, default=1)
    parser.add_argument("--untuned", action="store_true")
    parser.add_argument("--keep-models", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", help="Another model than the small real one.")
    parser.add_argument("--embedder", help="Another embedder than the small real one.")
    arguments = parser.parse_args()
    results = []
    for seed in range(arguments.seeds):
        saved = arguments.output / f"seed-{seed}.json"
        if not saved.exists():
            with redirect_stdout(sys.stderr):  # the trainer prints its progress
                values, kinds = scores_of(arguments, seed)
            result = {
                "auc": {
                    method: {
                        f"{first} over {second}": auc(scores[kinds == first], scores[kinds == second])
                        for first, second in PAIRS
                    }
                    for method, scores in values.items()
                },
                "means": {
                    kind: {
                        name: float(np.nanmean(values[name][kinds == kind]))
                        for name in values
                        if name in ("miwv", "perplexity", "influence")
                    }
                    for kind in dict.fromkeys(kinds.tolist())
                },
            }
            saved.write_text(json.dumps(result))
        results.append(json.loads(saved.read_text()))
    print(
        f"{len(results)} seeds, {'no tuning' if arguments.untuned else f'{arguments.steps} steps of tuning'}, "
        f"K = {arguments.neighbors}\n"
    )
    report(results)


if __name__ == "__main__":
    main()
