"""A recipe for `hf-lmt train`: one YAML file for rows and training, checked as a whole."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_lmt.data.prepare.data_recipe import SECTIONS, DataRecipe, read_data_recipe, with_named_datasets
from hf_lmt.recipes.combinations import (
    merge_faults,
    model_faults,
    precision_faults,
    publishing_faults,
    saving_faults,
    sequence_faults,
)
from hf_lmt.recipes.evaluation_section import renamed, watching_faults
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.reinforcement import Reinforcement, read_reinforcement, reinforcement_faults
from hf_lmt.recipes.training_keys import GRPO, GRPO_REFUSED, LMT_HUB_KEYS, OURS, TOP_KEYS, TRL_REFUSED
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.fetching import fetch_folder, read_record_of
from hf_miwv.common.hub.hub_section import hub_of_trl_keys
from hf_miwv.common.reading.source import Source
from hf_miwv.common.recipes.batch import BATCH, set_accumulation
from hf_miwv.common.recipes.command_overrides import overridden
from hf_miwv.common.recipes.fields import Hints
from hf_miwv.common.recipes.installed import check_installed
from hf_miwv.common.recipes.overrides import read_overrides
from hf_miwv.common.recipes.packages import PACKAGE, locate
from hf_miwv.common.recipes.trl_keys import grpo_hints, read_trl_keys
from hf_miwv.common.recipes.values import fault_of, fit
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.common.runs.folder import read_record

logger = logging.getLogger(__name__)

MODEL = "model_name_or_path"
FOR_ROWS = (MODEL, "model_revision", "chat_template_path")  # the tokenizer that checks them
MAKING_ROWS = ("directions", "curation", "downsampling", "pmp", "mixture")


@dataclass(frozen=True)
class TrainingRecipe:
    """Hold a recipe whose every part was found to be right.

    Attributes:
        data (`DataRecipe`): The part that rows are made by.
        rows (`Path`, *optional*): The folder of rows that `prepare` made before, where `data` names one.
        mixture (`bool`): The rows are texts for continued pre-training.
        model (`Mapping[str, Any]`): Keys of trl.ModelConfig.
        training (`Mapping[str, Any]`): Keys of trl.SFTConfig, or of trl.GRPOConfig with `reinforcement`; accumulation
            derived.
        evaluation (`Mapping[str, Any]`): The section `evaluation`; empty without.
        hub (`Mapping[str, Any]`): The section `hub`, with TRL's keys of pushing and the license; empty without.
        merge (`bool`): Merge the adapter into the weights.
        batch (`int`, *optional*): Rows a step, where the recipe says so.
        output (`Path`): The folder to write.
        content (`Mapping[str, Any]`): All of the recipe, overrides in place.
        overrides (`Mapping[str, Any]`): {key: value}.
        path (`Path`): The file.
        reinforcement (`Reinforcement`, *optional*): What stage grpo is rewarded for; None in other stages.
    """

    data: DataRecipe
    rows: Path | None
    mixture: bool
    model: Mapping[str, Any]
    training: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    hub: Mapping[str, Any]
    merge: bool
    batch: int | None
    output: Path
    content: Mapping[str, Any]
    overrides: Mapping[str, Any]
    path: Path
    reinforcement: Reinforcement | None = None


def read_training_recipe(path: Path, words: Sequence[str] = (), launch: Launch | None = None) -> TrainingRecipe:
    """Read the recipe in a YAML file, with keys replaced by words of a command line.

    Top-level keys are those of trl.SFTConfig (with `stage: grpo` of trl.GRPOConfig) and trl.ModelConfig, those of
    `training_keys.TopKeys`, and the sections of `read_data_recipe`. `data` may be one folder that `hf-lmt prepare`
    wrote: its rows are taken as they are. A name package:NAME/PATH stands for a file of an installed package.

    Args:
        path (`Path`): The file.
        words (`Sequence[str]`, *optional*, defaults to `()`): Words such as "--max_steps" and "3".
        launch (`Launch`, *optional*): Processes of the run; None for what the environment says.

    Returns:
        `TrainingRecipe`: The recipe.

    Raises:
        InputError: unknown keys, values of the wrong type, combinations that cannot be; all told
            together.
    """
    check_installed()
    launch = launch or Launch.from_environment()
    # Every part adds to one list, so that all faults of a recipe are told at once.
    faults: list[str] = []
    overrides = read_overrides(words, faults)
    content = with_named_datasets(overridden(load_mapping(path), overrides, faults), faults)
    top = _typed(content, TOP_KEYS, faults)
    grpo = top.get("stage") == GRPO
    refused, trainer = (GRPO_REFUSED, grpo_hints()) if grpo else (TRL_REFUSED, None)
    keys = read_trl_keys(content, OURS, refused, faults, trainer=trainer)
    model, training = keys.model, keys.training
    reinforcement = read_reinforcement(content, top, faults)
    _locate(model, faults)
    rows = _ready_rows(content, faults)
    data = _data_recipe(content, model, rows, faults)
    mixture = _is_mixture(content, rows)
    evaluation = _evaluation(content, faults)
    hub = _section("hub", content, LMT_HUB_KEYS, faults)
    hub = hub_of_trl_keys(keys.pushing, hub, training.get("output_dir"), faults)
    if top.get("license"):
        hub = {"license": top["license"], **hub}
    faults += publishing_faults({key: hub[key] for key in hub if key != "license"}, model, training, launch)
    if not content.get("output_dir"):
        faults.append("output_dir is missing: the folder to write the model to")
    faults += model_faults(model, launch) + precision_faults(model, training)
    faults += merge_faults(bool(top.get("merge")), model, launch)
    faults += sequence_faults(model, training, mixture) + saving_faults(training, evaluation)
    set_accumulation(training, top.get(BATCH), launch.processes, faults)
    if reinforcement is not None:
        if mixture:
            faults.append("stage: grpo translates prompts, and the lines of a mixture are none; leave mixture out")
        faults += reinforcement_faults(reinforcement, training, evaluation, launch)
    if faults or data is None:
        raise InputError.of_faults(path, faults)
    for line in keys.without_effect:
        logger.warning("%s: %s", path, line)
    return TrainingRecipe(
        data,
        rows,
        mixture,
        model,
        training,
        evaluation,
        hub,
        bool(top.get("merge")),
        top.get(BATCH),
        Path(training.pop("output_dir")),
        content,
        overrides,
        path,
        reinforcement,
    )


def _typed(content: Mapping[Any, Any], hints: Hints, faults: list[str]) -> dict[str, Any]:
    """Return the keys of `hints` that the recipe has, as what they stand for."""
    typed = {}
    for key in hints:
        if key not in content:
            continue
        if fault := fault_of(key, content[key], hints[key]):
            faults.append(fault)
        else:
            typed[key] = fit(content[key], hints[key])
    return typed


def _locate(model: dict[str, Any], faults: list[str]) -> None:
    try:
        model[MODEL] = locate(model[MODEL]) if model.get(MODEL) else None
    except InputError as error:
        faults.append(f"{MODEL}: {error}")


def _section(name: str, content: Mapping[Any, Any], hints: Hints, faults: list[str]) -> dict[str, Any]:
    """Read a section of the recipe; empty where it is not there or has a fault."""
    section = content.get(name)
    if section is None or section is False:
        return {}
    if not isinstance(section, dict):
        faults.append(f"{name}: give a mapping of keys to values, not {section!r}")
        return {}
    faults += [f"{name}: unknown key {key!r}; {did_you_mean(str(key), hints)}" for key in section if key not in hints]
    section_faults: list[str] = []
    typed = _typed(section, hints, section_faults)
    faults += [f"{name}: {fault}" for fault in section_faults]
    return typed


def _evaluation(content: Mapping[Any, Any], faults: list[str]) -> dict[str, Any]:
    """Read the section with the sets that the training is compared with, and watched on."""
    section = content.get("evaluation")
    if section is None or section is False:
        return {}
    section_faults = watching_faults(section)
    faults += section_faults
    sets = section.get("sets") if not section_faults else []
    if not section_faults and (not isinstance(sets, list) or not sets):
        faults.append(f"evaluation: sets: give a list of names or paths, not {sets!r}")
    return renamed(section) if not section_faults else {}


def _ready_rows(content: Mapping[Any, Any], faults: list[str]) -> Path | None:
    """Find the folder that `prepare` wrote, where the recipe's data is one, here or on the Hub.

    The Hub is asked only where the recipe says nothing of how rows are made.
    """
    data = content.get("data")
    entries = (
        [entry for entry in data if isinstance(entry, dict) and "path" in entry] if isinstance(data, list) else []
    )
    acting = [name for name in MAKING_ROWS if content.get(name) not in (None, False)]
    # A package holds corpora and no rows of ours; whether it is there at all is seen with the other sources.
    sources = [
        Source.parse(str(entry["path"]), entry.get("revision"))
        for entry in entries
        if not str(entry["path"]).startswith(PACKAGE)
    ]
    folders = {source.id: _prepared(source) for source in sources if source.is_local or not acting}
    ready = [name for name, folder in folders.items() if folder is not None]
    if not ready:
        return None
    if len(entries) > 1:
        faults.append(
            f"data: {ready[0]} holds rows of `hf-lmt prepare`, ready to train on; they "
            "cannot be mixed with other sources"
        )
    if acting:
        faults.append(ready_words(ready[0], acting))
    return folders[ready[0]]


def ready_words(name: str, acting: Sequence[str]) -> str:
    """Say why rows that are ready are not made again.

    Args:
        name (`str`): The folder or Hub id of the rows.
        acting (`Sequence[str]`): Sections of the recipe that would make rows.

    Returns:
        `str`: The message.
    """
    return (
        f"data: {name} holds rows of `hf-lmt prepare`, taken as they are; {', '.join(acting)} "
        "would have no effect: leave out, or prepare them anew"
    )


def _prepared(source: Source) -> Path | None:
    """Find the rows of a source, if `prepare` wrote them; those on the Hub are fetched."""
    if (read_record_of(source) or {}).get("command") != "prepare":
        return None
    return fetch_folder(source)


def _is_mixture(content: Mapping[Any, Any], rows: Path | None) -> bool:
    if rows is not None:
        return bool((read_record(rows) or {}).get("settings", {}).get("mixture"))
    return bool(content.get("mixture"))


def _data_recipe(
    content: Mapping[Any, Any], model: Mapping[str, Any], rows: Path | None, faults: list[str]
) -> DataRecipe | None:
    """Read the part that makes rows by its own reader; its faults among ours."""
    sections = {name: content[name] for name in SECTIONS if name in content}
    if rows is not None:
        sections = {name: sections[name] for name in sections if name not in MAKING_ROWS}
    part = {**sections, **{name: model[name] for name in FOR_ROWS if model.get(name)}}
    if content.get("chat_template_path"):
        part["chat_template_path"] = content["chat_template_path"]
    try:
        return read_data_recipe(part)
    except InputError as error:
        faults += error.faults
        return None
