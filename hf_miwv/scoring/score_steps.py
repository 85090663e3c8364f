"""The journey in order: rows -> tokens -> vectors -> neighbors -> losses -> MIWV."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.rows.schema import ALSO_COLUMNS, EMBEDDING_COLUMN, KCENTER, NUGGETS
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.method_columns import (
    alpagasus_columns,
    deita_columns,
    kcenter_columns,
    losses_without_prompt,
    nuggets_anchors,
    nuggets_columns,
    selectit_columns,
)
from hf_miwv.scoring.neighbor_columns import influence_columns, several_neighbors_columns, target_gain_columns
from hf_miwv.scoring.neighbor_scores import mean_loss
from hf_miwv.scoring.neighbor_search import find_neighbors, find_target_neighbors


def run_journey(journey: Journey, workspace: Workspace) -> Dataset:
    """Compute MIWV = L(y|x,C) - L(y|x) of every row (arXiv 2511.07074), as columns of the data set.

    Both losses are mean nats per response token, C is the row's nearest neighbor; of K neighbors
    L(y|x,C) is the mean over the K losses behind one each (ours). Rows that cannot be scored keep
    their position, with a status that says why and no number.

    Args:
        journey (`Journey`): The run.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `Dataset`: The rows with their scores.

    Raises:
        InputError: no row can be scored.
    """
    vectors = journey.embed_prompts(workspace)
    neighbors, cosines = find_neighbors(journey, vectors, workspace)
    target_neighbors = (
        None if journey.target is None else find_target_neighbors(journey, journey.target, vectors, workspace)
    )
    anchors = nuggets_anchors(journey, vectors) if NUGGETS in journey.further else np.empty(0, dtype=np.int64)
    kept_vectors = vectors if journey.keep_embeddings else None
    del vectors  # up to 4 KB a row that the passes do not need
    passes = journey.passes(neighbors)
    if journey.target is not None:
        for row in np.flatnonzero(journey.target.in_target).tolist():
            passes.flags[row].append("in_target")
    forest = journey.forest(passes, neighbors)
    losses, totals = journey.compute_losses(passes, forest, workspace, keeps_means=KCENTER in journey.further)
    journey.count("score", totals)
    # Passes 0 to N - 1 are the rows alone, those from N on the same rows behind their neighbors (see Passes).
    rows = len(journey.table)
    losses = np.where(np.isfinite(losses), losses, np.nan)
    zero_shot, losses_one_shot = losses[:rows], losses[rows:].reshape(rows, -1)
    is_run = passes.lengths[rows:].reshape(rows, -1) > 0
    one_shot = mean_loss(losses_one_shot, is_run)
    status = _final_status(passes, np.stack([zero_shot, one_shot]))
    if "ok" not in status:
        counts = {name: status.count(name) for name in sorted(set(status))}
        raise InputError(f"none of the {len(status)} rows could be scored: {counts}")
    columns = {
        "row": np.arange(len(status)),
        "miwv": one_shot - zero_shot,
        "loss_zero_shot": zero_shot,
        "loss_one_shot": one_shot,
        "neighbor": [None if neighbor < 0 else neighbor for neighbor in neighbors[:, 0].tolist()],
        "neighbor_similarity": cosines[:, 0],
        "response_tokens": passes.responses.lengths,
        "miwv_status": status,
        "miwv_flags": passes.flags,
        **several_neighbors_columns(journey, losses_one_shot, is_run, neighbors),
        **influence_columns(journey, zero_shot[:, None] - losses_one_shot, status, neighbors, cosines),
        **target_gain_columns(journey, zero_shot, target_neighbors, passes, workspace),
        **{ALSO_COLUMNS[name]: losses_without_prompt(journey, name, passes, workspace) for name in journey.also},
        **kcenter_columns(journey, forest, status, workspace),
        **selectit_columns(journey, workspace),
        **nuggets_columns(journey, anchors, zero_shot, passes, workspace),
        **deita_columns(journey, status, passes.flags, workspace),
        **alpagasus_columns(journey, status, passes.flags, workspace),
        **({} if kept_vectors is None else {EMBEDDING_COLUMN: kept_vectors}),
    }
    journey.empty_demonstrations = sum(
        state == "ok" and any(journey.table.empty[neighbor] for neighbor in row_neighbors if neighbor >= 0)
        for row_neighbors, state in zip(neighbors.tolist(), status, strict=True)
    )
    return add_score_columns(journey.dataset, columns)


def _final_status(passes: Passes, losses: np.ndarray) -> list[str]:
    """Return (N,) statuses, `not_finite` where one of the (2, N) losses of a row with passes is not."""
    finite = np.isfinite(losses).all(axis=0)
    return ["not_finite" if state == "ok" and not finite[row] else state for row, state in enumerate(passes.status)]
