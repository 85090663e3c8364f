"""The line at the end of `prepare`: how TRL's own command trains on the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_lmt.data.prepare.prompt_check import KEY
from hf_miwv.common.recipes.packages import locate
from hf_miwv.common.trainer.trl_command import trl_sft_command

# Of a recipe without a training half: the smallest base model of the paper. Its chat template ends a turn
# otherwise than its tokenizer ends a text.
BASE = {KEY: "Qwen/Qwen3-0.6B-Base", "eos_token": "<|im_end|>"}
# What decides which tokens a row becomes; all else is a matter of the training, and TRL's defaults serve.
TOKENS = ("model_revision", "eos_token", "chat_template_path", "max_length", "packing")


def trl_line(rows: Path, training: Mapping[str, Any]) -> str | None:
    """Write the `trl sft` line that trains on prepared rows.

    Args:
        rows (`Path`): The folder that `prepare` wrote.
        training (`Mapping[str, Any]`): The keys of the recipe that are TRL's.

    Returns:
        `str | None`: One line, with the recipe's model, or Qwen3-0.6B-Base where it names none; None where
        the model is a GGUF file.
    """
    settings = training if training.get(KEY) else {**BASE, **training}
    return trl_sft_command(locate(settings[KEY]), rows, {name: settings.get(name) for name in TOKENS})
