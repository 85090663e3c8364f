"""The work that `growth.py` measures: of each case the files that it reads, and what it does with them."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SENTENCES = str(resources.files("hf_lmt") / "sample" / "sentences.csv")
INSTRUCTIONS = str(resources.files("hf_miwv") / "sample" / "instructions.jsonl")
INPUTS = "inputs"  # folder of the files that a case reads
TASKS = 4
PARTNERS = ("de", "zh", "es", "ru", "ar")  # of English, in both directions
DIMENSIONS = 384


class Case(NamedTuple):
    """One writes the inputs for about so many rows into a folder; the other does the work and counts its rows."""

    write: Callable[[str, Path, int], None]
    run: Callable[[Path], int]


def write_table(data: str, folder: Path, rows: int) -> None:
    """The rows of `preparation.py`: sentences of a table, repeated with a number in every text."""
    from preparation import write_table

    write_table(data, folder / INPUTS, rows)


def source_of(folder: Path) -> Any:
    from hf_lmt.data.corpora.sources import Source

    return Source(str(folder / INPUTS / "table.parquet"), corpus="benchmark")


def recipe_of(folder: Path) -> Any:
    from hf_lmt.data.prepare.data_recipe import read_data_recipe

    return read_data_recipe(
        {
            "data": [{"path": str(folder / INPUTS / "table.parquet"), "corpus": "benchmark"}],
            "curation": {"contamination": {"sets": "none"}},
        }
    )


def run_prepare(folder: Path) -> int:
    from hf_lmt.data.prepare.prepare import prepare

    run = prepare(recipe_of(folder), folder / "out", progress=False)
    return int(run["counts"]["groups"]["all"]["read"])


def run_tasks(folder: Path) -> int:
    from hf_lmt.pipeline.prepare_sharded import prepare_sharded
    from hf_miwv.common.executors.executor_settings import read_executor

    settings = read_executor(f"local:{TASKS}", {"workers": 1})
    run = prepare_sharded(recipe_of(folder), folder / "out", settings, progress=False)
    return int(run["counts"]["groups"]["all"]["read"]) if run else 0


def run_inspect(folder: Path) -> int:
    from hf_lmt.data.corpora.load import load
    from hf_lmt.data.inspection.inspect import inspect_rows

    rows = load(source_of(folder)).rows
    inspect_rows(rows, progress=False)
    return len(rows)


def run_curate(folder: Path) -> int:
    from hf_lmt.data.curation.curate_source import curate_source
    from hf_lmt.data.curation.curation_settings import steps_from

    run = curate_source(source_of(folder), folder / "out", steps_from({"contamination": {"sets": "none"}}))
    return int(run["counts"]["rows_in"])


def write_evaluation_set(data: str, folder: Path, rows: int) -> None:
    """A table of English and its partners, and a file of hypotheses for each direction: references with a gap.

    Each ends in the source language, because what several directions share is looked at once, and systems seldom give
    the same translation of two languages.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from scoring import damaged

    from hf_miwv.common.reading.reading import read_dataset

    lines = read_dataset(data).select_columns(["en", *PARTNERS])
    count = rows // (2 * len(PARTNERS))
    texts = {
        code: [f"{lines[code][number % len(lines)]} ({number})" for number in range(count)]
        for code in lines.column_names
    }
    pq.write_table(pa.table(texts), folder / INPUTS / "set.parquet")
    for partner in PARTNERS:
        for source, target in (("en", partner), (partner, "en")):
            content = "".join(f"{damaged(text)} {source}\n" for text in texts[target])
            (folder / INPUTS / f"{source}-{target}.txt").write_text(content, "utf-8")


def run_evaluate(folder: Path) -> int:
    from hf_lmt import evaluate

    inputs = folder / INPUTS
    evaluation = evaluate(
        str(inputs / "set.parquet"), folder / "out", hypotheses=sorted(inputs.glob("*.txt")), progress=False
    )
    return int(evaluation.run["counts"]["lines"])


def write_instructions(_: str, folder: Path, rows: int) -> None:
    """The package's sample of instructions, repeated with a number in each text."""
    import json

    lines = [json.loads(line) for line in Path(INSTRUCTIONS).read_text("utf-8").splitlines()]
    with open(folder / INPUTS / "rows.jsonl", "w", encoding="utf-8") as file:
        for number in range(rows):
            row = lines[number % len(lines)]
            texts = {name: f"{row[name]} ({number})" for name in ("instruction", "output")}
            file.write(json.dumps({**row, **texts}) + "\n")


def run_score(folder: Path) -> int:
    """`score`, in which vectors, neighbors and losses are random: all that is left needs no model."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from hf_miwv import score
    from hf_miwv.common.reading.reading import read_dataset
    from hf_miwv.common.reading.source import Source
    from hf_miwv.common.recipes.packages import EMBEDDER_PACKAGE, package_folder
    from hf_miwv.scoring.journey import Journey

    embedder = package_folder(EMBEDDER_PACKAGE) / "model"
    tokenizer = AutoTokenizer.from_pretrained(embedder)
    tokenizer.eos_token = tokenizer.sep_token
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    for name, stage in (
        ("embed_prompts", random_vectors),
        ("search_neighbors", random_neighbors),
        ("compute_losses", random_losses),
    ):
        setattr(Journey, name, stage)
    scored = score(
        read_dataset(Source(str(folder / INPUTS / "rows.jsonl"))),
        model,
        tokenizer=tokenizer,
        embedder=str(embedder),
        template="alpaca",
        output_dir=folder / "out",
        progress=False,
    )
    return len(scored)


def random_vectors(journey: Any, *_: Any) -> np.ndarray:
    journey.count("embed", {"seconds": 0.0, "tokens": 0, "prompts_cut": 0})
    return np.random.default_rng(0).standard_normal((len(journey.table), DIMENSIONS), dtype=np.float32)


def random_neighbors(journey: Any, vectors: np.ndarray, prompts: np.ndarray) -> tuple[Any, Any, dict[str, Any]]:
    random, rows = np.random.default_rng(1), len(vectors)
    neighbors = (np.arange(rows) + random.integers(1, rows, rows)) % rows  # never the row itself
    return neighbors[:, None], random.random((rows, 1), dtype=np.float32), {"search": "exact"}


def random_losses(journey: Any, passes: Any, forest: Any, *_: Any, **__: Any) -> tuple[np.ndarray, dict[str, Any]]:
    from hf_miwv.losses.pass_losses import COUNTS

    losses = np.random.default_rng(2).random(len(passes.lengths)) + 1
    return losses, journey.loss_counts(passes, forest, dict.fromkeys(COUNTS, 0.0))


def write_neighbors(_: str, folder: Path, rows: int) -> None:
    from neighbors import CENTERS, write_vectors

    write_vectors(folder / INPUTS / "vectors.npy", rows, CENTERS)


def run_exact(folder: Path) -> int:
    from hf_miwv.neighbors.exact import nearest_neighbors

    return len(nearest_neighbors(np.load(folder / INPUTS / "vectors.npy"))[0])


def run_index(folder: Path) -> int:
    from hf_miwv.neighbors.index import indexed_neighbors

    return len(indexed_neighbors(np.load(folder / INPUTS / "vectors.npy"))[0])


CASES = {
    "prepare": Case(write_table, run_prepare),
    "tasks": Case(write_table, run_tasks),
    "inspect": Case(write_table, run_inspect),
    "curate": Case(write_table, run_curate),
    "evaluate": Case(write_evaluation_set, run_evaluate),
    "score": Case(write_instructions, run_score),
    "exact": Case(write_neighbors, run_exact),
    "index": Case(write_neighbors, run_index),
}
