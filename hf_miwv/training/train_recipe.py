"""A recipe for `hf-miwv train`: one flat YAML file, checked as a whole, all faults told together."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.hub.hub_section import hub_faults, hub_of_trl_keys
from hf_miwv.common.models.models import DTYPES
from hf_miwv.common.recipes.batch import BATCH, set_accumulation
from hf_miwv.common.recipes.command_overrides import overridden
from hf_miwv.common.recipes.fields import Hints, choice_of
from hf_miwv.common.recipes.installed import check_installed
from hf_miwv.common.recipes.overrides import read_overrides
from hf_miwv.common.recipes.packages import locate
from hf_miwv.common.recipes.trl_datasets import read_dataset_keys
from hf_miwv.common.recipes.trl_keys import read_trl_keys
from hf_miwv.common.recipes.values import fault_of, fit
from hf_miwv.common.recipes.yaml_file import load_mapping
from hf_miwv.results.methods import LOW, TARGET_METHODS, check_method, needed_columns
from hf_miwv.rows.schema import INFLUENCE
from hf_miwv.selection.diversity import check_diversity
from hf_miwv.selection.method_defaults import limits_of, needs_embeddings
from hf_miwv.selection.row_choice import check_choice, check_together
from hf_miwv.training.former_sections import flattened
from hf_miwv.training.recipe_keys import SECTION_REFUSED, SECTIONS, TOP_KEYS, TRL_REFUSED, section_hints

logger = logging.getLogger(__name__)

LORA_KEYS = {
    "lora_r": "r",
    "lora_alpha": "lora_alpha",
    "lora_dropout": "lora_dropout",
    "lora_target_modules": "target_modules",
    "lora_target_parameters": "target_parameters",
    "lora_modules_to_save": "modules_to_save",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
}
"""trl.ModelConfig's key -> peft.LoraConfig's, as in trl.get_peft_config."""


@dataclass(frozen=True)
class Recipe:
    """A recipe whose every part is right, as plain values.

    Args:
        model (`str`): Hub id, folder or GGUF file.
        loading (`dict`): Arguments of `load_model`.
        datasets (`list[dict]`): Data sets, read one behind the other: path, and as in TRL's `datasets` name,
            split, data_dir, data_files, columns, fraction, and revision and field of ours.
        test_split (`str`, *optional*): The split of held-out rows, where `eval_strategy` is not "no".
        columns (`dict`, *optional*): Standard column name -> column of these data sets.
        scoring (`dict`): Arguments of `score`.
        selection (`dict`): Arguments of `select`.
        training (`dict`): Arguments of trl.SFTConfig.
        lora (`dict`, *optional*): Arguments of peft.LoraConfig; None for full tuning.
        output_dir (`Path`): The folder to write.
        scored (`str`, *optional*): Where the scored rows stay.
        license (`str`, *optional*): License of the tuned model.
        hub (`dict`): Keys of HUB_KEYS.
        text (`str`): The file as it is, or with overrides its content with them in it.
    """

    model: str
    loading: dict[str, Any]
    datasets: list[dict[str, Any]]
    test_split: str | None
    columns: dict[str, str] | None
    scoring: dict[str, Any]
    selection: dict[str, Any]
    training: dict[str, Any]
    lora: dict[str, Any] | None
    output_dir: Path
    scored: str | None
    license: str | None
    hub: dict[str, Any]
    text: str


def read_recipe(path: Path, overrides: Sequence[str] = (), output: Path | None = None) -> Recipe:
    """Read the recipe in the YAML file `path`, with `overrides` of its keys.

    At the top stand TRL's own keys (`common.recipes.trl_keys`) and TOP_KEYS; the sections are `data`,
    `scoring` and `selection` with the arguments of `score` and `select`, `lora` for keys of peft.LoraConfig
    that TRL has no name for, and `hub`. A name package:NAME/PATH stands for a file or folder of an installed
    Python package. The sections of earlier recipes are read, with a line in the log that says what to write.

    Args:
        path (`Path`): A YAML file.
        overrides (`Sequence[str]`, *optional*): Words of a command line: --max_steps 3, --max-steps 3 or
            --scoring.max_length=512; their values are read as YAML.
        output (`Path`, *optional*): Takes the place of `output_dir`.

    Returns:
        `Recipe`: The recipe.

    Raises:
        InputError: Unknown keys, values of the wrong type, combinations that cannot be; all told together.
    """
    check_installed()
    faults: list[str] = []
    written = load_mapping(path)
    flat, lines = flattened(written, faults)
    changes = read_overrides(overrides, faults)
    content = overridden(flat, changes, faults)
    if output is not None:
        content["output_dir"] = str(output)
    keys = read_trl_keys(content, (*SECTIONS, *TOP_KEYS), TRL_REFUSED, faults, {"dtype": choice_of(DTYPES)})
    sections = {name: _section(name, content, hints, faults) for name, hints in section_hints().items()}
    top = _typed(content, TOP_KEYS, faults)
    datasets, test_split = _datasets(sections["data"], content, faults)
    model, training = keys.model, keys.training
    lora = _lora(model, sections["lora"] if "lora" in content else None, faults)
    output_dir = training.pop("output_dir", None)
    if not output_dir and not _has(faults, "output_dir"):
        faults.append("output_dir is missing: the folder to write the model to")
    if not model.get("model_name_or_path") and not _has(faults, "model_name_or_path", "model:"):
        faults.append("model_name_or_path is missing: a Hub id, a folder or a GGUF file")
    if not _has(faults, "selection", "scoring"):  # checked by code that needs the right types
        faults += _selection_faults(sections["selection"], sections["scoring"])
    faults += _combinations(model, training, lora is not None)
    if training.get("eval_strategy", "no") != "no" and test_split is None:
        faults.append("eval_strategy: there is nothing to evaluate on; give dataset_test_split, or data: test_split")
    hub = hub_of_trl_keys(keys.pushing, sections["hub"], output_dir, faults)
    if not _has(faults, "hub"):
        faults += hub_faults(hub, str(model.get("model_name_or_path")), lora is not None, training)
    set_accumulation(training, top.get(BATCH), int(os.environ.get("WORLD_SIZE", "1")), faults)
    name = _located("model_name_or_path", model.get("model_name_or_path"), faults)
    for entry in datasets:
        entry["path"] = _located("data: source", entry.get("path"), faults)
    for key in ("embedder", "demonstrations_from", "complexity_scorer", "quality_scorer"):
        if key in sections["scoring"]:
            sections["scoring"][key] = _located(f"scoring: {key}", sections["scoring"][key], faults)
    if faults:
        raise InputError.of_faults(path, faults)
    for line in (*lines, *keys.without_effect):
        logger.warning("%s: %s", path, line)
    return Recipe(
        model=str(name),
        loading=_loading(model, training, top),
        datasets=datasets,
        test_split=test_split if training.get("eval_strategy", "no") != "no" else None,
        columns=sections["data"].get("columns"),
        selection=sections["selection"],
        training=training,
        lora=lora,
        output_dir=Path(str(output_dir)),
        scored=sections["scoring"].pop("output_dir", None),
        scoring=sections["scoring"],
        license=top.get("license"),
        hub=hub,
        text=path.read_text("utf-8") if not changes else _text(path, content, changes),
    )


def _text(path: Path, content: Mapping[Any, Any], changes: Mapping[str, Any]) -> str:
    words = ", ".join(f"{name}: {value}" for name, value in changes.items())
    changed = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True)
    return f"# {path.name}, with changes of the command line: {words}\n{changed}"


def _has(faults: Sequence[str], *beginnings: str) -> bool:
    return any(fault.startswith(beginnings) for fault in faults)


def _typed(content: Mapping[Any, Any], hints: Hints, faults: list[str]) -> dict[str, Any]:
    typed = {}
    for key in hints:
        if content.get(key) is None:
            continue
        if fault := fault_of(key, content[key], hints[key]):
            faults.append(fault)
        else:
            typed[key] = fit(content[key], hints[key])
    return typed


def _section(name: str, content: Mapping[Any, Any], hints: Hints, faults: list[str]) -> dict[str, Any]:
    """Return the section with its values as what they stand for; what is wrong goes to `faults`."""
    section = content.get(name, {})
    if not isinstance(section, Mapping):
        hint = " (for all of peft's defaults: {})" if name == "lora" else ""
        faults.append(f"{name}: give a mapping of keys to values{hint}, not {section!r}")
        return {}
    refused = {key: why for why, keys in SECTION_REFUSED.get(name, {}).items() for key in keys}
    typed = {}
    for key, value in section.items():
        if key in refused:
            faults.append(f"{name}: {key} cannot be given: {refused[key]}")
        elif key not in hints:
            usable = [word for word in hints if word not in refused]
            faults.append(f"{name}: unknown key {key!r}; {did_you_mean(str(key), usable)}")
        elif fault := fault_of(key, value, hints[key]):
            faults.append(f"{name}: {fault}")
        else:
            typed[key] = fit(value, hints[key])
    return typed


def _datasets(
    data: dict[str, Any], content: Mapping[Any, Any], faults: list[str]
) -> tuple[list[dict[str, Any]], str | None]:
    """Return the data sets of the section `data`, or of TRL's keys, and the split of held-out rows."""
    named = read_dataset_keys(content, faults)
    test_split = data.get("test_split") or named.test_split or ("test" if named.entries else None)  # TRL's default
    source = data.get("source")
    if source is None:
        entries = [dict(entry) for entry in named.entries]
        if not entries and not _has(faults, "data", "dataset"):
            faults.append("data: source is missing: give a Hub id, a file or a folder, or dataset_name")
        only = {key: value for key, value in data.items() if key not in ("columns", "test_split")}
        for entry in entries:
            entry |= {"name" if key == "config" else key: value for key, value in only.items()}
        return entries, test_split
    if named.entries:
        faults.append("data: source and dataset_name or datasets both say where rows come from; leave one out")
    names = {"source": "path", "config": "name"}
    return [
        {
            names.get(key, key): value
            for key, value in data.items()
            if key not in ("columns", "test_split") and value is not None
        }
    ], test_split


def _lora(model: Mapping[str, Any], section: dict[str, Any] | None, faults: list[str]) -> dict[str, Any] | None:
    """Return the arguments of peft.LoraConfig: TRL's keys with its defaults, and over them the section's."""
    adapter_keys = [key for key in LORA_KEYS if key in model]
    if not model.get("use_peft"):
        if adapter_keys:
            faults.append(f"{', '.join(adapter_keys)}: no effect without use_peft: true; add it, or leave them out")
        return section
    from trl import ModelConfig

    defaults = ModelConfig()
    flat = {name: model.get(key, getattr(defaults, key)) for key, name in LORA_KEYS.items()}
    return {**{name: value for name, value in flat.items() if value is not None}, **(section or {})}


def _loading(model: Mapping[str, Any], training: dict[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `load_model`; keys that it acts on are taken out of `training`."""
    device = top.get("device") or ("cpu" if training.get("use_cpu") else None)
    training.pop("use_cpu", None)
    small = [size for size in ("4bit", "8bit") if model.get(f"load_in_{size}")]
    loading = {
        "revision": model.get("model_revision"),
        "dtype": model.get("dtype"),
        "attn_implementation": model.get("attn_implementation"),
        "device": device,
        "trust_remote_code": training.pop("trust_remote_code", None),
        "quantization": small[0] if small else None,
    }
    return {name: value for name, value in loading.items() if value is not None}


def _located(key: str, name: str | None, faults: list[str]) -> str | None:
    try:
        return None if name is None else locate(name)
    except InputError as error:
        faults.append(f"{key}: {error}")
        return None


def _combinations(model: Mapping[str, Any], training: Mapping[str, Any], adapter: bool) -> list[str]:
    """List the faults of keys that cannot be together, though each by itself may."""
    small = [key for key in ("load_in_4bit", "load_in_8bit") if model.get(key) is True]
    faults = []
    if len(small) == 2:
        faults.append("give one of load_in_4bit and load_in_8bit")
    if small and not adapter:
        faults.append(
            f"{small[0]} holds the weights still, so full tuning cannot be; add use_peft: true "
            "(QLoRA), or leave it out"
        )
    if model.get("dtype") == "float16" and not adapter:
        faults.append(
            "dtype: float16: full tuning in it loses the small steps; give float32 and bf16: true or fp16: true"
        )
    if training.get("bf16") is True and training.get("fp16") is True:
        faults.append("give one of bf16 and fp16")
    return faults


def _selection_faults(selection: Mapping[str, Any], scoring: Mapping[str, Any]) -> list[str]:
    """List the faults that `select` would refuse hours later, and losses that its method lacks in scoring."""
    method, like, one_per = selection.get("method", "miwv"), selection.get("like"), selection.get("one_per")
    limits = limits_of(method, *(selection.get(key) for key in ("fraction", "count", "threshold")))
    diversity, within = selection.get("diversity"), selection.get("within")
    checks: list[Callable[[], None]] = [
        lambda: check_choice(**limits, takes_all=one_per is not None),
        lambda: check_method(method, selection.get("seed", 0), like),
        lambda: check_diversity(diversity),
        lambda: check_together(method, within, limits["threshold"], diversity, one_per),
    ]
    faults = []
    for check in checks:
        try:
            check()
        except InputError as error:
            faults.append(f"selection: {str(error).replace('--', '')}")
    also = [*scoring.get("also", ()), *([INFLUENCE] if scoring.get("neighbors", 1) > 1 else [])]
    lacking = [name for name in needed_columns(method, like) if name not in also]
    if lacking:
        faults.append(f"selection: method {method} needs its own losses; in scoring, also: [{lacking[0]}]")
    if (like or method).removesuffix(LOW) in TARGET_METHODS and not scoring.get("demonstrations_from"):
        faults.append(f"selection: method {method} needs a target set; in scoring, demonstrations_from: TARGET")
    if needs_embeddings(method, diversity, within) and not scoring.get("keep_embeddings"):
        chooser = f"method {method}" if diversity is None else f"diversity {diversity}"
        faults.append(f"selection: {chooser} needs the embeddings; in scoring, keep_embeddings: true")
    return faults
