"""An adapter put into the weights it was trained beside: plain safetensors for any program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError

SHARD = "5GB"  # the largest file


def merge_adapter(adapter: Path, source: str, output: Path, loading: dict[str, Any]) -> None:
    """Write W + (alpha / r) B A for every adapted weight to `output` as safetensors.

    The base is loaded whole and unquantized, on the CPU, in the dtype of its checkpoint. Beside
    4-bit weights (QLoRA) the adapter has learned to mend their rounding, too, and meets weights
    without it here: a small difference, which `hf-lmt evaluate` shows.

    Args:
        adapter (`Path`): Folder that peft wrote.
        source (`str`): The base model, as it was trained beside.
        output (`Path`): Folder to write to.
        loading (`dict[str, Any]`): "revision" and "trust_remote_code" of the base.

    Raises:
        InputError: the base is not there, or the adapter does not belong to it.
    """
    from peft import PeftModel

    from hf_miwv.common.models.models import load_model

    base = load_model(source, device="cpu", **loading).model
    try:
        merged = PeftModel.from_pretrained(base, str(adapter)).merge_and_unload()
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the adapter {adapter} does not belong to {source}: {error}") from error
    merged.save_pretrained(output, max_shard_size=SHARD)
