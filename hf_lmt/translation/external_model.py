"""A model that another engine runs, read without its weights: tokenizer, end tokens, state."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

from transformers import AutoConfig, GenerationConfig

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.adapters import base_model, find_adapter
from hf_miwv.common.models.end_tokens import configured_end_tokens
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.models.model_kinds import check_config, no_text_class
from hf_miwv.common.models.model_tokenizer import read_tokenizer
from hf_miwv.common.models.models import locate_weights
from hf_miwv.common.reading.source import Source


class ExternalModel(NamedTuple):
    """A causal LM as another engine is to run it.

    Attributes:
        source (`str`): Name or path that was asked for.
        base (`str`): Hub id or folder of the whole model.
        revision (`str | None`): Revision of the base on the Hub.
        adapter (`Path | None`): Folder of the PEFT adapter that is put on it, if any.
        tokenizer (`PreTrainedTokenizerBase`): The adapter's, or the base's.
        ends (`list[int]`): Token ids that end a text.
        dtype (`str`): Name of the checkpoint's data type.
        vocabulary (`int`): Number of token ids that the model knows.
        context (`int | None`): Tokens of a sequence, at most, where the configuration says so.
        state (`str`): Base and adapter with the state of their weights.
        commit (`str | None`): Commit of the model on the Hub.
    """

    source: str
    base: str
    revision: str | None
    adapter: Path | None
    tokenizer: Any
    ends: list[int]
    dtype: str
    vocabulary: int
    context: int | None
    state: str
    commit: str | None


def read_external_model(source: Source, engine: str) -> ExternalModel:
    """Read all of a model but its weights, and refuse what is no causal language model.

    Args:
        source (`Source`): Hub id or folder of a whole model, or of a PEFT adapter.
        engine (`str`): How messages call the engine: "vllm".

    Returns:
        `ExternalModel`: The model.

    Raises:
        InputError: No such model, gated, offline, a GGUF file, not a causal LM, without end tokens.
    """
    adapter = find_adapter(source)
    base, base_revision = (source.id, source.revision) if adapter is None else (base_model(adapter), None)
    base, gguf = locate_weights(base)
    if gguf:
        raise InputError(
            f"model {source.id!r} is a GGUF file, which backend {engine} does not take here; give its safetensors "
            "weights, or leave --backend out"
        )
    has_tokenizer = adapter is not None and (adapter / "tokenizer_config.json").is_file()
    try:
        config = AutoConfig.from_pretrained(base, revision=base_revision)
        check_config(config, base)
        error = no_text_class(config, base)
        if error is not None:
            raise error
        tokenizer = read_tokenizer(str(adapter)) if has_tokenizer else read_tokenizer(base, revision=base_revision)
        generation = _generation_config(base, base_revision, config)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise hub_error("model", base, error) from error
    states = [_state(Source(base, base_revision)), *([] if adapter is None else [_state(Source(str(adapter)))])]
    commit = _commit(source) if adapter is None else None if source.is_local else adapter.name
    text = config.get_text_config()
    return ExternalModel(
        source=source.id,
        base=base,
        revision=base_revision,
        adapter=adapter,
        tokenizer=tokenizer,
        ends=configured_end_tokens(generation, tokenizer),
        dtype=str(getattr(text, "dtype", None) or "float32").removeprefix("torch."),
        vocabulary=text.vocab_size,
        context=getattr(text, "max_position_embeddings", None),
        state="+".join(states),
        commit=commit,
    )


def _generation_config(name: str, revision: str | None, config: Any) -> GenerationConfig:
    try:
        return GenerationConfig.from_pretrained(name, revision=revision or "main")
    except OSError:  # a checkpoint without the file; then transformers reads the same of the configuration
        return GenerationConfig.from_model_config(config)


def _commit(source: Source) -> str | None:
    """Return the commit that a model on the Hub stands for; None for a folder."""
    if source.is_local:
        return None
    path = model_file(source.id, "config.json", source.revision)
    return path.parent.name if path else None  # the cache names folders by commits


def _state(source: Source) -> str:
    """Tell other weights of the same name apart: by a commit, or a hash of a folder's files."""
    if not source.path.is_dir():
        return f"{source}@{_commit(source) or source.revision or 'main'}"
    stats = {path.name: path.stat() for path in sorted(source.path.iterdir())}
    files = [(file, stat.st_size, stat.st_mtime_ns) for file, stat in stats.items()]
    return f"{source}@{hashlib.sha256(repr(files).encode()).hexdigest()[:16]}"
