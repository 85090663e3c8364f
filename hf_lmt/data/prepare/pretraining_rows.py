"""Rows for continued pre-training: the kept pairs, mixed with texts in one language by tokens."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, concatenate_datasets

from hf_lmt.data.corpora.monolingual import load_monolingual
from hf_lmt.data.mixture import mix
from hf_lmt.data.prepare.data_recipe import DataRecipe
from hf_lmt.data.prepare.prompt_check import load_tokenizer
from hf_lmt.data.prepare.stages import Running


def mix_rows(pairs: Dataset, recipe: DataRecipe, running: Running) -> tuple[Dataset, Any]:
    """Mix the kept pairs with monolingual texts, on disk.

    Args:
        pairs (`Dataset`): The pairs that curation and downsampling left.
        recipe (`DataRecipe`): The recipe, of which the section `mixture` counts.
        running (`Running`): The run's processes, and how its rows are written.

    Returns:
        `tuple[Dataset, Any]`: The rows of `mixture.mix`, and its counts with those of each monolingual source.

    Raises:
        InputError: as `mix` and `load_monolingual`, or the model's tokenizer cannot be read.
    """
    sources, settings = mixture_sections(recipe)
    texts = [load_monolingual(**source) for source in sources]
    monolingual = concatenate_datasets([loaded.rows for loaded in texts]) if texts else None
    mixed = mix(
        pairs,
        monolingual,
        load_tokenizer(recipe.training),
        num_proc=running.num_proc,
        **settings,
    )
    arrow = mixed.rows.with_format("arrow")
    rows = running.write("mixed", len(mixed.rows), lambda first, last: arrow[first:last], "writing the mixture")
    return rows, {**mixed.counts, "monolingual": [loaded.counts for loaded in texts]}


def mixture_sections(recipe: DataRecipe) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the sources of texts in one language, and the settings of the mixture.

    Args:
        recipe (`DataRecipe`): The recipe.

    Returns:
        `tuple[list[dict[str, Any]], dict[str, Any]]`: Arguments of `load_monolingual`, and those of `mix`.
    """
    settings = {"seed": recipe.seed, **(recipe.mixture or {})}
    return settings.pop("monolingual", []), settings
