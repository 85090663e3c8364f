"""PEFT adapters: the folder of one by its name, the model it was tuned on, and both put together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.models.memory import is_out_of_memory, no_room_to_load
from hf_miwv.common.models.quantization import quantization_of
from hf_miwv.common.reading.source import Source

ADAPTER = "adapter_config.json"


def find_adapter(source: Source) -> Path | None:
    """Find the folder of the adapter that is called so, fetched if need be.

    Args:
        source (`Source`): Folder or Hub id.

    Returns:
        `Path | None`: The folder; None for a whole model.
    """
    if source.is_local:
        return source.path if (source.path / ADAPTER).is_file() else None
    if model_file(source.id, ADAPTER, source.revision) is None:
        return None
    return fetch_folder(source, kind="model")


def base_model(adapter: Path) -> str:
    """Read the name of the model that an adapter in a folder was tuned on.

    Args:
        adapter (`Path`): Folder of the adapter.

    Returns:
        `str`: Hub id or path.

    Raises:
        InputError: the adapter names no base model, or has no safetensors weights.
    """
    base = json.loads((adapter / ADAPTER).read_text("utf-8")).get("base_model_name_or_path")
    if not base:
        raise InputError(f"{adapter}: {ADAPTER} names no base model; merge the adapter first")
    if not (adapter / "adapter_model.safetensors").is_file():
        raise InputError(
            f"{adapter} has no adapter_model.safetensors, and pickled weights are not read; save the adapter anew"
        )
    return str(base)


def put_on(model: Any, adapter: Path, device: str | None = None) -> Any:
    """Put an adapter on the model that it was tuned on, merged into its weights unless those are quantized.

    Args:
        model (`PreTrainedModel`): The base model; changed.
        adapter (`Path`): Folder of the adapter.
        device (`str`, *optional*): The device that was asked for, for the message where memory is used up.

    Returns:
        `PreTrainedModel | PeftModel`: The model in evaluation mode, called as its base.

    Raises:
        InputError: memory is used up.
    """
    from peft import PeftModel

    name = model.name_or_path
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(adapter))
        # Merged weights run as fast as the base's, and their fingerprint is the tuned model's.
        if quantization_of(model) is None:
            adapted = adapted.merge_and_unload()
            adapted.name_or_path = name
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("adapter", str(adapter), device, error) from error
        raise
    return adapted.eval()
