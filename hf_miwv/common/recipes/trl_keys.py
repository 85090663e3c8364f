"""The keys of a recipe that are TRL's: those of its own training scripts, flat at the top of a YAML file.

Read are the fields of trl.SFTConfig, or of another trainer's configuration, and of trl.ModelConfig,
trl.ScriptArguments and trl.DatasetMixtureConfig, so that a YAML file for `trl sft` or `trl grpo` is a recipe of ours
once our sections are added. What follows from how we
train is refused with its reason, unless its value says what happens anyway (`do_train: true`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hf_miwv.common.errors import did_you_mean
from hf_miwv.common.recipes.fields import Hints, field_hints
from hf_miwv.common.recipes.values import fault_of, fit

FORMER = {
    "evaluation_strategy": "eval_strategy",
    "max_seq_length": "max_length",
    "torch_dtype": "dtype",
    "warmup_ratio": "warmup_steps (below 1 it is a share of the steps)",
    "use_flash_attention_2": "attn_implementation: flash_attention_2",
}
"""Keys of earlier releases of transformers and TRL that many files still have -> the key of today."""

NO_EFFECT = {
    "dataset_num_proc": "rows are tokenized once, in one process",
    "hub_always_push": "here pushes wait in line, and each is made",
}
"""Keys that change no result here, accepted with a line that says why -> the reason."""

Refused = Mapping[str, Mapping[str, tuple[Any, ...]]]
"""Reason -> {key: values that are accepted, because they say what happens anyway}."""

REFUSED: Refused = {
    "a killed run goes on by itself when the same command is given": {"resume_from_checkpoint": (None, True)},
    "a killed run could not go on to the same result": {
        "save_only_model": (False,),
        "ignore_data_skip": (False,),
        "restore_callback_states_from_checkpoint": (False,),
    },
    "a recipe holds no token; run `hf auth login`": {"hub_token": (None,)},
    "the launcher says it": {"local_rank": (-1,)},
    "the launch file of `accelerate launch` says it": {"parallelism_config": (None,)},
    "rows are tokenized here, so that every prompt can be checked": {
        "dataset_text_field": ("text",),
        "dataset_kwargs": (None,),
        "truncation_mode": ("keep_start",),
        "shuffle_dataset": (False,),
        "pad_token": (None,),
    },
    "the loss is over the response or the target, and nothing else": {
        "completion_only_loss": (None, True),
        "assistant_only_loss": (False,),
    },
    "the batch is part of the recipe and must not shrink": {"auto_find_batch_size": (False,)},
    "4-bit weights are NF4 with double quantization here (QLoRA)": {
        "bnb_4bit_quant_type": ("nf4",),
        "use_bnb_nested_quant": (True,),
    },
    "it follows from the dtype where weights are sharded": {"bnb_4bit_quant_storage": (None,)},
    "it is a causal language model's adapter": {"lora_task_type": ("CAUSAL_LM",)},
    "this command trains; eval_strategy says whether it evaluates": {
        "do_train": (True,),
        "do_eval": (True, False),
        "do_predict": (False,),
    },
    "rows are read as a whole before they are chosen from": {"dataset_streaming": (False,), "streaming": (False,)},
    "a random part would not be the same rows after a change; give dataset_test_split": {"test_split_size": (None,)},
    "it is for debugging DDP in TRL's own script": {"ignore_bias_buffers": (False,)},
}

PUSHING = ("push_to_hub", "hub_model_id", "hub_private_repo", "hub_strategy", "hub_revision")
"""Keys that the section `hub` stands for (`common.hub.hub_section.hub_of_trl_keys`)."""

DATASETS = ("dataset_name", "dataset_config", "dataset_train_split", "dataset_test_split", "datasets")
"""Keys that say where rows come from (`common.recipes.trl_datasets`)."""

MODEL_INIT = {"dtype": "dtype", "torch_dtype": "dtype", "attn_implementation": "attn_implementation"}
MODEL_INIT |= {"revision": "model_revision", "trust_remote_code": "trust_remote_code"}
"""Key of `model_init_kwargs` -> the key at the top of the recipe that it is."""


@dataclass(frozen=True)
class TrlKeys:
    """The keys of TRL that a recipe has, checked, as what their text in YAML stands for.

    Args:
        model (`dict`): Fields of trl.ModelConfig.
        training (`dict`): Fields of the trainer's configuration; without those that push.
        pushing (`dict`): Those of PUSHING.
        without_effect (`list[str]`): Lines about keys that change nothing here, for the log.
    """

    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    pushing: dict[str, Any] = field(default_factory=dict)
    without_effect: list[str] = field(default_factory=list)


def sft_hints() -> Hints:
    """Return every field of trl.SFTConfig with its annotation."""
    from trl import SFTConfig

    return field_hints(SFTConfig)


def grpo_hints() -> Hints:
    """Return every field of trl.GRPOConfig with its annotation, and those of trl.SFTConfig about the tokenizer."""
    from trl import GRPOConfig

    of_tokenizer = {name: hint for name, hint in sft_hints().items() if name in ("chat_template_path", "eos_token")}
    return {**field_hints(GRPOConfig), **of_tokenizer}


def model_hints() -> Hints:
    """Return every field of trl.ModelConfig with its annotation; peft takes one name of modules, too."""
    from trl import ModelConfig

    return {**field_hints(ModelConfig), "lora_target_modules": str | list[str] | None}


def script_hints() -> Hints:
    """Return every field of trl.ScriptArguments and trl.DatasetMixtureConfig with its annotation."""
    from trl import DatasetMixtureConfig, ScriptArguments

    return {**field_hints(ScriptArguments), **field_hints(DatasetMixtureConfig)}


def trl_hints(trainer: Hints | None = None) -> Hints:
    """Return every key of TRL's training script with its annotation.

    Args:
        trainer (`Hints`, *optional*): Fields of the trainer's configuration; by default those of trl.SFTConfig.

    Returns:
        `Hints`: The annotations.
    """
    return {**script_hints(), **model_hints(), **(sft_hints() if trainer is None else trainer)}


def read_trl_keys(
    content: Mapping[Any, Any],
    ours: Iterable[str],
    refused: Refused,
    faults: list[str],
    beside: Hints | None = None,
    trainer: Hints | None = None,
) -> TrlKeys:
    """Check the top of a recipe, and sort TRL's keys into those of the model, the training and the pushes.

    Args:
        content (`Mapping`): The recipe.
        ours (`Iterable[str]`): Keys and sections that are ours, which are left alone.
        refused (`Refused`): Keys that this command refuses beside those of REFUSED.
        faults (`list[str]`): All that is wrong is added to it.
        beside (`Hints`, *optional*): Annotations to take in place of TRL's.
        trainer (`Hints`, *optional*): Fields of the trainer's configuration; by default those of trl.SFTConfig.

    Returns:
        `TrlKeys`: The keys whose values are right.
    """
    of_training = sft_hints() if trainer is None else trainer
    ours, hints = set(ours), {**trl_hints(of_training), **(beside or {})}
    reasons = {key: (why, values) for why, keys in {**REFUSED, **refused}.items() for key, values in keys.items()}
    usable = [*ours, *(key for key in hints if key not in reasons)]
    keys = TrlKeys()
    for key, value in _spread_model_init(content, faults).items():
        if key in ours or key in DATASETS:
            continue
        if isinstance(key, bool):
            faults.append(f"unknown key: YAML reads this word as {key}; put it in quotes")
        elif key in FORMER:
            faults.append(f"unknown key {key!r}; its name is {FORMER[key]} now")
        elif key not in hints:
            faults.append(f"unknown key {key!r}; {did_you_mean(str(key), usable)}")
        elif key in reasons:
            why, accepted = reasons[key]
            # `is` for true and false, which equal 1 and 0
            if not any(value is known or (value == known and type(value) is type(known)) for known in accepted):
                faults.append(f"{key} cannot be given: {why}")
        elif fault := fault_of(key, value, hints[key]):
            faults.append(fault)
        elif key in NO_EFFECT:
            keys.without_effect.append(f"{key} has no effect here: {NO_EFFECT[key]}")
        else:
            group = keys.pushing if key in PUSHING else keys.training if key in of_training else keys.model
            group[key] = fit(value, hints[key])
    return keys


def _spread_model_init(content: Mapping[Any, Any], faults: list[str]) -> dict[Any, Any]:
    """Return the recipe with the keys of `model_init_kwargs` under their names at the top."""
    content = dict(content)
    inner = content.pop("model_init_kwargs", None) or {}
    if not isinstance(inner, Mapping):
        faults.append(f"model_init_kwargs: give a mapping, not {inner!r}")
        return content
    for key, value in inner.items():
        name = MODEL_INIT.get(key)
        if name is None:
            faults.append(f"model_init_kwargs: {key}: only {', '.join(MODEL_INIT)} can be given here")
        elif name in content and content[name] != value:
            faults.append(f"model_init_kwargs: {key}: {value!r}, and {name} says {content[name]!r}; give one")
        else:
            content[name] = value
    return content
