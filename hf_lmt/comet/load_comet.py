"""Load a COMET checkpoint from a folder or the Hub: safetensors, or the file that Lightning wrote."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaXLConfig, XLMRobertaXLModel

from hf_lmt.comet.comet_model import CometModel
from hf_lmt.comet.comet_settings import DTYPES, READ, XCOMET, CometSettings, comet_settings
from hf_miwv.common.errors import InputError
from hf_miwv.common.hub.fetching import fetch_folder
from hf_miwv.common.models.devices import pick_device
from hf_miwv.common.models.hub_errors import hub_error
from hf_miwv.common.models.hub_files import model_file
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.models.model_tokenizer import read_tokenizer
from hf_miwv.common.reading.source import Source
from hf_miwv.common.recipes.yaml_text import read_yaml

HYPERPARAMETERS = "hparams.yaml"
LIGHTNING, SAFETENSORS = Path("checkpoints", "model.ckpt"), Path("model.safetensors")
ENCODERS: dict[str, tuple[Any, Any]] = {
    "XLM-RoBERTa": (XLMRobertaConfig, XLMRobertaModel),
    "XLM-RoBERTa-XL": (XLMRobertaXLConfig, XLMRobertaXLModel),
}
ENCODER_PREFIX = "encoder.model."
LEFT_OUT = (
    "layerwise_attention.dropout_",
    "wordloss.",
    "encoder.model.pooler.",
    "encoder.model.embeddings.position_ids",
)
"""Tensors that only training reads, or older versions of unbabel-comet kept beside."""


def is_comet(source: str, revision: str | None = None) -> bool:
    """Check whether a folder or model on the Hub is a COMET checkpoint, by its hparams.yaml.

    Args:
        source (`str`): Folder, OWNER/NAME or OWNER/NAME@REVISION.
        revision (`str`, *optional*): A branch or commit.

    Returns:
        `bool`: Whether there is one; False too where the Hub cannot be asked.

    Raises:
        InputError: There is no such model on the Hub.
    """
    parsed = Source.parse(source, revision)
    if parsed.is_local:
        return (parsed.path / HYPERPARAMETERS).is_file()
    return model_file(parsed.id, HYPERPARAMETERS, parsed.revision) is not None


def fetch_comet(source: str, revision: str | None = None) -> tuple[Path, CometSettings]:
    """Bring all files of a checkpoint here, its encoder's configuration and tokenizer among them.

    Args:
        source (`str`): Folder, OWNER/NAME or OWNER/NAME@REVISION.
        revision (`str`, *optional*): A branch or commit.

    Returns:
        `tuple[Path, CometSettings]`: The folder of the checkpoint, and what is built from it.

    Raises:
        InputError: It is not there, gated, out of reach, or of a shape that is not known here.
    """
    folder = fetch_folder(Source.parse(source, revision), kind="model")
    path = folder / HYPERPARAMETERS
    if not path.is_file():
        raise InputError(f"{source!r} is no COMET checkpoint: it has no {HYPERPARAMETERS}")
    try:
        hyperparameters = read_yaml(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"COMET checkpoint {source!r}: {HYPERPARAMETERS} cannot be read: {error}") from error
    if not isinstance(hyperparameters, Mapping):
        raise InputError(f"COMET checkpoint {source!r}: {HYPERPARAMETERS} holds no names with values")
    settings = comet_settings(hyperparameters, source)
    _encoder_parts(folder, settings)
    return folder, settings


def default_dtype(device: str | None) -> str:
    """Return the dtype that an encoder is loaded in where none is asked for, as a reward.

    Args:
        device (`str`, *optional*): As in `load_comet`.

    Returns:
        `str`: "float32" on a CPU, "bfloat16" on an accelerator.

    Raises:
        InputError: The device is not here.
    """
    return "float32" if pick_device(device).type == "cpu" else "bfloat16"


def load_comet(
    source: str, *, revision: str | None = None, dtype: str = "float32", device: str | None = None
) -> CometModel:
    """Load a COMET model.

    Weights are read from `model.safetensors` where there is one (`save_comet`), else from
    `checkpoints/model.ckpt` with `torch.load(weights_only=True)`, which runs no code of the file's.
    Configuration and tokenizer of the encoder are taken from the same folder where it has a `config.json`,
    else from the model that `pretrained_model` names.

    Args:
        source (`str`): Folder, OWNER/NAME or OWNER/NAME@REVISION, such as "Unbabel/wmt22-comet-da".
        revision (`str`, *optional*): A branch or commit.
        dtype (`str`, *optional*, defaults to `"float32"`): Of the encoder, "float32" or "bfloat16"; the rest is
            in float32.
        device (`str`, *optional*): By default the accelerator at hand, or the CPU.

    Returns:
        `CometModel`: The model, in evaluation mode.

    Raises:
        InputError: As `fetch_comet`; weights that are damaged, missing or of other shapes, or that hold more
            than plain tensors; a dtype or device that cannot be; memory is used up.
    """
    if dtype not in DTYPES:
        raise InputError(f"COMET {source!r}: dtype {dtype!r} cannot be; give {' or '.join(DTYPES)}")
    target = pick_device(device)
    folder, settings = fetch_comet(source, revision)
    config, tokenizer = _encoder_parts(folder, settings)
    if not 0 <= settings.word_layer <= config.num_hidden_layers and settings.metric == XCOMET:
        raise InputError(
            f"COMET checkpoint {source!r}: word_layer {settings.word_layer} is none of its encoder's layers"
        )
    tensors = {
        name: value for name, value in _tensors(folder, settings, source).items() if not name.startswith(LEFT_OUT)
    }
    inner = {
        name.removeprefix(ENCODER_PREFIX): value for name, value in tensors.items() if name.startswith(ENCODER_PREFIX)
    }
    outer = {name: value for name, value in tensors.items() if not name.startswith(ENCODER_PREFIX)}
    try:
        # Weights are drawn before they are read; what a trainer samples next must not depend on that.
        with torch.random.fork_rng(devices=[]):
            encoder, report = ENCODERS[settings.encoder][1].from_pretrained(
                None,
                config=config,
                state_dict=inner,
                dtype=getattr(torch, dtype),
                add_pooling_layer=False,
                output_loading_info=True,
            )
            model = CometModel(settings, encoder, tokenizer, _identity(source, folder))
        if model.hidden2tag is None:  # word-level training left it there; sentence scores do without
            outer = {name: value for name, value in outer.items() if not name.startswith("hidden2tag.")}
        left = model.load_state_dict(outer, strict=False)
        missing = [*report["missing_keys"], *(name for name in left.missing_keys if not name.startswith("encoder."))]
        wrong = [*missing, *report["unexpected_keys"], *left.unexpected_keys, *report.get("mismatched_keys", ())]
        if wrong:
            raise InputError(
                f"COMET checkpoint {source!r}: {len(wrong)} tensors are missing or not known here, the first of them "
                f"{wrong[0]}; the file and its {HYPERPARAMETERS} are not of one model"
            )
        return model.to(target).eval()
    except InputError:
        raise
    except (RuntimeError, ValueError, MemoryError) as error:
        if is_out_of_memory(error):
            raise InputError(
                f"COMET checkpoint {source!r} does not fit into the memory of {target} with its encoder in {dtype} "
                f"({str(error).splitlines()[0]}). Give dtype bfloat16 (--comet-dtype bfloat16; quality: dtype in a "
                "recipe), device 'cpu' in Python, or a smaller model; or end what else holds memory"
            ) from error
        raise InputError(f"COMET checkpoint {source!r} cannot be loaded: {str(error).splitlines()[0]}") from error


def save_comet(model: CometModel, folder: str | Path, hyperparameters: Mapping[str, Any]) -> None:
    """Write a model as safetensors, with all that `load_comet` needs and nothing that runs code.

    Args:
        model (`CometModel`): The model.
        folder (`str | Path`): Folder to write.
        hyperparameters (`Mapping[str, Any]`): What its hparams.yaml is to say.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        (name.replace("encoder.", ENCODER_PREFIX, 1) if name.startswith("encoder.") else name): value.contiguous()
        for name, value in model.state_dict().items()
    }
    save_file(tensors, folder / SAFETENSORS, metadata={"format": "pt"})
    model.encoder.config.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    (folder / HYPERPARAMETERS).write_text(yaml.safe_dump(dict(hyperparameters)), "utf-8")


def _encoder_parts(folder: Path, settings: CometSettings) -> tuple[Any, Any]:
    """Return configuration and tokenizer of the encoder."""
    name = str(folder) if (folder / "config.json").is_file() else settings.pretrained_model
    try:
        return ENCODERS[settings.encoder][0].from_pretrained(name), read_tokenizer(name)
    except (OSError, ValueError, ImportError) as error:
        raise hub_error("model", name, error) from error


def _tensors(folder: Path, settings: CometSettings, source: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint, by the names that unbabel-comet gives them."""
    if (folder / SAFETENSORS).is_file():
        try:
            return load_file(folder / SAFETENSORS)
        except SafetensorError as error:
            raise InputError(f"COMET checkpoint {source!r}: {SAFETENSORS} is damaged: {error}") from error
    path = folder / LIGHTNING
    if not path.is_file():
        raise InputError(f"COMET checkpoint {source!r}: there is neither {SAFETENSORS} nor {LIGHTNING}")
    try:
        # Archives, as torch writes them since version 1.6, are read from the disk as they are needed.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InputError(
            f"COMET checkpoint {source!r}: {LIGHTNING} cannot be read as plain tensors, and pickles with more in "
            f"them are not read: {str(error).splitlines()[0]}"
        ) from error
    tensors = content.get("state_dict") if isinstance(content, Mapping) else None
    if not isinstance(tensors, Mapping):
        raise InputError(f"COMET checkpoint {source!r}: {LIGHTNING} has no state_dict")
    _check_alike(settings, content.get("hyper_parameters") or {}, source)
    return dict(tensors)


def _check_alike(settings: CometSettings, inside: Mapping[str, Any], source: str) -> None:
    """Refuse a checkpoint that says something else of its model than the hparams.yaml beside it.

    unbabel-comet builds the model by what the checkpoint says, but for the class and for layers that
    "sparsemax_patch" in hparams.yaml weights by softmax.
    """
    known = {key: value for key, value in inside.items() if key in READ}
    other = comet_settings({**known, "class_identifier": settings.metric}, source) if known else settings
    for field in fields(settings):
        declared, stored = getattr(settings, field.name), getattr(other, field.name)
        patched = field.name == "transformation" and declared == "softmax"
        if declared != stored and field.name != "pretrained_model" and not patched:
            raise InputError(
                f"COMET checkpoint {source!r}: {HYPERPARAMETERS} says {field.name} {declared!r}, and {LIGHTNING} "
                f"itself {stored!r}; give them as they were published"
            )


def _identity(source: str, folder: Path) -> str:
    """Return the checkpoint's name, with the commit that its folder in the cache is named by."""
    parsed = Source.parse(source)
    return parsed.id if parsed.is_local else f"{parsed.id}@{folder.name}"
