"""Columns made of the losses behind neighbors: their spread, influence, and the gain by a target set."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.demonstrations import Passes, target_passes
from hf_miwv.scoring.further_losses import further_losses
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.neighbor_scores import example_influence, loss_spread, mean_loss


def several_neighbors_columns(
    journey: Journey, losses_one_shot: np.ndarray, is_run: np.ndarray, neighbors: np.ndarray
) -> dict[str, Any]:
    """Make the columns that K neighbors add: the losses behind each, and how far they lie apart.

    Args:
        journey (`Journey`): The run.
        losses_one_shot (`np.ndarray`): (N, K) losses behind each neighbor, nan where unknown.
        is_run (`np.ndarray`): (N, K) whether there was a pass.
        neighbors (`np.ndarray`): (N, K) the row of each neighbor, -1 for none.

    Returns:
        `dict[str, Any]`: The columns; none for one neighbor.
    """
    if journey.neighbor_count == 1:
        return {}
    lists = [neighbors.tolist(), losses_one_shot.tolist()]
    # As lists of the neighbors that a row has, with null for the loss of a pass that could not be run.
    pairs = [
        [(row, loss if np.isfinite(loss) else None) for row, loss in zip(*parts, strict=True) if row >= 0]
        for parts in zip(*lists, strict=True)
    ]
    return {
        "miwv_spread": loss_spread(losses_one_shot, is_run),
        "neighbors": [[row for row, _ in pair] for pair in pairs],
        "losses_one_shot": [[loss for _, loss in pair] for pair in pairs],
    }


def influence_columns(
    journey: Journey, gains: np.ndarray, status: list[str], neighbors: np.ndarray, cosines: np.ndarray
) -> dict[str, np.ndarray]:
    """Make the columns of the other end: what each row saves others as their worked example.

    Args:
        journey (`Journey`): The run.
        gains (`np.ndarray`): (N, K) nats per response token that each neighbor saves a row.
        status (`list[str]`): (N,) statuses of the rows.
        neighbors (`np.ndarray`): (N, K) the row of each neighbor, -1 for none.
        cosines (`np.ndarray`): (N, K) the neighbors' similarities.

    Returns:
        `dict[str, np.ndarray]`: The columns, (N,) each; none where nobody asks for them.
    """
    if not journey.adds_influence:
        return {}
    gains = np.where(np.array(status)[:, None] == "ok", gains, np.nan)
    return {
        "influence": example_influence(gains, neighbors),
        "influence_diverse": example_influence(gains, neighbors, (1 - cosines.astype(np.float64)) / 2),
    }


def target_gain_columns(
    journey: Journey, zero_shot: np.ndarray, neighbors: np.ndarray | None, passes: Passes, workspace: Workspace
) -> dict[str, Any]:
    """Run the rows behind the target set: L(y|x) - mean over its K nearest of L(y|x,C).

    Args:
        journey (`Journey`): The run.
        zero_shot (`np.ndarray`): (N,) losses of the rows alone.
        neighbors (`np.ndarray`, *optional*): (N, K) rows of the target set, -1 for none.
        passes (`Passes`): The passes of the run: the rows alone, and behind their neighbors.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `dict[str, Any]`: The columns; none without a target set.
    """
    if journey.target is None or neighbors is None:
        return {}
    behind, trunks = target_passes(
        passes, journey.table, journey.target.table, neighbors, journey.prompts, journey.max_length, journey.progress
    )
    losses, totals = further_losses(journey, "target", behind, trunks, workspace)
    del totals["row_tokens"]  # of rows alone, which are not run here
    journey.count("target", {**totals, "demonstrations_trimmed": len(behind.trimmed)})
    first, shape = len(behind.responses), neighbors.shape  # passes before `first` are those of rows alone
    losses_one_shot = losses[first : first + neighbors.size].reshape(shape)
    is_run = behind.lengths[first : first + neighbors.size].reshape(shape) > 0
    return {
        "target_gain": zero_shot - mean_loss(losses_one_shot, is_run),
        "target_neighbors": [[row for row in rows if row >= 0] for rows in neighbors.tolist()],
    }
