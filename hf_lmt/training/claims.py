"""Whose work lies beside the output: one's own is gone on with, another's is not thrown away."""

from __future__ import annotations

import shutil
from typing import Any

import xxhash
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.fingerprints import content_fingerprint, model_fingerprint, tokenizer_fingerprint
from hf_miwv.common.runs.workspace import Workspace, differing_names
from hf_miwv.common.trainer.checkpoints import MARK

READ = "read.json"
DERIVED_FILES = ("checkpoints", "tokens.arrow", "evaluation.arrow")


def claim_recipe(workspace: Workspace, identity: dict[str, Any], overwrite: bool) -> None:
    """Take the folder for a run of this recipe.

    Args:
        workspace (`Workspace`): The run's workspace.
        identity (`dict[str, Any]`): All that decides about the result, by name.
        overwrite (`bool`): Whether unfinished work of another run is thrown away.

    Raises:
        InputError: whole checkpoints of another recipe, launch or version are in it, which may have
            cost days; `overwrite` throws them away.
    """
    earlier = workspace.read_json("identity.json")
    if _trained(workspace) and earlier not in (None, identity) and not overwrite:
        raise InputError(
            f"{workspace.folder} holds unfinished training of another run (not the same: "
            f"{', '.join(differing_names(earlier, identity))}); give another output_dir, or "
            "--overwrite to begin anew"
        )
    workspace.claim(identity)


def claim_contents(workspace: Workspace, rows: Dataset, tokenizer: Any, model: Any, overwrite: bool) -> None:
    """Make sure that the rows and weights behind the recipe's names are those of the work so far.

    What was made of others is removed; of a model in shards, only what this process holds counts.

    Args:
        workspace (`Workspace`): The run's workspace.
        rows (`Dataset`): The rows to train on.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer, with its chat template.
        model (`PreTrainedModel`): The model, before training.
        overwrite (`bool`): Whether checkpoints that were made of others are thrown away.

    Raises:
        InputError: whole checkpoints were made of others, and not `overwrite`.
    """
    template = xxhash.xxh3_64_hexdigest((tokenizer.chat_template or "").encode())
    contents = {
        "rows": content_fingerprint(rows),
        "tokenizer": f"{tokenizer_fingerprint(tokenizer)} {template}",
        "weights": model_fingerprint(model),
    }
    earlier = workspace.read_json(READ)
    if earlier is not None and earlier != contents:
        if _trained(workspace) and not overwrite:
            raise InputError(
                f"{workspace.folder} holds checkpoints that were made of other "
                f"{' and '.join(differing_names(earlier, contents))} than are read now; give another "
                "output_dir, or --overwrite to begin anew"
            )
        for name in DERIVED_FILES:
            path = workspace.folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    workspace.write_json(READ, contents)


def _trained(workspace: Workspace) -> bool:
    return any(workspace.folder.glob(f"checkpoints/*/{MARK}"))
