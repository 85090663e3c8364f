"""What the README's table of costs says, in one go on this machine: `python benchmarks/cost_table.py [--small]`.

Each row is a process of its own with one thread, after the others. Its seconds are those of the processor (user and
system, threads and children included), which other work on the machine moves less than the clock; loading of models
and making of inputs are not counted. Data are the samples in the package and made ones, models the small real ones
that `make demo` installs. Prints the table in Markdown, then the machine and the versions. Needs Linux or macOS.

`--small` runs all of it at a fraction of the size, to see that it works; `--only NAME,NAME` some rows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
SMALLER = 50  # times, with --small
SHOWN_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
SHOWN_VERSIONS = ("torch", "transformers", "trl", "numpy", "datasets", "usearch", "sacrebleu")
NEW_TOKENS = 64


class Job(NamedTuple):
    """Work to be timed, and its size in words; a function that tells more about the result."""

    size: str
    work: Callable[[], Any]
    tell: Callable[[Any], str] = lambda _: ""


def score(count: int, dtype: str) -> Job:
    import copy

    import torch
    from engine import engine, prepare

    from hf_miwv.commands.demo_run import SAMPLE
    from hf_miwv.common.models.models import load_model
    from hf_miwv.common.models.rope import length_rule
    from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder
    from hf_miwv.losses.branching import branching_obstacle
    from hf_miwv.losses.forest import TREE_TOKENS, grow_forest

    batch_tokens = 1024
    loaded = load_model(str(package_folder(MODEL_PACKAGE)), device="cpu")
    passes, neighbors = prepare(str(SAMPLE), count, loaded.tokenizer)
    model = copy.deepcopy(loaded.model).to(getattr(torch, dtype))
    forest = grow_forest(
        passes,
        neighbors,
        tree_tokens=min(TREE_TOKENS, batch_tokens),
        obstacle=branching_obstacle(model),
        rule=length_rule(model),
    )
    tokens = int(passes.lengths[: len(passes.responses)].sum())
    size = f"{len(passes.responses)} rows, {tokens / len(passes.responses):.0f} tokens each; 135M model, {dtype}"
    return Job(size, lambda: engine(model, forest, batch_tokens))


def exact_neighbors(count: int, folder: Path) -> Job:
    from hf_miwv.neighbors.exact import nearest_neighbors

    vectors = _vectors(count, folder)
    return Job(f"{count:,} rows, {vectors.shape[1]} dimensions", lambda: nearest_neighbors(vectors))


def index(count: int, folder: Path) -> Job:
    from hf_miwv.neighbors.index import indexed_neighbors

    vectors = _vectors(count, folder)
    return Job(
        f"{count:,} rows, {vectors.shape[1]} dimensions",
        lambda: indexed_neighbors(vectors),
        lambda result: f", recall {result[2]['recall']:.3f}",
    )


def _vectors(count: int, folder: Path) -> Any:
    import numpy as np
    from neighbors import CENTERS, write_vectors

    write_vectors(folder / "vectors.npy", count, CENTERS)
    return np.array(np.load(folder / "vectors.npy"))


def inspect(count: int, folder: Path) -> Job:
    from datasets import Dataset
    from inspection import make_rows

    from hf_lmt.data.inspection.inspect import inspect_rows

    make_rows(str(_sentences()), count, folder / "rows.arrow")
    rows = Dataset.from_file(str(folder / "rows.arrow"))
    return Job(f"{count:,} rows", lambda: inspect_rows(rows, progress=False))


def prepare_rows(count: int, folder: Path) -> Job:
    from preparation import curated_chain, write_table

    write_table(str(_sentences()), folder, count)
    _, work = curated_chain(folder, 1)
    return Job(f"{count:,} rows", work)


def bleu_and_chrf(directions: int) -> Job:
    from itertools import cycle, islice

    from scoring import LINES, measure, stand_in

    from hf_lmt.directions import DIRECTIONS
    from hf_lmt.registry import LANGUAGES
    from hf_miwv.common.reading.reading import read_dataset

    table = read_dataset(str(_sentences()))
    there = {code: table[code] for code in LANGUAGES if code in table.column_names}
    texts = {code: list(islice(cycle(there[stand_in(code, there)]), LINES)) for code in LANGUAGES}
    chosen = DIRECTIONS[:: len(DIRECTIONS) // directions][:directions]
    return Job(f"{len(chosen)} directions x {LINES:,} lines", lambda: measure(texts, chosen, 1))


def translate(lines: int, beams: int, dtype: str) -> Job:
    from hf_lmt.translation.translator import Translator
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder
    from hf_miwv.common.trainer.trainable import trainable_source

    texts = read_dataset(str(_sentences()))["de"][:lines]
    folder = trainable_source(str(package_folder(MODEL_PACKAGE)))
    translator = Translator(folder, device="cpu", dtype=dtype, num_beams=beams, max_new_tokens=NEW_TOKENS)
    search = "greedy" if beams == 1 else f"beam {beams}"
    size = f"{len(texts)} lines, at most {NEW_TOKENS} new tokens, {search}; 135M model, {dtype}"
    return Job(size, lambda: translator(list(texts), src_lang="de", tgt_lang="en"))


def train(steps: int, folder: Path, dtype: str) -> Job:
    import yaml

    from hf_lmt.commands.demo_run import write_lines
    from hf_lmt.recipes.training_recipe import read_training_recipe
    from hf_lmt.training.training import train as train_recipe
    from hf_miwv.common.recipes.packages import MODEL_PACKAGE, package_folder
    from hf_miwv.common.trainer.trainable import trainable_source

    write_lines(folder)
    text = (_sentences().parent / "demo.yaml").read_text("utf-8").replace("{output}", str(folder))
    text = text.replace("{model}", trainable_source(str(package_folder(MODEL_PACKAGE))))
    recipe = yaml.safe_load(text.replace("{bf16}", "true" if dtype == "bfloat16" else "false"))
    del recipe["evaluation"], recipe["eval_on_start"], recipe["eval_steps"]
    recipe |= {"eval_strategy": "no", "max_steps": steps, "save_strategy": "no", "logging_steps": 1}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")

    def work() -> Any:
        return train_recipe(read_training_recipe(folder / "recipe.yaml"))

    return Job(f"{steps} steps of 8 rows, adapter, padding-free; 135M model, {dtype}; loading included", work)


def _sentences() -> Path:
    from importlib.resources import files

    return Path(str(files("hf_lmt") / "sample" / "sentences.csv"))


class Row(NamedTuple):
    """A row of the table: its name in it, its size, and what makes its job of a size and a folder."""

    label: str
    size: int
    make: Callable[[int, Path], Job]


ROWS = {
    "score-float32": Row("score", 64, lambda size, _: score(size, "float32")),
    "score-bfloat16": Row("score", 64, lambda size, _: score(size, "bfloat16")),
    "neighbors": Row("neighbors, exact", 50_000, exact_neighbors),
    "index": Row("neighbors, by index (extra `index`)", 100_000, index),
    "inspect": Row("`inspect`", 1_000_000, inspect),
    "prepare": Row("`prepare` with curation, without evaluation sets", 200_000, prepare_rows),
    "bleu-chrf": Row("BLEU and chrF++", 26, lambda size, _: bleu_and_chrf(size)),
    "translate-greedy": Row("translate", 32, lambda size, _: translate(size, 1, "bfloat16")),
    "translate-beam": Row("translate", 32, lambda size, _: translate(size, 5, "bfloat16")),
    "train-float32": Row("`hf-lmt train`", 6, lambda size, folder: train(size, folder, "float32")),
    "train-bfloat16": Row("`hf-lmt train`", 6, lambda size, folder: train(size, folder, "bfloat16")),
}


def measure(name: str, size: int) -> dict[str, Any]:
    """Run one row's job; its size in words, and seconds of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        job = ROWS[name].make(size, Path(folder))
        began = _processor_seconds()
        result = job.work()
        seconds = _processor_seconds() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    return {"size": job.size + job.tell(result), "seconds": seconds, "peak_gib": peak}


def _processor_seconds() -> float:
    usages = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def machine() -> str:
    """The processor with its flags that matter here, and the versions."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text("utf-8").splitlines() if information.is_file() else []
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    flags = [flag for flag in SHOWN_FLAGS if flag in facts.get("flags", "").split()]
    versions = ", ".join(f"{name} {version(name)}" for name in SHOWN_VERSIONS)
    processor = facts.get("model name", platform.processor())
    return f"{processor} ({', '.join(flags)}), {os.cpu_count()} cores; Python {platform.python_version()}, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help=f"everything at 1/{SMALLER} of the size")
    parser.add_argument("--only", default=",".join(ROWS), help="names of rows, with commas between")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    scale = SMALLER if options.small else 1
    if options.measure:
        print(json.dumps(measure(options.measure, max(2, ROWS[options.measure].size // scale))))
        return
    print("| what | size | processor seconds | peak memory, GiB |\n|---|---|---|---|", flush=True)
    for name in options.only.split(","):
        with tempfile.TemporaryDirectory() as cache:
            environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "HF_DATASETS_CACHE": cache}
            words = [sys.executable, __file__, "--measure", name, *(["--small"] if options.small else [])]
            child = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)  # noqa: S603
        result = json.loads(child.stdout.splitlines()[-1])
        print(
            f"| {ROWS[name].label} | {result['size']} | {result['seconds']:.1f} | {result['peak_gib']:.1f} |",
            flush=True,
        )
    print(f"\n{machine()}; one thread")


if __name__ == "__main__":
    main()
