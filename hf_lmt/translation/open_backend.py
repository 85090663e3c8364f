"""The backend of a Translator by its name, with the tokenizer and the prompt of its model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.translation.generate import Backend, TransformersBackend
from hf_lmt.translation.prompt_registry import PromptStyle, find_style
from hf_lmt.translation.translation_model import find_identity, load_translation_model
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.internals.of_transformers import commit_of
from hf_miwv.common.reading.source import Source

BACKENDS = ("transformers", "vllm", "openai")


class OpenedBackend(NamedTuple):
    """A backend that is ready to write.

    Attributes:
        backend (`Backend`): The backend.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer of its model.
        style (`PromptStyle`): The prompt that it is asked with.
        model (`PreTrainedModel | None`): The loaded model; None where another engine has it.
        commit (`str | None`): Commit of the model on the Hub, where that is known.
    """

    backend: Backend
    tokenizer: Any
    style: PromptStyle
    model: Any
    commit: str | None


def open_backend(
    backend: str,
    model: Any,
    tokenizer: Any,
    *,
    revision: str | None,
    dtype: str,
    device: str | None,
    quantization: str | None,
    beams: int,
    batch_tokens: int | None,
    prompt: str | None,
    form: str | None,
    base_url: str | None,
) -> OpenedBackend:
    """Open a backend; the arguments are those of `Translator`.

    Args:
        backend (`str`): One of BACKENDS.
        model (`str | Path | PreTrainedModel`): Hub id, folder or GGUF file; with "transformers" also a loaded
            model.
        tokenizer (`PreTrainedTokenizerBase | None`): The tokenizer of a loaded model.
        revision (`str | None`): Branch, tag or commit on the Hub.
        dtype (`str`): Number format of the weights; "auto" is that of the checkpoint.
        device (`str | None`): Device of the weights; None for the accelerator, if there is one.
        quantization (`str | None`): "4bit" or "8bit", by bitsandbytes.
        beams (`int`): Beams of the search, 1 for greedy search.
        batch_tokens (`int | None`): Tokens of a batch, as in `plan_batches`; None for what suits the device.
        prompt (`str | None`): Name of a prompt; None for that of the model.
        form (`str | None`): "conversation" or "text"; None for that of the prompt.
        base_url (`str | None`): Address of the server, with "openai".

    Returns:
        `OpenedBackend`: The backend, with tokenizer and prompt of its model.

    Raises:
        InputError: an unknown backend, a model that it cannot be had with, or settings that it does not have.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend {backend!r}: {did_you_mean(str(backend), BACKENDS)}")
    if (base_url is None) == (backend == "openai"):
        raise InputError(
            "backend openai needs the address of a server: give --base-url http://HOST:8000/v1"
            if base_url is None
            else f"--base-url {base_url} goes with --backend openai, and the backend is {backend}; leave one out"
        )
    if backend == "transformers":
        identity, commit = None, None
        if isinstance(model, str | Path):
            model, tokenizer, identity, commit = load_translation_model(
                str(model), revision=revision, dtype=dtype, device=device, quantization=quantization
            )
        elif tokenizer is None:
            raise InputError("a loaded model needs its tokenizer: Translator(model, tokenizer)")
        style = find_style(prompt, form, identity, tokenizer)
        engine_here = TransformersBackend(model, tokenizer, style.form, beams, batch_tokens)
        return OpenedBackend(engine_here, tokenizer, style, model, commit or commit_of(model.config))

    # Imported here, because the Translator itself does without.
    from hf_lmt.translation.external_model import read_external_model
    from hf_lmt.translation.openai_backend import OpenAIBackend
    from hf_lmt.translation.vllm_backend import VllmBackend, need_vllm

    others = {"tokenizer": tokenizer, "device": device, "quantization": quantization, "batch_tokens": batch_tokens}
    if base_url is not None and dtype != "auto":
        others["dtype"] = dtype
    name = _name_for(backend, model, others)
    if backend == "vllm":
        need_vllm()
    source = Source.parse(name, revision)
    external = read_external_model(source, backend)
    style = find_style(prompt, form, find_identity(source), external.tokenizer)
    engine: Backend
    if base_url is None:
        engine = VllmBackend(external, dtype, style.form, beams)
    else:
        engine = OpenAIBackend(external, base_url, style.form, beams)
    return OpenedBackend(engine, external.tokenizer, style, None, external.commit)


def _name_for(backend: str, model: Any, others: Mapping[str, Any]) -> str:
    """Return the model's name, which is all that an engine of its own is given.

    Args:
        backend (`str`): Its name, for the message.
        model (`Any`): The model's name or folder.
        others (`Mapping[str, Any]`): Settings of the transformers backend that are to be None here.

    Raises:
        InputError: the model is loaded already, or such a setting is given.
    """
    if not isinstance(model, str | Path):
        raise InputError(f"backend {backend} loads the model itself: give its name or folder")
    unused = [name for name, value in others.items() if value is not None]
    if unused:
        raise InputError(
            f"{' and '.join(unused)} with backend {backend}, which chooses its device "
            "and loads weights as they are; leave that out"
        )
    return str(model)
