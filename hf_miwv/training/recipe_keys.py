"""The keys that a recipe for `hf-miwv train` may have: those of each section and their types."""

from __future__ import annotations

from collections.abc import Mapping

from hf_miwv.common.hub.hub_section import HUB_KEYS
from hf_miwv.common.models.models import DTYPES
from hf_miwv.common.recipes.fields import Hints, argument_hints, field_hints, one_of
from hf_miwv.neighbors.embed import POOLINGS
from hf_miwv.neighbors.index import SEARCHES
from hf_miwv.prompts.tokenization import UNREADABLE_ROWS
from hf_miwv.scoring.scoring import EMBED_TEXTS, score
from hf_miwv.selection.selection import select

MODEL_KEYS: Hints = {
    "name": str,
    "revision": str | None,
    "dtype": one_of(DTYPES),
    "attention": str,
    "device": str | None,
    "trust_remote_code": bool,
    "load_in_4bit": bool,
    "load_in_8bit": bool,
}
DATA_KEYS: Hints = {
    "source": str,
    "split": str | None,
    "config": str | None,
    "revision": str | None,
    "field": str | None,
    "columns": Mapping[str, str] | None,
}
OUTPUT_KEYS: Hints = {"folder": str, "scored": str | None, "license": str | None}

# Keys that are set here, or that would break what is promised: reason -> names.
IN_OUTPUT = "output: folder says where"
IN_MODEL = "give it in the section model"
SET_BY_US: dict[str, dict[str, tuple[str, ...]]] = {
    "training": {
        IN_OUTPUT: ("output_dir",),
        IN_MODEL: ("model_init_kwargs", "trust_remote_code"),
        "model: device says where": ("use_cpu",),
        "the launcher says it": ("local_rank",),
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
        "training uses the tokens that were scored": (
            "chat_template_path",
            "eos_token",
            "pad_token",
            "dataset_text_field",
            "dataset_kwargs",
            "dataset_num_proc",
            "truncation_mode",
            "shuffle_dataset",
        ),
        "the loss is over the response and nothing else": (
            "completion_only_loss",
            "assistant_only_loss",
        ),
        "each row stays a sequence of its own, so that its tokens can be checked": (
            "packing",
            "packing_strategy",
            "padding_free",
            "eval_packing",
        ),
        "all chosen rows are for training, and none is held out": (
            "do_train",
            "do_eval",
            "do_predict",
            "eval_strategy",
            "eval_steps",
            "eval_delay",
            "per_device_eval_batch_size",
            "eval_on_start",
            "eval_do_concat_batches",
            "eval_use_gather_object",
            "eval_accumulation_steps",
            "batch_eval_metrics",
            "bf16_full_eval",
            "fp16_full_eval",
            "include_for_metrics",
            "prediction_loss_only",
            "load_best_model_at_end",
            "metric_for_best_model",
            "greater_is_better",
        ),
        "the batch is part of the recipe and must not shrink": ("auto_find_batch_size",),
    },
    "lora": {
        "it is a causal language model's adapter, for training": (
            "task_type",
            "peft_type",
            "auto_mapping",
            "inference_mode",
            "peft_version",
        ),
        IN_MODEL: ("base_model_name_or_path", "revision"),
    },
    "scoring": {
        IN_MODEL: ("model_revision", "device", "trust_remote_code", "quantization"),
        "give it in the section data": ("columns", "split", "config", "field"),
        "give it in the section data, as revision": ("data_revision",),
        "output: scored says where": ("output", "overwrite"),
    },
    "selection": {"the chosen rows lie beside the training": ("output", "overwrite")},
}


def known_keys() -> dict[str, Hints]:
    """Return the keys of each section with the annotations of their values.

    Those of `training` are trl.SFTConfig's, those of `lora` peft.LoraConfig's, those of `scoring`
    and `selection` the arguments of `score` and `select`.
    """
    from peft import LoraConfig
    from trl import SFTConfig

    words = {
        "pooling": POOLINGS,
        "embed_text": EMBED_TEXTS,
        "dtype": DTYPES,
        "search": SEARCHES,
        "unreadable_rows": UNREADABLE_ROWS,
    }
    scoring = argument_hints(score, ("dataset", "model", "tokenizer", "embedder", "origin", "progress"))
    return {
        "model": MODEL_KEYS,
        "data": DATA_KEYS,
        "scoring": {"embedder": str, **scoring, **{name: one_of(known) for name, known in words.items()}},
        "selection": argument_hints(select, ("scored", "origin")),
        "training": field_hints(SFTConfig),
        "lora": field_hints(LoraConfig),
        "output": OUTPUT_KEYS,
        "hub": HUB_KEYS,
    }
