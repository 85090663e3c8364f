"""A scoring run in tasks: what each knows, and the journey that reads what the others have finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from hf_miwv.common.executors.same_code import check_task
from hf_miwv.common.reading.reading import read_dataset
from hf_miwv.common.reading.source import Source
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.forest import Forest
from hf_miwv.losses.pass_losses import Share, merged_losses
from hf_miwv.neighbors.embedding import merged_totals, shared_vectors
from hf_miwv.neighbors.index_share import build_index_share, search_index_share
from hf_miwv.rows.columns import check_columns
from hf_miwv.rows.schema import NUGGETS, recognize
from hf_miwv.scoring.anchor_scores import anchor_passes
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.make_journey import make_journey
from hf_miwv.scoring.method_columns import nuggets_anchors, selectit_prompts
from hf_miwv.scoring.neighbor_search import find_neighbors
from hf_miwv.scoring.self_ratings import rating_passes

PLAN = "plan.json"


@dataclass(frozen=True)
class ScoringTasks:
    """Hold what every task of a scoring run knows.

    Args:
        source (`Source`): The rows.
        model (`str`): The causal language model.
        settings (`Mapping[str, Any]`): As `make_journey` takes them.
        columns (`Mapping[str, str]`, *optional*): As in `score`.
        overwrite_columns (`bool`): Replace columns of the rows that have the names of ours.
        origin (`Mapping[str, Any]`): Where the rows come from.
        day (`date`, *optional*): The date for a chat template that prints it.
        folder (`Path`): The work folder.
        tasks (`int`): Tasks of a stage.
        code (`str`): The code of the run.
    """

    source: Source
    model: str
    settings: Mapping[str, Any]
    columns: Mapping[str, str] | None
    overwrite_columns: bool
    origin: Mapping[str, Any]
    day: date | None
    folder: Path
    tasks: int
    code: str

    def check(self) -> None:
        """Check that this task runs the code of the plan, on the disk of the plan.

        Raises:
            InputError: Another version of the code, or the work folder is not there.
        """
        check_task(self.folder / PLAN, self.code)

    def journey(self, rank: int) -> TaskJourney:
        """Load models and rows for a task.

        Args:
            rank (`int`): Number of the task.

        Returns:
            `TaskJourney`: The journey of this task.
        """
        dataset = check_columns(read_dataset(self.source), self.overwrite_columns)
        day = self.day
        shape = recognize(dataset.column_names, self.columns, dataset[0])
        journey, _ = make_journey(
            dataset,
            shape,
            self.model,
            None,
            self.settings,
            origin=self.origin,
            today=lambda _: day,
            processes=Processes(rank, self.tasks),
            progress=False,
        )
        return TaskJourney.of(journey, self)

    def workspace(self, rank: int) -> Workspace:
        """Open the workspace of a task.

        Args:
            rank (`int`): Number of the task.

        Returns:
            `Workspace`: The workspace, locked.
        """
        return Workspace(self.folder / Processes(rank, self.tasks).name(), self.folder)

    def finished(self) -> list[Workspace]:
        """Open the workspaces of all tasks, to read what is finished in them.

        Returns:
            `list[Workspace]`: The workspaces, by rank.
        """
        names = [Processes(rank, self.tasks).name() for rank in range(self.tasks)]
        return [Workspace.reader(self.folder / name) for name in names]

    def describe(self, rank: int) -> str:
        """Say which share of the work a task has.

        Args:
            rank (`int`): Number of the task.

        Returns:
            `str`: The words.
        """
        return f"share {rank + 1} of {self.tasks} of {self.source}"


@dataclass
class TaskJourney(Journey):
    """Take the results of all tasks where a `Journey` would compute or gather them."""

    tasks: ScoringTasks | None = None

    @classmethod
    def of(cls, journey: Journey, tasks: ScoringTasks) -> TaskJourney:
        """Make it of a journey of the same rows and models.

        Args:
            journey (`Journey`): The run of one process.
            tasks (`ScoringTasks`): What every task of the run knows.

        Returns:
            `TaskJourney`: The journey.
        """
        return cls(**{field.name: getattr(journey, field.name) for field in fields(journey)}, tasks=tasks)

    @property
    def parts(self) -> list[Workspace]:
        """Return the workspaces of all tasks."""
        if self.tasks is None:
            raise ValueError("a journey of no tasks")
        return self.tasks.finished()

    def vectors(self) -> np.ndarray:
        """Read the (N, D) vectors of all rows.

        Returns:
            `np.ndarray`: The vectors.
        """
        return shared_vectors(len(self.table), self.parts)

    def readable_vectors(self) -> tuple[np.ndarray, np.ndarray]:
        """Read the vectors of the rows that take part in the search.

        Returns:
            `tuple[np.ndarray, np.ndarray]`: (R, D) vectors, and (R,) integers, equal where rows have the same prompt.
        """
        vectors, groups = self.vectors(), np.array(self.table.groups)
        if not self.table.faults:
            return vectors, groups
        readable = self.readable_rows()
        return vectors[readable], groups[readable]

    def build_index(self, workspace: Workspace) -> None:
        """Build the graphs of this task.

        Args:
            workspace (`Workspace`): The workspace of this task, in which they stay.
        """
        vectors, prompts = self.readable_vectors()
        groups = prompts if self.avoid_duplicates else None
        counts = build_index_share(vectors, self.neighbor_count, groups, workspace, self.processes)
        workspace.write_json("graphs.json", counts)

    def passes_by_method(self, workspace: Workspace) -> Iterator[tuple[str, Passes, np.ndarray]]:
        """Build all passes that are to be run, those of one method at a time.

        Args:
            workspace (`Workspace`): The workspace of this task.

        Yields:
            `tuple[str, Passes, np.ndarray]`: The name that their losses are filed under, the passes, and the rows
            that they may go on from.
        """
        vectors = self.vectors()
        neighbors, _ = find_neighbors(self, vectors, workspace)
        anchors = nuggets_anchors(self, vectors) if NUGGETS in self.further else None
        del vectors
        passes = self.passes(neighbors)
        yield "losses", passes, neighbors
        for name in self.also:
            yield name, self.method_passes(name, passes), np.arange(len(self.table))
        for name, prompt in selectit_prompts(self).items():
            rated = rating_passes(self.table.rows, prompt, self.tokenizer, self.max_length)
            yield name, rated, rated.trunk_numbers()
        if anchors is not None:
            behind = anchor_passes(passes, self.table, anchors, self.prompts, self.max_length)
            yield NUGGETS, behind, behind.trunk_numbers()

    def embed_prompts(self, workspace: Workspace) -> np.ndarray:
        """Read the vectors that the tasks have made.

        Args:
            workspace (`Workspace`): Not used: the vectors are in those of the tasks.

        Returns:
            `np.ndarray`: (N, D) unit vectors.
        """
        self.count("embed", merged_totals([_counts(part, "embedded.json") for part in self.parts]))
        return self.vectors()

    def search_share(self, vectors: np.ndarray, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Search for the neighbors of this task's share of the rows, exactly, or in the graphs of all tasks.

        Args:
            vectors (`np.ndarray`): (R, D) unit vectors of the readable rows.
            prompts (`np.ndarray`): (R,) equal where rows have the same prompt.

        Returns:
            `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Neighbors, cosines, and the report of the search.
        """
        if self.search == "exact":
            return super().search_share(vectors, prompts)
        neighbors, cosines, report = search_index_share(
            vectors,
            self.neighbor_count,
            prompts if self.avoid_duplicates else None,
            self.rank_rows(len(vectors)),
            self.parts,
            _counts(self.parts[0], "graphs.json")["graphs"],
        )
        return neighbors, cosines, {"search": "index", **report}

    def search_neighbors(
        self, vectors: np.ndarray, prompts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Join the neighbors that the tasks have found, each for its share of the rows.

        Args:
            vectors (`np.ndarray`): Not used: the search is done.
            prompts (`np.ndarray`): Not used.

        Returns:
            `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Neighbors, cosines, and the report of the search.
        """
        counts = [_counts(part, "share.json") for part in self.parts]
        neighbors, cosines = (
            np.concatenate([part.read_array(f"share-{name}.npy") for part in self.parts])
            for name in ("rows", "cosines")
        )
        seconds = max(count["seconds"] for count in counts)
        if self.search == "index":
            seconds += max(_counts(part, "graphs.json")["seconds"] for part in self.parts)
        return neighbors, cosines, {**counts[0], "seconds": seconds}

    def compute_losses(
        self, passes: Passes, forest: Forest, workspace: Workspace, keeps_means: bool = False
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Join the losses that the tasks have computed.

        Args:
            passes (`Passes`): P passes.
            forest (`Forest`): Their trees.
            workspace (`Workspace`): That of the stage, which bears its name.
            keeps_means (`bool`, *optional*, defaults to `False`): Not used: tasks keep no hidden states.

        Returns:
            `tuple[np.ndarray, dict[str, Any]]`: (P,) losses in mean nats per response token, and the counts of the
            stage.
        """
        # The workspace of a method of its own bears the method's name.
        methods = (*self.also, *selectit_prompts(self), NUGGETS)
        name = workspace.folder.name if workspace.folder.name in methods else "losses"
        losses, totals = merged_losses([_share(part, name) for part in self.parts], len(passes.lengths))
        return losses, self.loss_counts(passes, forest, totals)


def write_share(workspace: Workspace, name: str, share: Share) -> None:
    """Write the losses that a task has computed; the counts last, which say that they are whole.

    Args:
        workspace (`Workspace`): The workspace of this task.
        name (`str`): Name of the file, without its ending.
        share (`Share`): The losses.
    """
    workspace.write_array(f"{name}-passes.npy", np.array(share.passes, np.int64))
    workspace.write_array(f"{name}-values.npy", np.array(share.losses, np.float64))
    workspace.write_json(f"{name}-totals.json", share.totals)


def _counts(workspace: Workspace, name: str) -> dict[str, Any]:
    counts: dict[str, Any] | None = workspace.read_json(name)
    if counts is None:
        raise ValueError(f"{workspace.folder}: has no {name}")
    return counts


def _share(workspace: Workspace, name: str) -> Share:
    passes, values = (workspace.read_array(f"{name}-{part}.npy") for part in ("passes", "values"))
    if passes is None or values is None:
        raise ValueError(f"{workspace.folder}: has no {name}")
    return Share(passes.tolist(), values.tolist(), _counts(workspace, f"{name}-totals.json"))
