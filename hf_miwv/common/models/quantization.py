"""Weights in 4 or 8 bits by bitsandbytes: how they are loaded, and told of a loaded model."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from hf_miwv.common.errors import InputError, did_you_mean

QUANTIZATIONS = ("4bit", "8bit")


def quantization_by(load_in_4bit: bool, load_in_8bit: bool) -> str | None:
    """Name the quantization that two switches ask for.

    Args:
        load_in_4bit (`bool`): Weights in 4 bits.
        load_in_8bit (`bool`): Weights in 8 bits.

    Returns:
        `str | None`: "4bit", "8bit" or None.

    Raises:
        InputError: Both are on.
    """
    if load_in_4bit and load_in_8bit:
        raise InputError("give one of load_in_4bit and load_in_8bit")
    return "4bit" if load_in_4bit else "8bit" if load_in_8bit else None


def quantized_loading(quantization: str) -> BitsAndBytesConfig:
    """Return how bitsandbytes keeps the weights of all linear layers but the output layer.

    "4bit": NF4 with double quantization, computed in bfloat16 (QLoRA, arXiv 2305.14314).
    "8bit": a scale for each weight row and each token (LLM.int8(), arXiv 2208.07339), but without
    that paper's outlier columns, threshold 6.0. That is a choice of ours: they are found over all
    tokens of a batch together, so a row's loss would hang on the rows beside it, and on later
    tokens. Models with large outliers lose more by it.

    Args:
        quantization (`str`): "4bit" or "8bit".

    Returns:
        `BitsAndBytesConfig`: The argument `quantization_config` of `from_pretrained`.

    Raises:
        InputError: no such quantization, or bitsandbytes is missing.
    """
    if quantization not in QUANTIZATIONS:
        hint = did_you_mean(quantization, QUANTIZATIONS)
        raise InputError(f"quantization {quantization!r} is not one of ours: {hint}")
    if find_spec("bitsandbytes") is None:
        raise InputError(
            f"{quantization} weights need the package bitsandbytes, which is not installed; run "
            "pip install 'hf-miwv-lmt[quantization]'"
        )
    if quantization == "8bit":
        logging.getLogger("bitsandbytes.autograd._functions").addFilter(_worth_saying)
        return BitsAndBytesConfig(load_in_8bit=True, llm_int8_threshold=0.0)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )


def quantization_of(model: Any) -> str | None:
    """Name how bitsandbytes keeps a model's weights.

    Args:
        model (`PreTrainedModel`): The loaded model.

    Returns:
        `str | None`: "4bit-nf4", "4bit-fp4" or "8bit"; None for weights that are not quantized.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        return f"4bit-{model.config.quantization_config.bnb_4bit_quant_type}"
    return "8bit" if getattr(model, "is_loaded_in_8bit", False) else None


def settle_quantization(model: Any, requested: str | None, source: str) -> None:
    """Check that a model has no other quantization than wanted, and keep 4-bit weights as they are.

    On some CPUs bitsandbytes repacks 4-bit weights in the first pass, and unpacks them, rounded,
    whenever the state dict is read: fingerprint and losses would drift. Batches of thousands of
    tokens are no slower without.

    Args:
        model (`PreTrainedModel`): The loaded model.
        requested (`str`, *optional*): "4bit" or "8bit"; None where none was asked for.
        source (`str`): The model's name, for the message.

    Raises:
        InputError: the checkpoint comes in another quantization.
    """
    existing = quantization_of(model)
    if requested is not None and not (existing or "").startswith(requested):
        raise InputError(
            f"model {source!r} comes quantized already ({existing}) and cannot be loaded in {requested}: "
            f"leave --load-in-{requested} out"
        )
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            # Repacking would change the weights under the fingerprint that was taken of them (see above).
            module.support_avx512bf16_for_cpu = False


def _worth_saying(record: logging.LogRecord) -> bool:
    """Drop the warning of each 8-bit layer, at each pass, that it casts its input to float16."""
    return "inputs will be cast" not in record.getMessage()
