"""A GGUF file -> the same weights as a safetensors folder in the cache, made once."""

from __future__ import annotations

import copy
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
import xxhash
from filelock import FileLock
from huggingface_hub import constants
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.flushing import flush_all

BLOCK = 1 << 24  # bytes hashed at a time

logger = logging.getLogger(__name__)


def safetensors_folder(gguf: Path, load: Callable[[], tuple[Any, Any]]) -> Path:
    """Return the folder that holds the weights of a GGUF file as safetensors, in the dtype they load in.

    transformers quantizes no GGUF file while it loads it, and saves no model that came from one.
    So the file is dequantized once; the result lies under HF_HOME in hf_miwv/converted, named after
    the file's content and the version of transformers that read it. The folder is whole or absent.

    Args:
        gguf (`Path`): The GGUF file.
        load (`Callable[[], tuple[Any, Any]]`): Returns the dequantized (model, tokenizer); called at most
            once.

    Returns:
        `Path`: The folder.

    Raises:
        InputError: the folder cannot be written.
    """
    home = Path(constants.HF_HOME) / "hf_miwv" / "converted"
    folder = home / _content_hash(gguf)
    try:
        home.mkdir(parents=True, exist_ok=True)
        # A second process waits here, and then finds the folder instead of converting once more.
        with FileLock(home / f"{folder.name}.lock"):
            if folder.is_dir():
                logger.debug("%s was converted to safetensors before: %s", gguf.name, folder)
            else:
                logger.info("converting %s to safetensors, once: %s", gguf.name, folder)
                _write(*load(), folder)
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{gguf} must be converted to safetensors, and {folder} cannot be written ({error}); "
            "make room there, or set HF_HOME to another folder"
        ) from error
    return folder


def _content_hash(gguf: Path) -> str:
    digest = xxhash.xxh3_128(transformers.__version__.encode())
    with open(gguf, "rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _write(model: Any, tokenizer: Any, folder: Path) -> None:
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left
    _plain_copy(model).save_pretrained(part)
    tokenizer.save_pretrained(part)
    # The rename must not reach the disk before the content: after a power cut the folder would be torn.
    flush_all(part)
    os.rename(part, folder)


def _plain_copy(model: Any) -> Any:
    """Make a fresh model of the same config over the same tensors, that knows nothing of GGUF."""
    config = copy.deepcopy(model.config)
    vars(config).pop("quantization_config", None)
    # On the meta device the fresh model takes no memory; assign=True then hands it the same tensors.
    with torch.device("meta"):
        fresh = AutoModelForCausalLM.from_config(config)
    fresh.load_state_dict(model.state_dict(), assign=True)
    fresh.tie_weights()
    return fresh
