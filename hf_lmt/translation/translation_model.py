"""The model to translate with, from a name: whole models, adapters, and the prompt beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

from hf_lmt.translation.prompt_registry import (
    IDENTITY,
    PromptStyle,
    read_identity_file,
    read_prompt_identity,
)
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.models.models import load_model
from hf_miwv.common.reading.source import Source


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
    parsed = Source.parse(source, revision)
    model, tokenizer, commit = load_model(
        parsed.id, revision=parsed.revision, dtype=dtype, device=device, quantization=quantization
    )
    return TranslationModel(model, tokenizer, find_identity(parsed), commit)


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
