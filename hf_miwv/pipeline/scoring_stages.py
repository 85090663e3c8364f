"""The stages of scoring that tasks share: embed, find neighbors, run the passes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from datatrove.pipeline.base import PipelineStep

from hf_miwv.common.executors.run_stages import Stage
from hf_miwv.losses.pass_losses import score_share
from hf_miwv.neighbors.embedding import embed_share
from hf_miwv.pipeline.scoring_tasks import ScoringTasks, write_share


class EmbedShare(PipelineStep):
    """Embed the chunks of a task.

    Args:
        tasks (`ScoringTasks`): What every task of the run knows.
    """

    type = "✏️ - EMBEDDER"
    name = "embed"

    def __init__(self, tasks: ScoringTasks) -> None:
        super().__init__()
        self.tasks = tasks

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Write the vectors of task `rank`.

        Args:
            data (`Any`): What the step before yields.
            rank (`int`, *optional*, defaults to `0`): Number of the task.
            world_size (`int`, *optional*, defaults to `1`): Number of tasks.

        Yields:
            `Any`: Nothing; the results are files.
        """
        journey = self.tasks.journey(rank)
        with self.tasks.workspace(rank) as workspace:
            counts = embed_share(
                journey.table.rows, journey.embedder, journey.embedded_text, workspace, journey.processes, False
            )
            workspace.write_json("embedded.json", counts)
            workspace.leave()
        yield from ()


class SearchShare(PipelineStep):
    """Search for the neighbors of the rows of a task, exactly; by an index, task 0 searches for all.

    Args:
        tasks (`ScoringTasks`): What every task of the run knows.
    """

    type = "🔎 - SEARCH"
    name = "neighbors"

    def __init__(self, tasks: ScoringTasks) -> None:
        super().__init__()
        self.tasks = tasks

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Write neighbors and cosines of task `rank`.

        Args:
            data (`Any`): What the step before yields.
            rank (`int`, *optional*, defaults to `0`): Number of the task.
            world_size (`int`, *optional*, defaults to `1`): Number of tasks.

        Yields:
            `Any`: Nothing; the results are files.
        """
        journey = self.tasks.journey(rank)
        if journey.search == "index" and rank:
            return
        with self.tasks.workspace(rank) as workspace:
            began, readable = time.perf_counter(), journey.readable_rows()
            groups = np.array(journey.table.groups)[readable]
            neighbors, cosines, report = journey.search_share(journey.vectors()[readable], groups)
            workspace.write_array("share-rows.npy", neighbors)
            workspace.write_array("share-cosines.npy", cosines)
            workspace.write_json("share.json", {**report, "seconds": time.perf_counter() - began})
            workspace.leave()
        yield from ()


class ScoreShare(PipelineStep):
    """Run the passes of a task: those that share tokens are in one task.

    Args:
        tasks (`ScoringTasks`): What every task of the run knows.
    """

    type = "⚖️ - SCORER"
    name = "score"

    def __init__(self, tasks: ScoringTasks) -> None:
        super().__init__()
        self.tasks = tasks

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Write the losses of task `rank`.

        Args:
            data (`Any`): What the step before yields.
            rank (`int`, *optional*, defaults to `0`): Number of the task.
            world_size (`int`, *optional*, defaults to `1`): Number of tasks.

        Yields:
            `Any`: Nothing; the results are files.
        """
        journey = self.tasks.journey(rank)
        with self.tasks.workspace(rank) as workspace:
            for name, (passes, neighbors) in journey.passes_by_method(workspace).items():
                forest = journey.forest(passes, neighbors)
                journals = type(workspace)(workspace.folder / f"pass-{name}")  # each method has a journal of its own
                with journals:
                    share = score_share(
                        journey.model, forest, journals, journey.batch_tokens, journey.processes, False
                    )
                    journals.leave()
                write_share(workspace, name, share)
                self.stat_update("passes", value=len(share.passes))
            workspace.leave()
        yield from ()


def stages_of(tasks: ScoringTasks) -> list[Stage]:
    """List the stages that tasks share, in their order.

    Args:
        tasks (`ScoringTasks`): What every task knows.

    Returns:
        `list[Stage]`: The stages.
    """
    steps: dict[str, PipelineStep] = {
        "embed": EmbedShare(tasks),
        "neighbors": SearchShare(tasks),
        "score": ScoreShare(tasks),
    }
    return [Stage(name, [step], tasks.tasks, tasks.describe) for name, step in steps.items()]
