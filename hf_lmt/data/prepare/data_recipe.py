"""A recipe: one YAML file for data and training; the part that makes rows, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hf_lmt.data.corpora.sources import Source
from hf_lmt.data.method.downsampling import StrategicDownsampling
from hf_lmt.data.method.multilingual_prompting import ParallelMultilingualPrompting
from hf_lmt.data.prepare.prompt_check import KEY
from hf_lmt.data.prepare.sections import (
    Faults,
    read_curation,
    read_directions,
    read_downsampling,
    read_mixture,
    read_prompting,
    read_sources,
)
from hf_lmt.directions import Direction
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.extras import need
from hf_miwv.common.recipes.batch import BATCH
from hf_miwv.common.recipes.packages import PACKAGE, locate
from hf_miwv.common.recipes.trl_datasets import read_dataset_keys
from hf_miwv.common.recipes.trl_keys import DATASETS, grpo_hints, trl_hints
from hf_miwv.common.recipes.values import fault_of
from hf_miwv.common.recipes.yaml_file import load_mapping

SECTIONS = ("data", "directions", "curation", "downsampling", "pmp", "seed", "mixture", "evaluation", "hub")
LATER = ("evaluation", "hub")  # known, and read by other commands
OF_TRAINING = (BATCH, "merge", "license")  # keys of ours that `train` reads, and `prepare` leaves alone
OF_REWARDS = ("stage", "rewards", "watched_rewards", "max_prompt_length", "max_steps_without_spread")  # so are these


@dataclass(frozen=True)
class DataRecipe:
    """The sources of rows and the settings of each step.

    Attributes:
        sources (`tuple[Source, ...]`): The sources in the order of the recipe; `package:` names stand as the files
            that they mean.
        directions (`tuple[Direction, ...]`): The directions that are asked for, in the order of DIRECTIONS.
        named (`frozenset[Direction]`): Those of them that are named without a `*`.
        curation (`Mapping[str, Any] | None`): The section as it is given; None where it is not.
        steps (`tuple[Any, ...]`): The steps that it stands for.
        downsampling (`StrategicDownsampling | None`): The sampling; None where it is switched off.
        prompting (`ParallelMultilingualPrompting`): The prompting, with share 0 where hints are switched off.
        seed (`int`): Seed of every hash without one of its own.
        mixture (`Mapping[str, Any] | None`): The section, for continued pre-training; None for translation
            prompts.
        training (`Mapping[str, Any]`): The keys of the recipe that are TRL's, by name; their values are not
            checked here.
        content (`Mapping[str, Any]`): Our sections as they stand in the file, for the record of the run.
    """

    sources: tuple[Source, ...]
    directions: tuple[Direction, ...]
    named: frozenset[Direction]
    curation: Mapping[str, Any] | None
    steps: tuple[Any, ...]
    downsampling: StrategicDownsampling | None
    prompting: ParallelMultilingualPrompting
    seed: int
    mixture: Mapping[str, Any] | None
    training: Mapping[str, Any]
    content: Mapping[str, Any]


def read_data_recipe(recipe: Path | Mapping[Any, Any]) -> DataRecipe:
    """Read the part of a recipe that makes rows, for `prepare`, from a YAML file or a mapping.

    Sections: `data`, a list of sources with the fields of `sources.Source`, and the only one that
    is required; `directions`, a list of directions and globs (all 234); `curation`, the settings
    of `curation.curation_settings.steps_from`; `downsampling` and `pmp`, the arguments of
    StrategicDownsampling and ParallelMultilingualPrompting, or false; `seed` (0), which these two
    take where they set none; `mixture`, for continued pre-training. `evaluation` and
    `hub` are for other commands. Any other key has to be one of trl.SFTConfig, trl.GRPOConfig or trl.ModelConfig.

    Args:
        recipe (`Path | Mapping[Any, Any]`): A YAML file, or the mapping that it would hold.

    Returns:
        `DataRecipe`: The recipe, checked as a whole.

    Raises:
        InputError: Unknown keys, values of the wrong type, combinations that cannot be; all told
            together.
    """
    faults = Faults()
    content = with_named_datasets(load_mapping(recipe) if isinstance(recipe, Path) else recipe, faults)
    our_sections = {key: value for key, value in content.items() if key in SECTIONS}
    training = {key: value for key, value in content.items() if key not in SECTIONS}
    faults += _unknown(training)
    faults += _combinations(our_sections, training)
    data_recipe = _read(our_sections, training, faults)
    sources = []
    for number, source in enumerate(data_recipe.sources, 1):
        located = _located(source.path, f"data, source {number}", faults)
        sources.append(replace(source, path=located))
    _located(training.get(KEY), KEY, faults)  # its tokenizer is needed last, and looked for first
    if faults:
        raise InputError.of_faults(recipe if isinstance(recipe, Path) else "the recipe", faults)
    return replace(data_recipe, sources=tuple(sources))


def _read(sections: Mapping[str, Any], training: Mapping[str, Any], faults: Faults) -> DataRecipe:
    """Read the recipe as far as it can be read; the rest is among the faults."""
    seed = sections.get("seed", 0)
    if fault := fault_of("seed", seed, int):
        faults.append(fault)
    elif seed < 0:
        faults.append(f"seed {seed}: give a whole number, 0 or more")
    seed = 0 if faults.of("seed") else seed
    mixture = read_mixture(sections.get("mixture"), faults)
    directions, named = read_directions(sections.get("directions"), faults)
    return DataRecipe(
        sources=read_sources(sections.get("data"), faults),
        directions=directions,
        named=named,
        curation=sections.get("curation"),
        steps=read_curation(sections.get("curation"), faults),
        downsampling=read_downsampling(sections.get("downsampling", mixture is None), seed, faults),
        prompting=read_prompting(sections.get("pmp", {}), seed, faults),
        seed=seed,
        mixture=mixture,
        training=training,
        content={name: value for name, value in sections.items() if name not in LATER},
    )


def _combinations(sections: Mapping[str, Any], training: Mapping[str, Any]) -> list[str]:
    """List the settings that cannot be together, though each may be alone."""
    switched_on = {
        name
        for name in ("downsampling", "pmp", "mixture")
        if sections.get(name) is not None and sections[name] is not False
    }
    if "mixture" not in switched_on:
        return []
    why = {
        "downsampling": "a mixture has each pair of sentences in one direction and needs none",
        "pmp": "the lines of a mixture are no prompts",
    }
    faults = [f"{name}: {reason}; leave it out" for name, reason in why.items() if name in switched_on]
    if not training.get(KEY):
        faults.append(f"mixture: tokens are counted with the model's own tokenizer; give {KEY}")
    return faults


def _unknown(training: Mapping[Any, Any]) -> list[str]:
    """Faults for keys that are not TRL's; TRL is only imported where there are any."""
    if not training:
        return []
    need("train", "a recipe with keys for training", "trl", instead="or leave them out")
    known = {*SECTIONS, *OF_TRAINING, *OF_REWARDS, *trl_hints(), *grpo_hints()}
    return [
        f"unknown key {key!r}; {did_you_mean(str(key), known)}"
        if not isinstance(key, bool)
        else f"unknown key: YAML reads this word as {key}; put it in quotes"
        for key in training
        if key not in known
    ]


def with_named_datasets(content: Mapping[Any, Any], faults: list[str]) -> dict[Any, Any]:
    """Return the recipe with the data sets of TRL's `dataset_name` or `datasets` as sources in `data`.

    Their path, split and configuration are a source's; it says more of itself in `data`.

    Args:
        content (`Mapping`): A recipe.
        faults (`list[str]`): What cannot be is added to it.

    Returns:
        `dict`: The recipe without TRL's keys for data sets.
    """
    named = [key for key in DATASETS if content.get(key) is not None]
    if not named:
        return dict(content)
    keys = read_dataset_keys(content, faults)
    rest = {key: value for key, value in content.items() if key not in DATASETS}
    if content.get("data") is not None:
        faults.append(f"data and {', '.join(named)} both say where rows come from; leave one out")
    if keys.test_split not in (None, "test"):
        faults.append("dataset_test_split: held-out sentences are those of the section evaluation; give its sets")
    names = {"path": "path", "name": "config", "split": "split"}
    for entry in keys.entries:
        if more := [key for key in entry if key not in names]:
            faults.append(f"datasets: {', '.join(more)}: a source of translations has none; see the section data")
    if keys.entries:
        rest["data"] = [{names[key]: value for key, value in entry.items() if key in names} for entry in keys.entries]
    return rest


def _located(name: Any, location: str, faults: list[str]) -> Any:
    """Find what a package:NAME/PATH stands for; other names stay. Faults begin with `location`."""
    if not isinstance(name, str) or not name.startswith(PACKAGE):
        return name
    try:
        return locate(name)
    except InputError as error:
        faults.append(f"{location}: {error}")
        return name
