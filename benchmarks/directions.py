"""Does Strategic Downsampling keep the directions? One start, the same steps, several arms.

    python benchmarks/directions.py --output FOLDER --data TRAIN.parquet --held-out DEV.parquet
        --rates 0,0.05,0.2,1 --hints on,off --steps 200 [--tuning full] [--at-once 4]
    python benchmarks/directions.py --output FOLDER ... --arm rate=0.05,hints=off   # one arm alone
    python benchmarks/directions.py --output FOLDER --dry-run     # minutes on two cores

An arm is a rate of StrategicDownsampling (the share of the rows into English and Chinese that is
kept), hints of ParallelMultilingualPrompting on or off, and a seed. Its rows are made by
`hf-lmt prepare` from --lines lines of a multi-way table (a column per language), in every direction
from and to English and Chinese; it is trained by `hf-lmt train` for --steps steps of --batch rows,
and translates the same held-out rows at the start and --evaluations times on the way. Only the
rows differ between arms: with fewer of them, the same steps go over them more often.

Each arm is a process of its own; --at-once N runs N side by side. Killed, the same command goes on:
finished arms stay, and begun ones go on from their last checkpoint (--tuning lora and qlora; with
full, 2 GB each, there are none). --rows-only makes the rows of all arms and stops, for a machine
without a GPU to do beforehand. Prints Markdown: chrF++, macro means over directions, at the start
and at the end; curves.csv and curves.png in FOLDER have every evaluation.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from datasets import Dataset
from directions_report import Arm, report

from hf_lmt.data.prepare.data_recipe import read_data_recipe
from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.recipes.training_recipe import read_training_recipe
from hf_lmt.registry import LANGUAGES
from hf_lmt.training.training import train
from hf_lmt.training.watching.watched_record import write_whole
from hf_miwv.common.errors import InputError
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.workspace import workspace_of
from hf_miwv.neighbors.index import hashed_sample

SAMPLE = resources.files("hf_lmt") / "sample" / "sentences.csv"
HELD_OUT = 0.2  # of the lines of --data, where no --held-out is given
ADAPTER = {"use_peft": True, "lora_r": 16, "lora_alpha": 32, "lora_target_modules": "all-linear"}
TUNING: dict[str, dict[str, Any]] = {
    "full": {"dtype": "float32"},
    "lora": {"dtype": "float32", **ADAPTER},
    "qlora": {"load_in_4bit": True, **ADAPTER},
}
FREE = ("output", "arm", "arms", "rates", "hints", "seeds", "at_once", "rows_only", "dry_run")
"""What may differ from one call to the next in the same folder."""
DRY = {
    "languages": "en,zh,de,ru",
    "lines": 8,
    "rates": "0.05,1",
    "hints": "off",
    "steps": 2,
    "batch": 4,
    "evaluations": 1,
    "per_direction": 1,
    "tuning": "lora",
    "max_new_tokens": 8,
}


def read_arm(words: str) -> Arm:
    """Of rate=0.05,hints=off[,seed=0]; ValueError for what it is not."""
    parts = dict(part.split("=") for part in words.split(","))
    arm = Arm(float(parts.pop("rate")), {"on": True, "off": False}[parts.pop("hints")], int(parts.pop("seed", "0")))
    if parts or not 0 <= arm.rate <= 1:
        raise ValueError(words)
    return arm


def claim(given: argparse.Namespace) -> None:
    """The folder is for arms that can be compared: of the same lines, model, steps and so on."""
    own = {name: str(value) for name, value in vars(given).items() if name not in FREE}
    path = given.output / "settings.json"
    if not path.exists():
        write_whole(path, json.dumps(own, indent=1).encode())
    elif changed := sorted(
        name for name, value in json.loads(path.read_text("utf-8")).items() if own.get(name) != value
    ):
        raise InputError(
            f"{given.output} is of another comparison (not the same: {', '.join(changed)}); give another --output"
        )


def tables(given: argparse.Namespace) -> tuple[Path, Path]:
    """The training lines and the held-out ones, a column per language, chosen by hash."""
    train_path, held_path = given.output / "lines.parquet", given.output / "held-out.parquet"
    if train_path.exists() and held_path.exists():
        return train_path, held_path
    table = read_dataset(given.data)
    held = read_dataset(given.held_out) if given.held_out else None
    places = np.arange(len(table))
    if held is None:
        own = hashed_sample(places, max(1, round(HELD_OUT * len(table))), seed=1)
        held, places = table.select(own), np.setdiff1d(places, own)
    chosen = hashed_sample(places, min(given.lines or len(places), len(places)), seed=0)
    for part, path in ((held, held_path), (table.select(chosen), train_path)):
        part.select_columns(languages_of(part, given.languages)).to_parquet(str(path))
    return train_path, held_path


def languages_of(table: Dataset, wanted: str) -> list[str]:
    """The columns to use, in LMT's order."""
    there = [code for code in LANGUAGES if code in table.column_names]
    if wanted == "all":
        return there
    asked = wanted.split(",")
    if missing := [code for code in asked if code not in there]:
        raise InputError(f"--languages {missing[0]}: the table has {', '.join(there)}")
    return [code for code in there if code in asked]


def rows_of(arm: Arm, given: argparse.Namespace) -> Path:
    """The folder of the arm's rows, made once; held-out lines are taken out of them."""
    lines, held = tables(given)
    folder: Path = given.output / "rows" / arm.name
    if read_record(folder) is not None:
        return folder
    recipe = {
        "data": [{"path": str(lines), "corpus": "lines"}],
        "directions": ["en-*", "*-en", "zh-*", "*-zh"],
        "curation": {"contamination": {"sets": [str(held)]}},
        "downsampling": {"rate": arm.rate},
        "pmp": {"share": 0.5 if arm.hints else 0.0},
        "seed": arm.seed,
    }
    prepare(read_data_recipe(_written(recipe, given, arm, "rows")), folder, progress=False)
    return folder


def recipe_of(arm: Arm, given: argparse.Namespace, output: Path) -> dict[str, Any]:
    """What the arm is trained by."""
    on_cpu = not torch.cuda.is_available()
    every = max(1, given.steps // given.evaluations)
    return {
        "model_name_or_path": given.model,
        **TUNING[given.tuning],
        "data": [{"path": str(rows_of(arm, given))}],
        "seed": arm.seed,
        "global_batch_size": given.batch,
        "per_device_train_batch_size": given.per_device or given.batch,
        "max_steps": given.steps,
        "learning_rate": given.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "max_length": given.max_length,
        "padding_free": True,
        "use_cpu": on_cpu,
        "bf16": not on_cpu,
        "activation_checkpointing": False,
        "disable_tqdm": True,
        "report_to": "none",
        "logging_steps": max(1, every // 5),
        "save_strategy": "no" if given.tuning == "full" else "steps",
        "save_steps": every,
        "eval_strategy": "steps",
        "eval_steps": every,
        "eval_on_start": True,
        "evaluation": {
            "sets": [str(tables(given)[1])],
            "per_direction": given.per_direction,
            "directions": watched(given),
            "metrics": ["chrf++"],
            "max_new_tokens": given.max_new_tokens,
        },
        "output_dir": str(output),
    }


def watched(given: argparse.Namespace) -> list[str]:
    """The directions between the pivots and the languages of --watch, or all of them."""
    if not given.watch:
        return ["en-*", "*-en", "zh-*", "*-zh"]
    others = [code for code in given.watch.split(",") if code not in ("en", "zh")]
    pairs = [(pivot, code) for code in others for pivot in ("en", "zh")]
    return ["en-zh", "zh-en", *(f"{a}-{b}" for pair in pairs for a, b in (pair, pair[::-1]))]


def run_arm(arm: Arm, given: argparse.Namespace) -> None:
    """Train the arm, and keep its figures in results/; the model itself is thrown away."""
    result = given.output / "results" / f"{arm.name}.json"
    if result.exists():
        return
    output = given.output / "models" / arm.name
    began = time.perf_counter()
    run = train(read_training_recipe(_written(recipe_of(arm, given, output), given, arm, "train")))
    found = {
        "arm": arm._asdict(),
        "tuning": given.tuning,
        "model": Path(given.model).name,
        "device": run["model"]["device"],
        "versions": run["versions"],
        "rows": run["rows"],
        "groups": run["prepared"]["counts"]["groups"],
        "steps": run["steps"],
        "epochs": run["epochs"],
        "seconds": round(time.perf_counter() - began, 1),
        "loss_curve": run["loss_curve"],
        "evaluations": run["evaluations"],
    }
    write_whole(result, json.dumps(found, ensure_ascii=False, indent=1).encode())
    shutil.rmtree(output)
    shutil.rmtree(workspace_of(output), ignore_errors=True)


def _written(recipe: dict[str, Any], given: argparse.Namespace, arm: Arm, kind: str) -> Path:
    path: Path = given.output / "recipes" / f"{kind}-{arm.name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), "utf-8")
    return path


def run_side_by_side(arms: Sequence[Arm], at_once: int) -> None:
    """Each arm as a process of this script, `at_once` of them at a time; a failed one ends all."""
    waiting, running = list(arms), dict[Arm, subprocess.Popen[bytes]]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                arm = waiting.pop(0)
                words = [sys.executable, *sys.argv, "--arm", arm.name]
                running[arm] = subprocess.Popen(words, stdout=subprocess.DEVNULL)  # noqa: S603
            time.sleep(0.2)
            for arm in [one for one, process in running.items() if process.poll() is not None]:
                if running.pop(arm).returncode:
                    raise InputError(f"the arm {arm.name} failed; what it said stands above")
                print(f"{arm.name}: done", file=sys.stderr)
    finally:
        for process in running.values():
            process.terminate()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", default=str(SAMPLE), help="multi-way table [default: the sample]")
    parser.add_argument("--held-out", help="another table; else a fifth of the lines, by hash")
    parser.add_argument("--model", help="folder or Hub id [default: the small real model]")
    parser.add_argument("--languages", default="all", help="codes, en and zh among them")
    parser.add_argument("--lines", type=int, help="lines of --data, by hash [default: all]")
    parser.add_argument("--rates", default="0,0.05,0.2,1")
    parser.add_argument("--hints", default="off")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--arm", help="this one alone: rate=0.05,hints=off[,seed=0]")
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--tuning", choices=TUNING, default="full")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64, help="rows a step")
    parser.add_argument("--per-device", type=int, help="rows of a forward pass [default: all]")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--max-length", type=int, default=512)
    parser.add_argument("--evaluations", type=int, default=4, help="after the one at the start")
    parser.add_argument("--watch", help="languages that are translated from and to [default: all]")
    parser.add_argument("--per-direction", type=int, default=4, help="held-out rows of each")
    parser.add_argument("--max-new-tokens", type=int, default=128)
    parser.add_argument("--rows-only", action="store_true")
    parser.add_argument("--dry-run", action="store_true", help="as small as can be")
    given = parser.parse_args()
    if given.dry_run:
        vars(given).update(
            {name: value for name, value in DRY.items() if f"--{name.replace('_', '-')}" not in sys.argv}
        )
    given.output = given.output.absolute()
    given.model = given.model or str(package_folder(MODEL_PACKAGE))
    try:
        given.arms = (
            [read_arm(given.arm)]
            if given.arm
            else [
                read_arm(f"rate={rate},hints={hints},seed={seed}")
                for seed in given.seeds.split(",")
                for hints in given.hints.split(",")
                for rate in given.rates.split(",")
            ]
        )
    except (ValueError, KeyError):
        parser.error("an arm is rate=SHARE,hints=on|off[,seed=NUMBER], shares from 0 to 1")
    return given


def main() -> None:
    given = parse()
    try:
        claim(given)
        if given.arm is None:  # the rows first: arms side by side read the same tables
            for arm in given.arms:
                rows_of(arm, given)
        if not given.rows_only:
            if given.arm or given.at_once == len(given.arms) == 1:
                for arm in given.arms:
                    run_arm(arm, given)
            else:
                run_side_by_side(given.arms, given.at_once)
            report(given.output)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
