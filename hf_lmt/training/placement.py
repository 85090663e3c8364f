"""The tokenizer and model of a recipe, each process's on the device where it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hf_lmt.data.prepare.prompt_check import load_tokenizer as load_by_name
from hf_lmt.recipes.launch import Launch
from hf_lmt.recipes.training_recipe import MODEL, TrainingRecipe
from hf_miwv.common.errors import InputError
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.models.memory import is_out_of_memory, no_room_to_load
from hf_miwv.common.models.model_kinds import check_config, check_trainable
from hf_miwv.common.models.models import load_model, note_commit
from hf_miwv.common.models.quantization import quantized_loading

MAIN = "main"


def load_tokenizer(recipe: TrainingRecipe, source: str) -> Any:
    """Load the tokenizer, with the recipe's chat template and end-of-sequence token.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        source (`str`): Folder or Hub id of the model.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.

    Raises:
        InputError: there is none by that name, or its vocabulary lacks the token.
    """
    settings = {**recipe.model, "chat_template_path": recipe.training.get("chat_template_path")}
    tokenizer = load_by_name({**settings, MODEL: source})
    end = recipe.training.get("eos_token")
    if end is not None and end not in tokenizer.get_vocab():
        raise InputError(
            f"eos_token {end!r} is not in the tokenizer's vocabulary; give one that "
            "is, such as the one that ends a turn of its chat template"
        )
    if end is not None:
        tokenizer.eos_token = end
    return tokenizer


def check_kind(recipe: TrainingRecipe, source: str) -> None:
    """Check that the model writes text and nothing else, by its configuration: no weights are read.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        source (`str`): Folder or Hub id of the model.

    Raises:
        InputError: no such model, or another kind, with what it is.
    """
    from transformers import AutoConfig

    revision = recipe.model.get("model_revision")
    try:
        config = AutoConfig.from_pretrained(
            source,
            revision=None if revision == MAIN else revision,
            trust_remote_code=bool(recipe.training.get("trust_remote_code")),
        )
    except (OSError, ValueError) as error:
        raise hub_error("model", source, error) from error
    check_config(config, source)
    check_trainable(config, source)


def load_trainable(recipe: TrainingRecipe, source: str, launch: Launch) -> Any:
    """Load the model as it will be trained.

    Alone and with DDP each process loads the whole model onto its own device. Where weights are
    sharded (FSDP, ZeRO-3) there is no device map: the sharding library says who holds what.
    Quantized weights are NF4 with double quantization, computed in bfloat16 (QLoRA, arXiv
    2305.14314), or 8-bit; where they are sharded, they are stored in the dtype of the others, as
    FSDP asks for one dtype in all that it cuts.

    Args:
        recipe (`TrainingRecipe`): The recipe.
        source (`str`): Folder or Hub id of the model.
        launch (`Launch`): Processes and sharding.

    Returns:
        `PreTrainedModel`: The model.

    Raises:
        InputError: no such model, no causal language model, a package is missing.
    """
    model = recipe.model
    quantization = quantization_of(model)
    dtype = model.get("dtype") or ("bfloat16" if quantization else "float32")
    revision = model.get("model_revision")
    revision = None if revision == MAIN else revision
    attention = model.get("attn_implementation")
    trust = bool(recipe.training.get("trust_remote_code"))
    if not launch.sharded:
        return load_model(
            source,
            revision=revision,
            dtype=dtype,
            attn_implementation=attention or "auto",
            device="cpu" if recipe.training.get("use_cpu") else None,
            trust_remote_code=trust,
            quantization=quantization,
        ).model
    return _load_for_shards(
        source,
        quantization,
        {
            "revision": revision,
            "dtype": dtype,
            "attn_implementation": attention,
            "trust_remote_code": trust,
            "use_safetensors": True,
        },
    )


def quantization_of(model: Mapping[str, Any]) -> str | None:
    """Return the quantization that the recipe's keys ask for.

    Args:
        model (`Mapping[str, Any]`): The recipe's keys of trl.ModelConfig.

    Returns:
        `str | None`: "4bit", "8bit" or None.
    """
    sizes = [size for size in ("4bit", "8bit") if model.get(f"load_in_{size}")]
    return sizes[0] if sizes else None


def _load_for_shards(source: str, quantization: str | None, loading: dict[str, Any]) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    if quantization is not None:
        config = quantized_loading(quantization)
        config.bnb_4bit_quant_storage = getattr(torch, loading["dtype"])
        loading["quantization_config"] = config
    try:
        model = AutoModelForCausalLM.from_pretrained(source, **loading)
    except ImportError as error:
        raise InputError(f"model {source!r} needs a package that is missing: {error}") from error
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("model", source, "each process", error) from error
        raise hub_error("model", source, error) from error
    note_commit(model.config, source, loading["revision"])
    return model


def adapter_of(model: Mapping[str, Any]) -> Any:
    """Make peft's LoraConfig by the recipe's keys, as TRL's own script makes it.

    Args:
        model (`Mapping[str, Any]`): The recipe's keys of trl.ModelConfig.

    Returns:
        `LoraConfig | None`: The settings of the adapter; None without.
    """
    from trl import ModelConfig, get_peft_config

    return get_peft_config(ModelConfig(**model)) if model.get("use_peft") else None
