"""A recipe for `hf-miwv train`: one YAML file, checked as a whole, all faults told together."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.hub_section import hub_faults
from hf_miwv.common.recipes.fields import Hints
from hf_miwv.common.recipes.installed import check_installed
from hf_miwv.common.recipes.overrides import read_overrides
from hf_miwv.common.recipes.packages import locate
from hf_miwv.common.recipes.values import fault_of, fit
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.results.methods import check_method, needed_columns
from hf_miwv.selection.diversity import check_diversity
from hf_miwv.selection.selection import check_choice
from hf_miwv.training.recipe_keys import SET_BY_US, known_keys

SECTIONS = ("model", "data", "scoring", "selection", "training", "lora", "output", "hub")
BATCH = "global_batch_size"
REQUIRED = (("model", "name"), ("data", "source"), ("output", "folder"))


@dataclass(frozen=True)
class Recipe:
    """Hold the sections of a recipe as plain values.

    Attributes:
        model (`dict[str, Any]`): The model and its loading.
        data (`dict[str, Any]`): The rows.
        scoring (`dict[str, Any]`): Arguments of `score`.
        selection (`dict[str, Any]`): Arguments of `select`.
        training (`dict[str, Any]`): Arguments of trl.SFTConfig.
        lora (`dict[str, Any]`, *optional*): Arguments of peft.LoraConfig; None for full tuning.
        output (`dict[str, Any]`): Folders to write.
        hub (`dict[str, Any]`): Where on the Hub the model goes.
        text (`str`): The file as it is, or with overrides its content with them in it.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    scoring: dict[str, Any]
    selection: dict[str, Any]
    training: dict[str, Any]
    lora: dict[str, Any] | None
    output: dict[str, Any]
    hub: dict[str, Any]
    text: str


def read_recipe(path: Path, overrides: Sequence[str] = (), output: Path | None = None) -> Recipe:
    """Read a recipe, with overrides of its training keys.

    The keys of `training` are those of trl.SFTConfig, of `lora` peft.LoraConfig's, of `scoring` and
    `selection` the arguments of `score` and `select`; their types come from those annotations.
    `global_batch_size` (rows a step) becomes gradient_accumulation_steps by the number of processes. A
    name package:NAME/PATH stands for a file or folder of an installed Python package.

    Args:
        path (`Path`): The YAML file.
        overrides (`Sequence[str]`, *optional*, defaults to `()`): Words of a command line: --max_steps 3,
            --max-steps 3 or --max_steps=3; their values are read as YAML.
        output (`Path`, *optional*): Replaces output: folder.

    Returns:
        `Recipe`: The recipe.

    Raises:
        InputError: unknown keys, values of the wrong type, combinations that cannot be; all of them
            together.
    """
    check_installed()
    content = load_mapping(path)
    faults: list[str] = []
    sections = {name: _section(name, content, faults) for name in SECTIONS}
    changes = read_overrides(overrides, faults)
    sections["training"] |= changes
    text = _text(path, content, changes)
    if output is not None:
        sections["output"]["folder"] = str(output)
    faults += _check(sections, content)
    if faults:
        raise InputError.of_faults(path, faults)
    for section, key in (("model", "name"), ("data", "source"), ("scoring", "embedder")):
        if key in sections[section]:
            try:
                sections[section][key] = locate(sections[section][key])
            except InputError as error:
                raise InputError(f"{path}: {section}: {key}: {error}") from error
    lora = sections.pop("lora")
    return Recipe(**sections, lora=lora if "lora" in content else None, text=text)


def _text(path: Path, content: Mapping[Any, Any], changes: Mapping[str, Any]) -> str:
    if not changes:
        return path.read_text("utf-8")
    words = ", ".join(f"{name}: {value}" for name, value in changes.items())
    training = {**(content.get("training") or {}), **changes}
    changed = yaml.safe_dump({**content, "training": training}, sort_keys=False, allow_unicode=True)
    return f"# {path.name}, with changes of the command line: {words}\n{changed}"


def _section(name: str, content: Mapping[Any, Any], faults: list[str]) -> dict[str, Any]:
    section = content.get(name, {})
    if isinstance(section, dict):
        return dict(section)
    hint = " (for all of peft's defaults: {})" if name == "lora" else ""
    faults.append(f"{name}: give a mapping of keys to values{hint}, not {section!r}")
    return {}


def _check(sections: dict[str, dict[str, Any]], content: Mapping[Any, Any]) -> list[str]:
    """List the faults of the whole; replace values by the objects that they stand for."""
    known = (*SECTIONS, BATCH)
    faults = [f"unknown section {name!r}; {did_you_mean(str(name), known)}" for name in content if name not in known]
    typed = {name: _check_section(name, sections[name], hints) for name, hints in known_keys().items()}
    faults += [fault for part in typed.values() for fault in part]
    faults += [f"{section}: {key} is missing" for section, key in REQUIRED if sections[section].get(key) is None]
    if not typed["selection"] + typed["scoring"]:  # checked by code that needs the right types
        faults += _selection_faults(sections["selection"], sections["scoring"])
    faults += _combinations(sections["model"], sections["training"], "lora" in content)
    if not typed["hub"] + typed["model"]:
        model = str(sections["model"].get("name"))
        faults += hub_faults(sections["hub"], model, "lora" in content, sections["training"])
    return faults + _set_batch(sections["training"], content.get(BATCH))


def _check_section(name: str, section: dict[str, Any], hints: Hints) -> list[str]:
    """List the faults of a section; replace values that fit by the objects that they stand for."""
    refused = {key: reason for reason, keys in SET_BY_US.get(name, {}).items() for key in keys}
    faults = []
    for key, value in section.items():
        if key in refused:
            faults.append(f"{name}: {key} cannot be given: {refused[key]}")
        elif key not in hints:
            usable = [word for word in hints if word not in refused]
            faults.append(f"{name}: unknown key {key!r}; {did_you_mean(str(key), usable)}")
        elif fault := fault_of(key, value, hints[key]):
            faults.append(f"{name}: {fault}")
        else:
            section[key] = fit(value, hints[key])
    return faults


def _combinations(model: Mapping[str, Any], training: Mapping[str, Any], adapter: bool) -> list[str]:
    """List the faults of keys that cannot be together, though each by itself may."""
    small = [key for key in ("load_in_4bit", "load_in_8bit") if model.get(key) is True]
    faults = []
    if len(small) == 2:
        faults.append("model: give one of load_in_4bit and load_in_8bit")
    if small and not adapter:
        faults.append(
            f"model: {small[0]} holds the weights still; add a section lora (lora: {{}} for its "
            "defaults), or leave it out for full tuning"
        )
    if model.get("dtype") == "float16" and not adapter:
        faults.append(
            "model: full tuning in float16 loses the small steps; give dtype: float32 and, in "
            "training, bf16: true or fp16: true"
        )
    if training.get("bf16") is True and training.get("fp16") is True:
        faults.append("training: give one of bf16 and fp16")
    return faults


def _selection_faults(selection: Mapping[str, Any], scoring: Mapping[str, Any]) -> list[str]:
    """List the faults that `select` would refuse hours later, and losses that its method lacks in scoring."""
    limits = {key: selection.get(key) for key in ("fraction", "count", "threshold", "diversity")}
    method = selection.get("method", "miwv")
    checks: list[Callable[[], None]] = [
        lambda: check_choice(limits["fraction"], limits["count"], limits["threshold"]),
        lambda: check_method(method, selection.get("seed", 0)),
        lambda: check_diversity(limits["diversity"]),
    ]
    faults = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults.append(f"selection: {str(error).replace('--', '')}")
    lacking = [name for name in needed_columns(method) if name not in scoring.get("also", ())]
    if lacking:
        faults.append(f"selection: method {method} needs its own losses; in scoring, also: [{lacking[0]}]")
    if limits["diversity"] is not None and not scoring.get("keep_embeddings"):
        faults.append("selection: diversity needs the embeddings; in scoring, keep_embeddings: true")
    return faults


def _set_batch(training: dict[str, Any], batch: Any) -> list[str]:
    """Set the accumulation so that batch = processes x per device x accumulation, or say why it cannot be."""
    if batch is None:
        return []
    if fault := fault_of(BATCH, batch, int):
        return [fault]
    if "gradient_accumulation_steps" in training:
        return [f"training: gradient_accumulation_steps follows from {BATCH}; give one of them"]
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    each = training.get("per_device_train_batch_size", 8)  # trl's default
    if not isinstance(each, int) or each < 1:
        return [] if not isinstance(each, int) else [f"training: per_device_train_batch_size {each}: give 1 or more"]
    if batch < 1 or batch % (processes * each):
        return [
            f"{BATCH} {batch} is no multiple of {processes} process{'es' * (processes > 1)} x "
            f"{each} rows each (per_device_train_batch_size); change one of the three"
        ]
    training["gradient_accumulation_steps"] = batch // (processes * each)
    return []
