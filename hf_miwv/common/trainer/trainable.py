"""Load a model so that it can be trained, and describe the training after it."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from hf_miwv.common.models.conversion import safetensors_folder
from hf_miwv.common.models.models import load_model

# What a run depends on most, recorded as the trainer has it, given in the recipe or not.
EFFECTIVE = (
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "optim",
    "num_train_epochs",
    "max_steps",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "max_length",
    "max_grad_norm",
    "bf16",
    "fp16",
    "gradient_checkpointing",
    "loss_type",
)


def trainable_source(name: str) -> str:
    """Return the name itself; for a GGUF file, which transformers can read but not save, a conversion.

    Args:
        name (`str`): Hub id, folder or GGUF file.

    Returns:
        `str`: A name whose model can be trained and saved.
    """
    path = Path(name).expanduser()
    files = [path] if path.suffix == ".gguf" else sorted(path.glob("*.gguf"))
    if len(files) != 1 or not path.exists() or any(path.glob("*.safetensors")):
        return name
    return str(safetensors_folder(files[0], lambda: load_model(name, device="cpu")[:2]))


def sort_adapter_modules(model: Any) -> None:
    """Put the modules that adapters change in order: peft has a set, which each process writes in another order.

    Args:
        model (`PeftModel | PreTrainedModel`): The model; the configurations of its adapters are changed.
    """
    for config in getattr(model, "peft_config", {}).values():
        if isinstance(config.target_modules, set):
            config.target_modules = sorted(config.target_modules)


def loss_curve(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List loss (nats per token), learning rate, gradient norm and epoch of each logged step.

    Args:
        history (`list[dict[str, Any]]`): `log_history` of a trainer's state.

    Returns:
        `list[dict[str, Any]]`: An entry for each step that logged a loss.
    """
    names = ("step", "epoch", "loss", "learning_rate", "grad_norm")
    return [{name: entry.get(name) for name in names} for entry in history if "loss" in entry]


def effective_settings(arguments: Any, names: Iterable[str] = EFFECTIVE) -> dict[str, Any]:
    """Read settings as the trainer has them; members of enumerations by their words.

    Args:
        arguments (`TrainingArguments`): The trainer's arguments.
        names (`Iterable[str]`, *optional*): Names of the settings; EFFECTIVE by default.

    Returns:
        `dict[str, Any]`: Name -> value.
    """
    values = {name: getattr(arguments, name) for name in names}
    return {name: getattr(value, "value", value) for name, value in values.items()}


def release_memory() -> None:
    """Give back what a model that is not used any more has held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
