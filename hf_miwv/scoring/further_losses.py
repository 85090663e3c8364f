"""The losses of passes beside those of MIWV, as a stage of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.scoring.journey import Journey


def further_losses(
    journey: Journey, name: str, passes: Passes, trunks: np.ndarray, workspace: Workspace
) -> tuple[np.ndarray, dict[str, Any]]:
    """Run the model over further passes, with a journal of their own inside the workspace.

    Args:
        journey (`Journey`): The run.
        name (`str`): Name of the stage, and of its files.
        passes (`Passes`): P passes.
        trunks (`np.ndarray`): The row of each pass that it may go on from, as `grow_forest` takes them.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `tuple[np.ndarray, dict[str, Any]]`: (P,) losses in mean nats per response token, nan where unknown, and the
        counts of the stage.
    """
    losses = workspace.read_array(f"{name}.npy")
    totals = workspace.read_json(f"{name}.json")
    ready = all(journey.processes.gather(losses is not None and totals is not None))
    if losses is None or totals is None or not ready:  # all score, or none: as the search
        with Workspace(workspace.folder / name) as stage_workspace:
            losses, totals = journey.compute_losses(passes, journey.forest(passes, trunks), stage_workspace)
            workspace.write_array(f"{name}.npy", losses)
            workspace.write_json(f"{name}.json", totals)
    return np.where(np.isfinite(losses), losses, np.nan), totals
