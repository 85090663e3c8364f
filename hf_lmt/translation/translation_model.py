"""The model to translate with, from a name: whole models, adapters, and the prompt beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.translation.prompt_registry import (
    IDENTITY,
    PromptStyle,
    read_identity_file,
    read_prompt_identity,
)
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.models.memory import is_out_of_memory, no_room_to_load
from hf_miwv.common.models.models import load_model
from hf_miwv.common.reading.source import Source

ADAPTER = "adapter_config.json"


class TranslationModel(NamedTuple):
    """Hold a loaded model and what was found beside it.

    Attributes:
        model (`PreTrainedModel`): A causal language model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        identity (`PromptStyle`, *optional*): The prompt that it says it was trained with.
        commit (`str`, *optional*): The commit that its name stood for; None for a folder.
    """

    model: Any
    tokenizer: Any
    identity: PromptStyle | None
    commit: str | None


def load_translation_model(
    source: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    device: str | None = None,
    quantization: str | None = None,
) -> TranslationModel:
    """Load a model from a Hub id, a folder, a GGUF file, or a PEFT adapter's folder or Hub id.

    A Hub id may name its revision: OWNER/NAME@REVISION. An adapter is put on the base model that it
    names and merged into it, unless the base is quantized. No code from the Hub is run, and only
    safetensors and GGUF weights are read.

    Args:
        source (`str`): The name.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        dtype (`str`, *optional*, defaults to `"auto"`): As in `load_model`.
        device (`str`, *optional*): As in `load_model`.
        quantization (`str`, *optional*): As in `load_model`.

    Returns:
        `TranslationModel`: The model.

    Raises:
        InputError: as `hf_miwv.common.models.models.load_model`; an adapter without safetensors weights or
            base model, or `peft` is missing; a damaged translation_prompt.json.
    """
    arguments: dict[str, Any] = {"dtype": dtype, "device": device, "quantization": quantization}
    parsed = Source.parse(source, revision)
    adapter = find_adapter(parsed)
    if adapter is not None:
        model, tokenizer = _with_adapter(adapter, arguments)
        commit = None if parsed.is_local else adapter.name  # the cache names folders by commits
    else:
        model, tokenizer, commit = load_model(parsed.id, revision=parsed.revision, **arguments)
    return TranslationModel(model, tokenizer, find_identity(parsed), commit)


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


def find_identity(source: Source) -> PromptStyle | None:
    """Find the `translation_prompt.json` of a folder, of the folder of a GGUF file, or on the Hub.

    Args:
        source (`Source`): Folder, file or Hub id.

    Returns:
        `PromptStyle | None`: The prompt; None where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    path = source.path
    if path.exists():
        return read_prompt_identity(path if path.is_dir() else path.parent)
    identity_file = model_file(source.id, IDENTITY, source.revision)
    return read_identity_file(identity_file) if identity_file else None


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


def _with_adapter(folder: Path, arguments: dict[str, Any]) -> tuple[Any, Any]:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise InputError(
            f"{folder} holds an adapter, which needs the package peft; run pip install 'hf-miwv-lmt[train]'"
        ) from error
    model, tokenizer, _ = load_model(base_model(folder), **arguments)
    name = model.name_or_path
    try:
        adapted: Any = PeftModel.from_pretrained(model, str(folder))
        if arguments["quantization"] is None:
            adapted = adapted.merge_and_unload()
            adapted.name_or_path = name
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("adapter", str(folder), arguments["device"], error) from error
        raise
    # Training may have added tokens or a chat template: the adapter's own tokenizer is the one that it knows.
    if (folder / "tokenizer_config.json").is_file():
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(folder))
    return adapted.eval(), tokenizer
