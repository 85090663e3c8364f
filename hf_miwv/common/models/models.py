"""The models, from names to loaded objects: the causal LM that is scored with, the embedder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.extras import need
from hf_miwv.common.internals.of_transformers import commit_of, set_commit
from hf_miwv.common.models.adapters import base_model, find_adapter, put_on
from hf_miwv.common.models.causality import check_causal
from hf_miwv.common.models.conversion import safetensors_folder
from hf_miwv.common.models.devices import check_split, device_map, pick_device
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.models.memory import is_out_of_memory, no_room_to_load
from hf_miwv.common.models.model_kinds import check_config, check_weights, loading_class, no_text_class
from hf_miwv.common.models.model_tokenizer import read_tokenizer
from hf_miwv.common.models.quantization import quantized_loading, settle_quantization
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.progress import hide_library_bars
from hf_miwv.common.reading.source import Source

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DTYPES = ("auto", "float32", "bfloat16", "float16")


class LoadedModel(NamedTuple):
    """Hold a causal LM with its tokenizer.

    Attributes:
        model (`PreTrainedModel`): The model.
        tokenizer (`PreTrainedTokenizerBase`): Its tokenizer.
        revision (`str`, *optional*): The commit that its name stood for; None for a local folder.
    """

    model: Any
    tokenizer: Any
    revision: str | None


def load_model(
    source: str,
    *,
    revision: str | None = None,
    dtype: str = "auto",
    attn_implementation: str = "auto",
    device: str | None = None,
    trust_remote_code: bool = False,
    quantization: str | None = None,
) -> LoadedModel:
    """Load a causal LM and its tokenizer from a Hub id, a folder, a GGUF file or folder, or a PEFT adapter.

    Of a model of text and pictures the whole is loaded, and the text part runs alone. An adapter is put on the
    base model that it names and merged into it, unless that is quantized. Only safetensors and GGUF weights are
    read.

    Args:
        source (`str`): Hub id (OWNER/NAME, or OWNER/NAME@REVISION) or folder, of a model or an adapter, or GGUF file.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        dtype (`str`, *optional*, defaults to `"auto"`): One of DTYPES. "auto" is the checkpoint's own, and
            float32 for GGUF, which is dequantized. Of a quantized model that of its other weights.
        attn_implementation (`str`, *optional*, defaults to `"auto"`): transformers' name of the kernels; "auto" leaves
            the choice to transformers.
        device (`str`, *optional*): Device of all of it, by default the accelerator at hand. "split" spreads
            the model over all accelerators here (see `hf_miwv.common.models.devices`).
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code of the checkpoint may run.
        quantization (`str`, *optional*): "4bit" or "8bit" as in `quantized_loading`; a GGUF file is then
            converted to safetensors once.

    Returns:
        `LoadedModel`: The model in evaluation mode, its tokenizer and its commit.

    Raises:
        InputError: no such model, gated, offline, not a causal LM (with what it is instead),
            quantized in another way already, an unusable dtype or device, bitsandbytes is
            missing, or memory is used up; an adapter without safetensors weights or base model, or `peft` is
            missing.
    """
    hide_library_bars()
    if dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r} is not one of ours: {did_you_mean(dtype, DTYPES)}")
    parsed = Source.parse(source, revision)
    if (adapter := find_adapter(parsed)) is not None:
        need("train", f"adapter {str(adapter)!r}", "peft")  # before the base is loaded, which takes minutes
        base = load_model(
            base_model(adapter),
            dtype=dtype,
            attn_implementation=attn_implementation,
            device=device,
            trust_remote_code=trust_remote_code,
            quantization=quantization,
        )
        # Training may have added tokens or a chat template: the adapter's own tokenizer is the one that it knows.
        has_tokenizer = (adapter / "tokenizer_config.json").is_file()
        tokenizer = read_tokenizer(str(adapter)) if has_tokenizer else base.tokenizer
        commit = None if parsed.is_local else adapter.name  # the cache names folders by commits
        return LoadedModel(put_on(base.model, adapter, device), tokenizer, commit)
    source, revision = parsed.id, parsed.revision
    placement = device_map(device)
    loading = {} if quantization is None else {"quantization_config": quantized_loading(quantization)}
    name, gguf = locate_weights(source)
    if gguf:
        need("gguf", f"model {source!r}", "gguf")
    folder = name
    # transformers quantizes no weights that come out of a GGUF file, so those are converted first and then
    # loaded like any other checkpoint.
    if gguf and quantization is None:
        loading = _dequantized_loading()
    elif gguf:
        weights = safetensors_folder(Path(name) / gguf["gguf_file"], lambda: load_model(source, device="cpu")[:2])
        folder, gguf = str(weights), {}
    shared = {"revision": revision, "trust_remote_code": trust_remote_code, **gguf}
    try:
        # The configuration decides before the weights are read: another kind of model is refused in seconds.
        kind = AutoModelForCausalLM if gguf else _class_for(folder, source, shared)
        tokenizer = read_tokenizer(folder, **shared)
        loaded: Any = kind.from_pretrained(
            folder,
            dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            attn_implementation=None if attn_implementation == "auto" else attn_implementation,
            device_map=placement,
            # Pickled weights would run code as they are loaded.
            use_safetensors=None if gguf else True,
            output_loading_info=True,
            **shared,
            **loading,
        )
    except InputError:  # a ValueError, but one that says all
        raise
    except ImportError as error:
        raise InputError(f"model {source!r} needs a package that is missing: {error}") from error
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("model", source, device, error) from error
        raise _model_error(source, error) from error
    model, report = loaded
    if placement == "auto":
        check_split(model, source)
    check_weights(report.get("missing_keys", ()), report.get("unexpected_keys", ()), source)
    # The records name the model as it was asked for, also where a converted copy of it was loaded.
    model.name_or_path = name
    note_commit(model.config, folder, revision)
    # A checkpoint that comes quantized is not loaded in another way in silence.
    settle_quantization(model, quantization, source)
    model.eval()
    try:
        check_causal(model, source)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("model", source, device, error) from error
        raise
    return LoadedModel(model, tokenizer, commit_of(model.config))


def _class_for(folder: str, source: str, shared: dict[str, Any]) -> Any:
    """Choose the class to load a checkpoint with, by its configuration: before its weights are read."""
    config = AutoConfig.from_pretrained(folder, **shared)
    check_config(config, source)
    error = no_text_class(config, source)
    if error is not None:
        raise error
    return loading_class(config)


def note_commit(config: Any, name: str, revision: str | None) -> None:
    """Put the commit that a name on the Hub stood for into the config of the object loaded by it.

    `_commit_hash` is where transformers 4 had it, and 5 (5.23) has nothing; it is not saved with
    the config. None for a local folder.

    Args:
        config (`PreTrainedConfig`): Configuration of the loaded model; changed.
        name (`str`): Hub id or local path that it was loaded by.
        revision (`str`, *optional*): Revision that was asked for.
    """
    set_commit(config, None)
    if Path(name).expanduser().exists():
        return
    from huggingface_hub import try_to_load_from_cache

    cached_config = try_to_load_from_cache(name, "config.json", revision=revision)
    if isinstance(cached_config, str):
        set_commit(config, Path(cached_config).parent.name)  # the cache names folders by commits


def _dequantized_loading() -> dict[str, Any]:
    """Return the arguments that load GGUF as dense weights, also where transformers has kernels for its blocks."""
    config = getattr(transformers, "GgufConfig", None)  # older versions always dequantize
    return {"quantization_config": config(dequantize=True)} if config else {}


def locate_weights(source: str) -> tuple[str, dict[str, str]]:
    """Find out how `from_pretrained` is to be called for a model.

    Args:
        source (`str`): Hub id, folder or GGUF file.

    Returns:
        `tuple[str, dict[str, str]]`: The name for `from_pretrained`, and its argument `gguf_file` if the
        weights are GGUF.

    Raises:
        InputError: a file of another kind, no such folder, or a folder with several GGUF files.
    """
    path = Path(source).expanduser()
    if path.is_file():
        if path.suffix != ".gguf":
            raise InputError(f"model {source!r} is a file; give a folder, a .gguf file or a Hub id")
        return str(path.parent), {"gguf_file": path.name}
    if not path.is_dir():
        # What looks like a path and is not here must not be asked of the Hub, whose answer would mislead.
        if path.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1:
            raise InputError(f"model {source!r}: no such folder, and not a Hub id (owner/name)")
        return source, {}
    gguf_files = sorted(path.glob("*.gguf"))
    if not gguf_files or any(path.glob("*.safetensors")):
        return str(path), {}
    if len(gguf_files) > 1:
        files = ", ".join(file.name for file in gguf_files)
        raise InputError(f"model {source!r} holds several GGUF files ({files}); give one of them")
    return str(path), {"gguf_file": gguf_files[0].name}


def _model_error(source: str, error: BaseException) -> InputError:
    text = str(error)
    if "safetensors" in text:
        return InputError(
            f"model {source!r} has no safetensors weights, and pickled ones are not read: "
            "convert it first (save_pretrained writes safetensors)"
        )
    return hub_error("model", source, error)


def length_limit(model: Any, requested: int | None) -> int:
    """Settle how many tokens a sequence may have.

    The model's limit is its `max_position_embeddings`; where a "dynamic" rotary embedding stretches
    them, as many more as its factor says, if they are asked for.

    Args:
        model (`PreTrainedModel`): The model that is run.
        requested (`int`, *optional*): Tokens that were asked for.

    Returns:
        `int`: `requested`; by default 2,048 tokens, or the model's limit if that is smaller.

    Raises:
        InputError: `requested` is below 2 or above the model's limit.
    """
    model_limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if requested is None:
        return min(2048, model_limit or 2048)
    if requested < 2:
        raise InputError(f"max length {requested} leaves no room for a response; give 2 or more")
    if model_limit is not None:
        rule = length_rule(model)
        model_limit = max(model_limit, (rule and rule.reach) or 0)
    if model_limit is not None and requested > model_limit:
        raise InputError(f"max length {requested} is above the model's own limit of {model_limit} tokens")
    return requested


def load_embedder(
    source: str,
    *,
    revision: str | None = None,
    device: str | None = None,
    trust_remote_code: bool = False,
) -> SentenceTransformer:
    """Load an embedder in float32 from a Hub id or folder, with its own pooling.

    Args:
        source (`str`): Hub id (OWNER/NAME, or OWNER/NAME@REVISION) or folder.
        revision (`str`, *optional*): Branch, tag or commit on the Hub.
        device (`str`, *optional*): Device; by default the accelerator at hand.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether code of the checkpoint may run.

    Returns:
        `SentenceTransformer`: The embedder.

    Raises:
        InputError: no such model, gated, offline, not an embedder, or memory is used up; or
            sentence-transformers, which hf_lmt can do without, is not installed.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise InputError(
            f"embedder {source!r} needs sentence-transformers ({error}); run pip install sentence-transformers"
        ) from error
    parsed = Source.parse(source, revision)
    source, revision = parsed.id, parsed.revision
    path = Path(source).expanduser()
    if not path.exists() and (path.is_absolute() or source.startswith((".", "~"))):
        raise InputError(f"embedder {source!r}: no such folder, and not a Hub id (owner/name)")
    try:
        embedder = SentenceTransformer(
            str(path) if path.exists() else source,
            revision=revision,
            device=str(pick_device(device)),
            trust_remote_code=trust_remote_code,
            model_kwargs={"dtype": torch.float32, "use_safetensors": True},
        )
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise no_room_to_load("embedder", source, device, error) from error
        raise hub_error("embedder", source, error) from error
    transformer: Any = embedder[0]
    note_commit(transformer.auto_model.config, source, revision)
    return embedder
