"""Scored folders with made-up scores, written as `score` writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from sample_run import make_columns, make_scored_run

from hf_miwv.common.runs.folder import write_folder
from hf_miwv.common.runs.workspace import Workspace, workspace_of
from hf_miwv.results.scored_card import write_card
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.rows.schema import recognize


def write_scored(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    miwv: Sequence[float],
    tokens: Sequence[int] | None = None,
    columns: Mapping[str, str] | None = None,
) -> Path:
    """A folder with these rows and scores; a nan score is a row with an empty response."""
    made = make_columns(miwv, tokens)
    scores = {
        "row": made.row,
        "miwv": made.miwv,
        "loss_zero_shot": made.loss_zero_shot,
        "loss_one_shot": made.loss_one_shot,
        "neighbor": made.neighbor,
        "neighbor_similarity": made.neighbor_similarity.astype(np.float32),
        "response_tokens": made.response_tokens,
        "miwv_status": made.status,
        "miwv_flags": made.flags,
    }
    dataset = add_score_columns(Dataset.from_list([dict(row) for row in rows]), scores)
    shape = recognize(list(rows[0]), columns)
    run = make_scored_run(made)
    run["data"] |= {"shape": shape.name, "columns": dict(shape.columns)}
    run["identity"] = {"folder": str(folder)}
    with Workspace(workspace_of(folder)) as workspace:
        write_folder(folder, workspace, dataset, run, lambda part: write_card(run, [], part))
    return folder
