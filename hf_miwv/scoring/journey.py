"""One scoring run: its objects and counts, and the stages whose work many tasks can share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.rope import length_rule
from hf_miwv.common.progress import stage
from hf_miwv.common.reading.kinds import RowError
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes, build_passes, flag_duplicate_neighbors, response_passes
from hf_miwv.losses.forest import MANY_TREE_TOKENS, TREE_TOKENS, Forest, grow_forest
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.embedding import embed_rows
from hf_miwv.neighbors.exact import k_nearest_neighbors
from hf_miwv.neighbors.index import indexed_k_neighbors
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows
from hf_miwv.rows.examples import Example
from hf_miwv.rows.schema import Shape
from hf_miwv.scoring.rating_judge import RatingJudge
from hf_miwv.scoring.scorers import Scorer
from hf_miwv.scoring.target_set import TargetSet

TRAINER_MAX_LENGTH = 1024  # max_length of trl.SFTConfig (1.16) where nobody says otherwise


@dataclass
class Journey:
    """Hold one scoring run: the objects that it works on, and its counts so far."""

    dataset: Dataset
    shape: Shape
    table: TokenizedRows
    model: Any
    prompts: Prompts
    embedder: Embedder
    embed_text: str  # "rendered": x as the template writes it; "bare": instruction and input
    search: str  # for the neighbors: "exact" or "index"
    max_length: int
    batch_tokens: int
    neighbor_count: int = 1  # K: behind how many nearest rows a row is scored
    avoid_duplicates: bool = False  # the neighbor is to have another prompt than the row
    also: dict[str, list[int]] = field(default_factory=dict)  # method -> ids before y without x
    further: tuple[str, ...] = ()  # of FURTHER_COLUMNS: methods with stages of their own
    tokenizer: Any = None  # of the model, for the rating prompts
    scorers: Mapping[str, Scorer] = field(default_factory=dict)  # of Deita: complexity and quality
    rating: RatingJudge | None = None  # of AlpaGasus
    target: TargetSet | None = None  # rows of another set, behind which each row is scored, too
    adds_influence: bool = False  # what each row saves others as their worked example
    keep_embeddings: bool = False
    unreadable_rows: str = "refuse"  # or "flag": what became of rows that cannot be read
    trainer_max_length: int = TRAINER_MAX_LENGTH  # where the trainer will cut a row
    processes: Processes = field(default_factory=Processes)
    progress: bool = True
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    empty_demonstrations: int = 0  # scored rows whose neighbor has an empty response

    def embedded_text(self, example: Example) -> str:
        """Return the text of a row that is embedded; empty where it cannot be read.

        Args:
            example (`Example`): The row.

        Returns:
            `str`: The text.
        """
        if example.fault is not None:
            return ""
        if self.embed_text == "bare":
            return example.prompt_with_tools
        try:
            return self.prompts.prompt_text(example)
        except RowError:  # the template refuses it, which the tokenized rows know
            return ""

    def embed_prompts(self, workspace: Workspace) -> np.ndarray:
        """Embed the prompts.

        Args:
            workspace (`Workspace`): Holds the vectors of a run that was killed.

        Returns:
            `np.ndarray`: (N, D) unit vectors.
        """
        vectors, totals = embed_rows(
            self.table.rows, self.embedder, self.embedded_text, workspace, self.processes, self.progress
        )
        self.count("embed", totals)
        return vectors

    def readable_rows(self) -> np.ndarray:
        """Return the rows that take part in the search: an unreadable one may be nobody's neighbor either.

        Raises:
            InputError: fewer than two.
        """
        readable = np.setdiff1d(np.arange(len(self.table)), list(self.table.faults))
        if len(readable) < 2:
            raise InputError(
                f"only {len(readable)} of {len(self.table)} rows can be read, and a row is scored "
                "behind its nearest neighbor: mend the rows, so that two can"
            )
        return readable

    def search_neighbors(
        self, vectors: np.ndarray, prompts: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Search for the neighbors of all rows.

        The exact search is shared by the processes; the index is built by each for itself, so
        that all have the same.

        Args:
            vectors (`np.ndarray`): (R, D) unit vectors of the readable rows.
            prompts (`np.ndarray`): (R,) equal where rows have the same prompt.

        Returns:
            `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Neighbors, cosines, and the report of the search.
        """
        neighbors, cosines, report = self.search_share(vectors, prompts)
        if self.search == "index":
            return neighbors, cosines, report
        parts = self.processes.gather((neighbors, cosines))
        neighbors, cosines = (np.concatenate(column) for column in zip(*parts, strict=True))
        return neighbors, cosines, report

    def search_share(self, vectors: np.ndarray, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Search for the neighbors of this process's share of the rows, or by an index of all rows.

        Args:
            vectors (`np.ndarray`): (R, D) unit vectors of the readable rows.
            prompts (`np.ndarray`): (R,) equal where rows have the same prompt.

        Returns:
            `tuple[np.ndarray, np.ndarray, dict[str, Any]]`: Neighbors, cosines, and the report of the search.
        """
        groups = prompts if self.avoid_duplicates else None
        queries = self.rank_rows(len(vectors)) if self.search == "exact" else range(len(vectors))
        with stage("neighbors", "row", len(queries), show=self.progress) as bar:
            if self.search == "index":
                neighbors, cosines, report = indexed_k_neighbors(
                    vectors, self.neighbor_count, progress=bar.update, groups=groups
                )
                return neighbors, cosines, {"search": "index", **report}
            device = self.embedder.model.device
            neighbors, cosines = k_nearest_neighbors(
                vectors, self.neighbor_count, device=device, progress=bar.update, queries=queries, groups=groups
            )
        return neighbors, cosines, {"search": "exact"}

    def rank_rows(self, rows: int | None = None) -> range:
        """Deal the rows to the processes.

        Args:
            rows (`int`, *optional*): Number of rows, all by default.

        Returns:
            `range`: This process's share of them.
        """
        rows = len(self.table) if rows is None else rows
        share = -(-rows // self.processes.world)
        return range(rows)[self.processes.rank * share : (self.processes.rank + 1) * share]

    def passes(self, neighbors: np.ndarray) -> Passes:
        """Build the passes of all rows, alone and behind their (N, K) neighbors.

        Args:
            neighbors (`np.ndarray`): (N, K) the row of each neighbor, -1 for none.

        Returns:
            `Passes`: (1 + K) N passes.
        """
        passes = build_passes(self.table, neighbors, self.prompts, self.max_length, self.progress)
        if self.avoid_duplicates:
            flag_duplicate_neighbors(passes, neighbors, self.table.groups)
        return passes

    def method_passes(self, method: str, passes: Passes) -> Passes:
        """Build the passes of the same responses behind what a method puts before them.

        Args:
            method (`str`): Name of the method.
            passes (`Passes`): The passes.

        Returns:
            `Passes`: N passes.
        """
        return response_passes(passes, self.also[method], self.max_length)

    def forest(self, passes: Passes, neighbors: np.ndarray) -> Forest:
        """Grow the trees of all passes.

        Args:
            passes (`Passes`): The passes.
            neighbors (`np.ndarray`): (N, K) the row of each neighbor, -1 for none.

        Returns:
            `Forest`: The trees.
        """
        return grow_forest(
            passes,
            neighbors,
            # With K neighbors a row has K times as many branches: in trees of one size it would be run K times.
            tree_tokens=min(
                TREE_TOKENS if passes.neighbors == 1 else MANY_TREE_TOKENS, self.batch_tokens * passes.neighbors
            ),
            obstacle=branching_obstacle(self.model),
            rule=length_rule(self.model),
        )

    def compute_losses(
        self, passes: Passes, forest: Forest, workspace: Workspace, keeps_means: bool = False
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Run the model over all passes.

        Args:
            passes (`Passes`): P passes.
            forest (`Forest`): Their trees.
            workspace (`Workspace`): Holds the losses of a run that was killed.
            keeps_means (`bool`, *optional*, defaults to `False`): Also keep the mean hidden states of the rows alone.

        Returns:
            `tuple[np.ndarray, dict[str, Any]]`: (P,) losses in mean nats per response token, and the counts of the
            stage.
        """
        losses, totals = score_forest(
            self.model, forest, workspace, self.batch_tokens, self.processes, self.progress, keeps_means
        )
        return losses, self.loss_counts(passes, forest, totals)

    def loss_counts(self, passes: Passes, forest: Forest, totals: dict[str, float]) -> dict[str, Any]:
        """Return the counts of a stage of losses.

        Args:
            passes (`Passes`): The passes.
            forest (`Forest`): The units of P passes.
            totals (`dict[str, float]`): The sums of `score_forest`.

        Returns:
            `dict[str, Any]`: The counts.
        """
        row_tokens = int(passes.lengths[: len(self.table)].sum())
        return {"row_tokens": row_tokens, **totals, "reuse": dict(sorted(forest.reuse.items()))}

    def count(self, stage: str, totals: dict[str, Any], rows: int | None = None) -> None:
        """File the seconds and the counts of a stage for the record.

        Args:
            stage (`str`): Name of the stage.
            totals (`dict[str, Any]`): Its "seconds", and counts by name.
            rows (`int`, *optional*): Rows of the stage, all of the data set by default.
        """
        self.seconds[stage] = totals["seconds"]
        counts = {name: value for name, value in totals.items() if name != "seconds"}
        self.stages[stage] = {"rows": len(self.table) if rows is None else rows, **counts}
