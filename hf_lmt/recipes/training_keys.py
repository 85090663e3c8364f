"""The keys of a recipe beside the sections that make rows: TRL's, and a few of ours."""

from __future__ import annotations

from collections.abc import Mapping

from hf_lmt.data.prepare.data_recipe import SECTIONS
from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.recipes.fields import Hints, field_hints

BATCH = "global_batch_size"
OWN_KEYS: Hints = {BATCH: int, "merge": bool}
LMT_HUB_KEYS: Hints = {**HUB_KEYS, "license": str}

_SET_BY_US: dict[str, tuple[str, ...]] = {
    "a killed run goes on by itself when the same command is given": ("resume_from_checkpoint",),
    "a killed run could not go on to the same result": (
        "save_only_model",
        "ignore_data_skip",
        "restore_callback_states_from_checkpoint",
    ),
    "the section hub says where, and when": (
        "push_to_hub",
        "hub_token",
        "hub_private_repo",
        "hub_model_id",
        "hub_strategy",
        "hub_always_push",
        "hub_revision",
    ),
    "give dtype, attn_implementation, model_revision themselves": ("model_init_kwargs",),
    "the launcher says it": ("local_rank",),
    "the launch file says it (recipes/accelerate)": (
        "fsdp",
        "fsdp_config",
        "deepspeed",
        "parallelism_config",
        "accelerator_config",
    ),
    "rows are tokenized here, so that every prompt can be checked": (
        "dataset_text_field",
        "dataset_kwargs",
        "dataset_num_proc",
        "truncation_mode",
        "shuffle_dataset",
        "pad_token",
    ),
    "the loss is over the target alone, or over the whole text of a mixture": (
        "completion_only_loss",
        "assistant_only_loss",
    ),
    "the batch is part of the recipe and must not shrink": ("auto_find_batch_size",),
    "4-bit weights are NF4 with double quantization here (QLoRA)": ("bnb_4bit_quant_type", "use_bnb_nested_quant"),
    "it follows from the dtype where weights are sharded": ("bnb_4bit_quant_storage",),
    "it is a causal language model's adapter": ("lora_task_type",),
    "this command trains": ("do_train", "do_eval", "do_predict"),
}
SET_BY_US: Mapping[str, str] = {key: why for why, keys in _SET_BY_US.items() for key in keys}
"""Keys of TRL that cannot be given, and why."""


def training_keys() -> Hints:
    """Return the keys of trl.SFTConfig that a recipe may have, with their annotations."""
    from trl import SFTConfig

    return _usable(field_hints(SFTConfig))


def model_keys() -> Hints:
    """Return the keys of trl.ModelConfig that a recipe may have."""
    from trl import ModelConfig

    return _usable({**field_hints(ModelConfig), "lora_target_modules": str | list[str] | None})


def known_keys() -> list[str]:
    """List every key that a recipe may have at its top, for "did you mean"."""
    return [*SECTIONS, *OWN_KEYS, *training_keys(), *model_keys()]


def _usable(hints: Hints) -> Hints:
    return {name: hint for name, hint in hints.items() if name not in SET_BY_US}
