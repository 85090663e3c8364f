"""The line that trains on a folder of rows with TRL's own command."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import which

import torch


def trl_sft_command(model: str, rows: Path, options: Mapping[str, object] | None = None) -> str | None:
    """Write the `trl sft` line for a folder of rows, quoted for a shell.

    The folder is opened by `datasets.load_dataset`: its only configuration, and the split "train", are
    TRL's defaults. Where there is no accelerator, the line says so, because TRL refuses to guess it.

    Args:
        model (`str`): Hub id or folder.
        rows (`Path`): The folder; the trained model goes beside it, into ROWS-trained.
        options (`Mapping[str, object]`, *optional*): Further arguments of `trl.SFTConfig` and
            `trl.ModelConfig`; those that are None are left out.

    Returns:
        `str | None`: One line; None where the model is a GGUF file, which TRL does not train.
    """
    location = Path(model).expanduser()
    if location.suffix == ".gguf" or (any(location.glob("*.gguf")) and not any(location.glob("*.safetensors"))):
        return None
    beside_python = Path(sys.executable).with_name("trl")
    trl = str(beside_python) if which("trl") is None and beside_python.exists() else "trl"
    words = [trl, "sft", "--model_name_or_path", model, "--dataset_name", str(rows)]
    for name, value in (options or {}).items():
        words += [] if value is None else [f"--{name}", str(value)]
    if not torch.accelerator.is_available():
        words += ["--use_cpu", "--bf16", "False"]
    return shlex.join([*words, "--output_dir", f"{rows}-trained"])
