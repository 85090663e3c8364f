"""The stages of scoring that tasks share: embed, build an index, find neighbors, run the passes."""

from __future__ import annotations

import time
from typing import Any

from hf_miwv.common.executors.run_stages import Stage
from hf_miwv.common.executors.task_step import TaskStep
from hf_miwv.losses.pass_losses import score_share
from hf_miwv.neighbors.embedding import embed_share
from hf_miwv.pipeline.scoring_tasks import ScoringTasks, write_share


class EmbedShare(TaskStep[ScoringTasks]):
    """Embed the chunks of a task."""

    type = "✏️ - EMBEDDER"
    name = "embed"

    def _task(self, data: Any, rank: int) -> None:
        journey = self.work.journey(rank)
        with self.work.workspace(rank) as workspace:
            counts = embed_share(
                journey.table.rows, journey.embedder, journey.embedded_text, workspace, journey.processes, False
            )
            workspace.write_json("embedded.json", counts)
            workspace.leave()


class IndexShare(TaskStep[ScoringTasks]):
    """Build the graphs of a task."""

    type = "🕸️ - INDEX"
    name = "index"

    def _task(self, data: Any, rank: int) -> None:
        journey = self.work.journey(rank)
        with self.work.workspace(rank) as workspace:
            journey.build_index(workspace)
            workspace.leave()


class SearchShare(TaskStep[ScoringTasks]):
    """Search for the neighbors of the rows of a task, exactly or in the graphs of all tasks."""

    type = "🔎 - SEARCH"
    name = "neighbors"

    def _task(self, data: Any, rank: int) -> None:
        journey = self.work.journey(rank)
        with self.work.workspace(rank) as workspace:
            began = time.perf_counter()
            neighbors, cosines, report = journey.search_share(*journey.readable_vectors())
            workspace.write_array("share-rows.npy", neighbors)
            workspace.write_array("share-cosines.npy", cosines)
            workspace.write_json("share.json", {**report, "seconds": time.perf_counter() - began})
            workspace.leave()


class ScoreShare(TaskStep[ScoringTasks]):
    """Run the passes of a task: those that share tokens are in one task."""

    type = "⚖️ - SCORER"
    name = "score"

    def _task(self, data: Any, rank: int) -> None:
        journey = self.work.journey(rank)
        with self.work.workspace(rank) as workspace:
            for name, passes, trunks in journey.passes_by_method(workspace):
                forest = journey.forest(passes, trunks)
                journals = type(workspace)(workspace.folder / f"pass-{name}")  # each method has a journal of its own
                with journals:
                    share = score_share(
                        journey.model, forest, journals, journey.batch_tokens, journey.processes, False
                    )
                    journals.leave()
                write_share(workspace, name, share)
                self.stat_update("passes", value=len(share.passes))
            workspace.leave()


def stages_of(tasks: ScoringTasks, search: str) -> list[Stage]:
    """List the stages that tasks share, in their order.

    Args:
        tasks (`ScoringTasks`): What every task knows.
        search (`str`): How neighbors are searched, "exact" or "index"; only the latter builds an index.

    Returns:
        `list[Stage]`: The stages.
    """
    steps: dict[str, TaskStep[ScoringTasks]] = {
        "embed": EmbedShare(tasks),
        **({"index": IndexShare(tasks)} if search == "index" else {}),
        "neighbors": SearchShare(tasks),
        "score": ScoreShare(tasks),
    }
    return [Stage(name, [step], tasks.tasks, tasks.describe) for name, step in steps.items()]
