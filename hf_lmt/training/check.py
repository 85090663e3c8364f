"""`recipe check`: what a recipe will train on, for how long and in how much memory; no GPU."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import Any

from datasets import Dataset

from hf_lmt.data.prepare.prepare import prepare
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.reinforcement import longest_rollout
from hf_lmt.recipes.training_recipe import MODEL, TrainingRecipe
from hf_lmt.training.checks_before import check_special_tokens
from hf_lmt.training.estimate import Memory, memory_of, shape_of, steps_of
from hf_lmt.training.grpo.grpo_estimate import count_rollouts, grpo_memory
from hf_lmt.training.placement import load_tokenizer
from hf_lmt.training.training_tokens import check_embeddings, tokenize_rows
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.hub_section import hub_words
from hf_miwv.common.models.vocabulary import unknown_token
from hf_miwv.common.reading.source import Source
from hf_miwv.common.recipes.batch import ACCUMULATION, DEFAULT_PER_DEVICE, PER_DEVICE
from hf_miwv.common.runs.folder import read_record
from hf_miwv.common.runs.launched_sharding import no_shards
from hf_miwv.common.trainer.trainable import trainable_source

SAMPLE = 2_000  # rows whose tokens are counted; their order is that of a hash


def check_recipe(recipe: TrainingRecipe, launch: Launch) -> dict[str, Any]:
    """Estimate rows, steps, tokens and memory of a recipe that was read without a fault.

    Rows are made in a folder that is removed again, where every source is on this machine; tokens
    are those of a sample times the rows; memory is that of `estimate.memory_of`, by the model's
    config. A fact that cannot be known here is None, and `unknown` says why.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        launch (`Launch`): The processes that it will be run by.

    Returns:
        `dict[str, Any]`: "rows", "groups", "tokens" (of an epoch), "launch", "batch" (rows a step), "batch_words",
        "steps", "memory" and "unknown" ({fact: reason}); where there are rows, "directions", "contamination" and
        "sample" (counts), too.

    Raises:
        InputError: the launch divides the weights, and the recipe trains on the CPU (`use_cpu`); the model is no
            causal language model; it has no embedding for a token of the rows, or of the end of a text; what
            `prepare` finds in rows that are here.
    """
    if launch.sharding != "none" and recipe.training.get("use_cpu"):
        # What accelerate (1.15) makes of such a launch; the training asks accelerate itself (`check_can_shard`).
        raise no_shards(launch.sharding, "MULTI_CPU" if launch.processes > 1 else "NO")
    facts: dict[str, Any] = {"unknown": {}, "rows": None, "groups": None, "tokens": None, "sample": None}
    config = _config(recipe, facts)
    # the rows of the embedding, as far as the configuration says: no weights are read
    embeddings = None if config is None else config.get_text_config().vocab_size
    with tempfile.TemporaryDirectory() as folder:
        _count_rows(recipe, Path(folder), facts, embeddings)
    per_device = recipe.training.get(PER_DEVICE, DEFAULT_PER_DEVICE)
    accumulation = recipe.training.get(ACCUMULATION, 1)
    batch = launch.processes * per_device * accumulation
    facts |= {
        "launch": launch.words,
        "batch": batch,
        "batch_words": f"{launch.processes} x {per_device} x {accumulation} (processes, rows of each, accumulation)",
        "steps": steps_of(facts["rows"], batch, recipe.training),
        "memory": _memory(recipe, launch, facts),
    }
    if recipe.reinforcement is not None:
        _count_rollouts(recipe, launch, facts)
    return facts


def _count_rollouts(recipe: TrainingRecipe, launch: Launch, facts: dict[str, Any]) -> None:
    """Add what a training by rewards generates; its steps and epochs go by prompts."""
    assert recipe.reinforcement is not None  # noqa: S101
    sample, training = facts["sample"], recipe.training
    target_tokens = sample["target_tokens"] / sample["used"] if sample else None
    prompts = count_rollouts(recipe.reinforcement, training, launch, None, None)["prompts"]
    facts["steps"] = steps_of(facts["rows"], max(prompts, 1), training)
    facts["rollouts"] = count_rollouts(recipe.reinforcement, training, launch, facts["steps"], target_tokens)
    if training.get("use_vllm"):
        facts["unknown"]["vLLM"] = "takes vllm_gpu_memory_utilization of its GPU beside the memory that is estimated"


def _count_rows(recipe: TrainingRecipe, folder: Path, facts: dict[str, Any], embeddings: int | None) -> None:
    """Add rows and tokens to the facts, or the reason that they are not known."""
    absent = [] if recipe.rows else _absent(recipe)
    if absent:
        facts["unknown"]["rows"] = f"not on this machine: {', '.join(absent)}"
        _check_end(recipe, _source(recipe, facts), embeddings)
        return
    rows_folder = recipe.rows or folder / "rows"
    run = read_record(rows_folder) if recipe.rows else None
    source = _source(recipe, facts)
    if run is None:
        training = {**recipe.data.training, MODEL: source} if source else {}
        run = prepare(replace(recipe.data, training=training), rows_folder, progress=False)
    facts |= {
        "rows": run["rows"],
        "groups": run["counts"]["groups"],
        "directions": run["counts"]["directions"],
        "contamination": run["contamination"],
    }
    if source is None:
        return
    files = sorted(str(path) for path in (rows_folder / "data").glob("*.parquet"))
    rows = Dataset.from_parquet(files, cache_dir=str(folder / "cache"))
    assert isinstance(rows, Dataset)  # noqa: S101  not a stream
    sample = rows.select(range(min(SAMPLE, len(rows))))
    limit = recipe.training.get("max_length", 1024)
    if recipe.reinforcement is not None:
        limit = longest_rollout(recipe.reinforcement, recipe.training)
    tokenizer = load_tokenizer(recipe, source)
    tokens = tokenize_rows(sample, tokenizer, limit, folder / "sample.arrow", progress=False)
    if embeddings is not None:
        check_embeddings(tokens.dataset, sample, tokenizer, embeddings)
        check_special_tokens(tokenizer, sample, embeddings)
    # Of the sample's rows, also those without room for a target, so that the share left out is the same of all.
    facts["tokens"] = round(tokens.counts["tokens"] / len(sample) * len(rows))
    facts["sample"] = tokens.counts


def _check_end(recipe: TrainingRecipe, source: str | None, embeddings: int | None) -> None:
    """Raise InputError where the model has no embedding for the token that ends a text.

    It stands for the whole tokenizer where there are no rows here to try it on.
    """
    if source is None or embeddings is None:
        return
    tokenizer = load_tokenizer(recipe, source)
    end = tokenizer.eos_token_id
    if end is not None and end >= embeddings:
        raise unknown_token(tokenizer, end, embeddings, f"model {recipe.model[MODEL]!r}")


def _absent(recipe: TrainingRecipe) -> list[str]:
    """Return sources that are not here: ids of the Hub, files that are missing."""
    monolingual = (recipe.data.mixture or {}).get("monolingual") or []
    paths: list[Any] = [source.path for source in recipe.data.sources]
    paths += [source.get("path") for source in monolingual]
    names = [
        str(path)
        for paths_of_source in paths
        for path in (paths_of_source.values() if isinstance(paths_of_source, Mapping) else [paths_of_source])
    ]
    return [
        name
        for name in names
        if not Path(name).expanduser().exists() and not any(Path(name).parent.glob(f"{Path(name).name}.*"))
    ]


def _source(recipe: TrainingRecipe, facts: dict[str, Any]) -> str | None:
    """Return the model's folder or id where its tokenizer can be read; None, noted in the facts, where it cannot."""
    source = str(recipe.model[MODEL])
    if _to_come(source):
        facts["unknown"]["tokens"] = f"the model {source} is not on this machine yet"
        return None
    try:
        source = trainable_source(source)
        load_tokenizer(recipe, source)
    except InputError as error:
        if Source.parse(source).is_local:
            raise
        facts["unknown"]["tokens"] = str(error).splitlines()[0]
        return None
    return source


def _to_come(source: str) -> bool:
    """Whether the model is a folder that is not there: what an earlier stage will write."""
    return Source.parse(source).is_local and not Path(source).expanduser().exists()


def _config(recipe: TrainingRecipe, facts: dict[str, Any]) -> Any | None:
    """Return the model's config, None where it cannot be read.

    Raises:
        InputError: it is an encoder-decoder's.
    """
    from transformers import AutoConfig

    source = str(recipe.model[MODEL])
    if _to_come(source):
        facts["unknown"]["memory"] = f"the model {source} is not on this machine yet; an earlier stage may write it"
        return None
    try:
        source = trainable_source(source)
        config = AutoConfig.from_pretrained(source, revision=recipe.model.get("model_revision"))
    except (OSError, ValueError) as error:
        first_line = str(error).splitlines()[0]
        facts["unknown"]["memory"] = f"the config of {source} cannot be read ({first_line})"
        return None
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"model {recipe.model[MODEL]!r} is an encoder-decoder ({config.model_type}), and "
            "recipes train causal language models: give one, such as Qwen/Qwen3-0.6B-Base"
        )
    return config


def _memory(recipe: TrainingRecipe, launch: Launch, facts: dict[str, Any]) -> Memory | None:
    config = _config(recipe, facts)
    if config is None:
        return None
    try:
        shape = shape_of(config, recipe.model)
    except (ValueError, ImportError) as error:  # of code that is not here, or no language model
        first_line = str(error).splitlines()[0]
        raise InputError(
            f"model {recipe.model[MODEL]!r} ({config.model_type}) is no causal language model that "
            f"can be loaded here ({first_line}); give one, such as Qwen/Qwen3-0.6B-Base"
        ) from error
    if recipe.reinforcement is not None:
        return grpo_memory(shape, recipe.model, recipe.training, launch, recipe.reinforcement)
    return memory_of(shape, recipe.model, recipe.training, launch)


def show_check(facts: Mapping[str, Any], recipe: TrainingRecipe) -> None:
    """Print what `check_recipe` found.

    Args:
        facts (`Mapping[str, Any]`): Of `check_recipe`.
        recipe (`TrainingRecipe`): The recipe.
    """
    from rich.console import Console

    from hf_lmt.data.prepare.preparation_summary import show_prepared

    console = Console()
    if facts["groups"]:
        show_prepared({"counts": {"groups": facts["groups"]}, "contamination": facts["contamination"]})
        _show_directions(console, facts["directions"])
    lines = [
        f"model: {recipe.content[MODEL]}",
        f"launch: {facts['launch']}; {_unit(facts)} a step: {facts['batch']} = {facts['batch_words']}",
        f"rows: {_number(facts['rows'])}; steps: {_number(facts['steps'])}; tokens of an epoch "
        f"(estimated): {_number(facts['tokens'])}",
        *_rollout_lines(facts.get("rollouts")),
        *_memory_lines(facts["memory"]),
        *([f"hub: {hub_words(recipe.hub)}"] if recipe.hub.get("repo_id") else []),
        *(f"{name}: {why}" for name, why in facts["unknown"].items()),
    ]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _show_directions(console: Any, directions: Mapping[str, Mapping[str, int]]) -> None:
    rows = {
        name: direction_counts["rows"] for name, direction_counts in directions.items() if direction_counts["rows"]
    }
    words = ", ".join(f"{name} {count:,}" for name, count in sorted(rows.items()))
    text = fill(f"rows of each direction: {words}", console.width, break_on_hyphens=False)
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _number(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _unit(facts: Mapping[str, Any]) -> str:
    return "completions" if "rollouts" in facts else "rows"


def _rollout_lines(rollouts: Mapping[str, Any] | None) -> list[str]:
    if rollouts is None:
        return []
    about = "" if rollouts["tokens"] is None else f"about {rollouts['tokens']:,} (as long as the references), "
    return [
        f"prompts a step: {rollouts['prompts']:,}, {rollouts['generations']} completions of each; "
        f"{rollouts['at_once']:,} are written at once on a device",
        f"completions in all: {_number(rollouts['completions_in_all'])}; tokens to generate: {about}"
        f"{_number(rollouts['tokens_at_most'])} at most",
    ]


def _memory_lines(memory: Memory | None) -> list[str]:
    if memory is None:
        return []
    parts = ", ".join(
        f"{name.replace('_', ' ')} {part / 2**30:.1f}" for name, part in memory._asdict().items() if part
    )
    return [f"memory of a GPU (estimated): {memory.total / 2**30:.1f} GiB ({parts})"]
