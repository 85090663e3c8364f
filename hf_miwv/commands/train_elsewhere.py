"""The line at the end of `select`: how TRL's own command trains on the chosen rows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.errors import InputError
from hf_miwv.common.recipes.packages import program
from hf_miwv.common.trainer.trl_command import trl_sft_command
from hf_miwv.results.methods import RANDOM_LABELS
from hf_miwv.results.scored_record import ScoredRecord
from hf_miwv.rows.schema import Shape
from hf_miwv.selection.prompt_completion import is_prompt_completion, text_template

TRL_MAX_LENGTH = 1024  # tokens: the default of trl.SFTConfig


def train_elsewhere(row: Mapping[str, Any], run: ScoredRecord, chosen: Path) -> str | None:
    """Write the line that trains the scored model on the chosen rows by `trl sft`.

    Rows that are not prompt and completion yet are written so first, by the same line.

    Args:
        row (`Mapping[str, Any]`): One of the rows.
        run (`ScoredRecord`): run.json of the selection.
        chosen (`Path`): Its folder.

    Returns:
        `str | None`: A sentence and the line, or why there is none; None where the scored model is not known.
    """
    if not run.get("model") or not run.get("data"):
        return None
    model, trainer = run["model"], (run.get("scored_run") or {}).get("trainer") or {}
    if model["source"] is None:
        return None
    length = trainer.get("max_length", TRL_MAX_LENGTH)
    options = {
        "model_revision": model.get("revision"),
        "max_length": None if length == TRL_MAX_LENGTH else length,
    }
    ready = is_prompt_completion(row, Shape(run["data"]["shape"], run["data"]["columns"]))
    rows = chosen if ready else chosen.with_name(f"{chosen.name}-for-trl")
    line = trl_sft_command(model["source"], rows, options)
    if line is None:
        return "TRL does not train GGUF weights; hf-miwv train tunes the scored model on its chosen rows by a recipe"
    if ready:
        return f"train on these rows with TRL:\n  {line}"
    try:
        text_template(run["template"])
    except InputError as error:
        return f"no line for TRL: {error}"
    words = ["select", chosen, "--fraction", 1, "--method", run["selection"]["method"]]
    words += ["--seed", run["selection"]["seed"]] if run["selection"]["method"] in RANDOM_LABELS else []
    words += ["--like", run["selection"]["like"]] if run["selection"].get("like") else []
    words += ["--include-undesired"] if run["selection"].get("include_undesired") else []
    words += ["--include-target-rows"] if run["selection"].get("include_target_rows") else []
    words += ["--prompt-completion", "--output", rows]
    rewrite = f"{program('hf-miwv')} {shlex.join(map(str, words))}"
    return f"train on these rows with TRL, written as prompt and completion first:\n  {rewrite} && {line}"
