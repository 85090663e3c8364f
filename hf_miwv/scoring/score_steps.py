"""The journey in order: rows -> tokens -> vectors -> neighbors -> losses -> MIWV."""

from __future__ import annotations

import time
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
from hf_miwv.losses.demonstrations import (
    Passes,
    build_passes,
    flag_duplicate_neighbors,
    response_passes,
    target_passes,
)
from hf_miwv.losses.forest import MANY_TREE_TOKENS, TREE_TOKENS, Forest, grow_forest
from hf_miwv.losses.pass_losses import read_means, score_forest
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.neighbors.embedding import embed_rows
from hf_miwv.neighbors.exact import k_nearest_neighbors, k_nearest_of_set
from hf_miwv.neighbors.farthest_first import group_centers
from hf_miwv.neighbors.index import indexed_k_neighbors
from hf_miwv.prompts.choose_prompts import Prompts
from hf_miwv.prompts.tokenization import TokenizedRows
from hf_miwv.results.methods import row_keys
from hf_miwv.rows.columns import add_score_columns
from hf_miwv.rows.examples import Example
from hf_miwv.rows.schema import (
    ALSO_COLUMNS,
    EMBEDDING_COLUMN,
    KCENTER,
    NUGGETS,
    SELECTIT,
    SELECTIT_SENTENCE,
    Shape,
)
from hf_miwv.scoring.anchor_scores import ANCHORS, anchor_passes, helped_anchors
from hf_miwv.scoring.center_order import kcenter_order
from hf_miwv.scoring.neighbor_scores import example_influence, loss_spread, mean_loss
from hf_miwv.scoring.self_ratings import RATING_PROMPTS, rating_passes, sentence_ratings, token_ratings
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

    def run(self, workspace: Workspace) -> Dataset:
        """Compute MIWV = L(y|x,C) - L(y|x) of every row (arXiv 2511.07074), as columns of the data set.

        Both losses are mean nats per response token, C is the row's nearest neighbor; of K neighbors
        L(y|x,C) is the mean over the K losses behind one each (ours). Rows that cannot be scored keep
        their position, with a status that says why and no number.

        Args:
            workspace (`Workspace`): Holds the finished parts of a run that was killed.

        Returns:
            `Dataset`: The rows with their scores.

        Raises:
            InputError: no row can be scored.
        """
        vectors = self._embed(workspace)
        neighbors, cosines = self._neighbors(vectors, workspace)
        target_neighbors = None if self.target is None else self._target_neighbors(self.target, vectors, workspace)
        anchors = self._anchors(vectors) if NUGGETS in self.further else np.empty(0, dtype=np.int64)
        kept_vectors = vectors if self.keep_embeddings else None
        del vectors  # up to 4 KB a row that the passes do not need
        passes = self.passes(neighbors)
        if self.target is not None:
            for row in np.flatnonzero(self.target.in_target).tolist():
                passes.flags[row].append("in_target")
        forest = self.forest(passes, neighbors)
        losses, totals = self._losses(passes, forest, workspace, keeps_means=KCENTER in self.further)
        self._count("score", totals)
        # Passes 0 to N - 1 are the rows alone, those from N on the same rows behind their neighbors (see Passes).
        rows = len(self.table)
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
            **self._over_neighbors(losses_one_shot, is_run, neighbors),
            **self._influence(zero_shot[:, None] - losses_one_shot, status, neighbors, cosines),
            **self._target_gain(zero_shot, target_neighbors, passes, workspace),
            **{ALSO_COLUMNS[name]: self._also(name, passes, workspace) for name in self.also},
            **self._kcenter(forest, status, workspace),
            **self._ratings(workspace),
            **self._nuggets(anchors, zero_shot, passes, workspace),
            **({} if kept_vectors is None else {EMBEDDING_COLUMN: kept_vectors}),
        }
        self.empty_demonstrations = sum(
            state == "ok" and any(self.table.empty[neighbor] for neighbor in row_neighbors if neighbor >= 0)
            for row_neighbors, state in zip(neighbors.tolist(), status, strict=True)
        )
        return add_score_columns(self.dataset, columns)

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

    def _embed(self, workspace: Workspace) -> np.ndarray:
        """Return the (N, D) vectors of the prompts."""
        vectors, totals = embed_rows(
            self.table.rows, self.embedder, self.embedded_text, workspace, self.processes, self.progress
        )
        self._count("embed", totals)
        return vectors

    def _neighbors(self, vectors: np.ndarray, workspace: Workspace) -> tuple[np.ndarray, np.ndarray]:
        """Return (N, K) nearest neighbors and their cosines.

        They come from the workspace where an earlier run has left them.
        """
        saved = _saved_search(workspace)
        ready = all(self.processes.gather(saved is not None))
        if saved is None or not ready:  # all search, or none: they do it together
            began = time.perf_counter()
            neighbors, cosines, counts = self._search_readable(vectors)
            saved = neighbors, cosines, {"seconds": time.perf_counter() - began, **counts}
            # The counts last: `_saved_search` takes the three files only together.
            workspace.write_array("neighbors.npy", neighbors)
            workspace.write_array("cosines.npy", cosines)
            workspace.write_json("search.json", saved[2])
        self._count("neighbors", saved[2])
        neighbors, cosines, _ = saved
        return neighbors, cosines

    def _target_neighbors(self, target: TargetSet, vectors: np.ndarray, workspace: Workspace) -> np.ndarray:
        """Return (N, K) the nearest examples of the target set with another prompt than the row, -1 for none."""
        neighbors, counts = workspace.read_array("target_neighbors.npy"), workspace.read_json("target_search.json")
        ready = all(self.processes.gather(neighbors is not None and counts is not None))
        if neighbors is None or counts is None or not ready:  # all search, or none: they do it together
            with Workspace(workspace.folder / "target_embeddings") as target_workspace:
                target_vectors, counts = embed_rows(
                    *(target.table.rows, self.embedder, self.embedded_text, target_workspace),
                    *(self.processes, self.progress),
                )
                nearest, _ = k_nearest_of_set(
                    vectors,
                    target_vectors[target.examples],
                    self.neighbor_count,
                    groups=target.groups,
                    set_groups=target.target_groups[target.examples],
                    device=self.embedder.model.device,
                    queries=self._rank_rows(),
                )
                nearest = np.concatenate(self.processes.gather(nearest))
                neighbors = np.where(nearest < 0, -1, target.examples[nearest])
                workspace.write_array("target_neighbors.npy", neighbors)
                workspace.write_json("target_search.json", counts)
        self._count("embed_target", counts, rows=len(target.table))
        return neighbors

    def _target_gain(
        self, zero_shot: np.ndarray, neighbors: np.ndarray | None, passes: Passes, workspace: Workspace
    ) -> dict[str, Any]:
        """Return the columns of the target set: L(y|x) - mean over its K nearest of L(y|x,C)."""
        if self.target is None or neighbors is None:
            return {}
        behind, trunks = target_passes(
            passes, self.table, self.target.table, neighbors, self.prompts, self.max_length, self.progress
        )
        losses, totals = self._further_losses("target", behind, trunks, workspace)
        del totals["row_tokens"]  # of rows alone, which are not run here
        self._count("target", {**totals, "demonstrations_trimmed": len(behind.trimmed)})
        first, shape = len(behind.responses), neighbors.shape  # passes before `first` are those of rows alone
        losses_one_shot = losses[first : first + neighbors.size].reshape(shape)
        is_run = behind.lengths[first : first + neighbors.size].reshape(shape) > 0
        return {
            "target_gain": zero_shot - mean_loss(losses_one_shot, is_run),
            "target_neighbors": [[row for row in rows if row >= 0] for rows in neighbors.tolist()],
        }

    def _over_neighbors(
        self, losses_one_shot: np.ndarray, is_run: np.ndarray, neighbors: np.ndarray
    ) -> dict[str, Any]:
        """Return what K neighbors add to the columns: the losses behind each, and how far they lie apart."""
        if self.neighbor_count == 1:
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

    def _influence(
        self, gains: np.ndarray, status: list[str], neighbors: np.ndarray, cosines: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Return the columns of the other end: (N,) each, from the (N, K) nats that the examples save."""
        if not self.adds_influence:
            return {}
        gains = np.where(np.array(status)[:, None] == "ok", gains, np.nan)
        return {
            "influence": example_influence(gains, neighbors),
            "influence_diverse": example_influence(gains, neighbors, (1 - cosines.astype(np.float64)) / 2),
        }

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

    def _search_readable(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Search among the rows that can be read; the others have no neighbor (-1, nan)."""
        groups = np.array(self.table.groups)
        if not self.table.faults:
            return self._search(vectors, groups)
        readable = self.readable_rows()
        nearest, similarity, counts = self._search(vectors[readable], groups[readable])
        shape = len(vectors), self.neighbor_count
        neighbors, cosines = np.full(shape, -1), np.full(shape, np.nan, np.float32)
        neighbors[readable], cosines[readable] = np.where(nearest < 0, -1, readable[nearest]), similarity
        return neighbors, cosines, counts

    def _search(self, vectors: np.ndarray, prompts: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """Return neighbors, cosines and the report of the search; `prompts` by their groups.

        The exact search is shared by the processes; the index is built by each for itself, so
        that all have the same.
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
        queries = self._rank_rows(len(vectors)) if self.search == "exact" else range(len(vectors))
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

    def _rank_rows(self, rows: int | None = None) -> range:
        """Return this process's share of the rows, of all by default."""
        rows = len(self.table) if rows is None else rows
        share = -(-rows // self.processes.world)
        return range(rows)[self.processes.rank * share : (self.processes.rank + 1) * share]

    def _losses(
        self, passes: Passes, forest: Forest, workspace: Workspace, keeps_means: bool = False
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return (P,) losses of all passes, and the counts of the stage."""
        losses, totals = score_forest(
            self.model, forest, workspace, self.batch_tokens, self.processes, self.progress, keeps_means
        )
        return losses, self.loss_counts(passes, forest, totals)

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

    def _also(self, method: str, passes: Passes, workspace: Workspace) -> np.ndarray:
        """Return (N,) losses of y without x, as `method` wants them; nan where unknown."""
        alone = self.method_passes(method, passes)
        losses, totals = self._further_losses(method, alone, np.arange(len(self.table)), workspace)
        self._count(method, {name: totals[name] for name in ("tokens", "forwarded_tokens", "seconds")})
        return losses[: len(self.table)]

    def _further_losses(
        self, name: str, passes: Passes, trunks: np.ndarray, workspace: Workspace
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Return (P,) losses of passes, nan where unknown, and the counts of their stage.

        A stage of its own, with a journal of its own inside the workspace.
        """
        losses = workspace.read_array(f"{name}.npy")
        totals = workspace.read_json(f"{name}.json")
        ready = all(self.processes.gather(losses is not None and totals is not None))
        if losses is None or totals is None or not ready:  # all score, or none: as the search
            with Workspace(workspace.folder / name) as stage_workspace:
                losses, totals = self._losses(passes, self.forest(passes, trunks), stage_workspace)
                workspace.write_array(f"{name}.npy", losses)
                workspace.write_json(f"{name}.json", totals)
        return np.where(np.isfinite(losses), losses, np.nan), totals

    def _kcenter(self, forest: Forest, status: list[str], workspace: Workspace) -> dict[str, Any]:
        """Return the rank of each row in the order of k-center, null where it is not among the first."""
        if KCENTER not in self.further:
            return {}
        began = time.perf_counter()
        means = read_means(forest, workspace, self.processes, len(self.table))
        usable = np.flatnonzero((np.array(status) == "ok") & np.isfinite(means).all(axis=1))
        keys = row_keys(self.dataset)
        order = kcenter_order(means[usable], [keys[row] for row in usable.tolist()], self.model.device)
        ranks: list[int | None] = [None] * len(self.table)
        for rank, row in enumerate(usable[order].tolist()):
            ranks[row] = rank
        self._count(KCENTER, {"seconds": time.perf_counter() - began})
        return {"kcenter_rank": ranks}

    def _ratings(self, workspace: Workspace) -> dict[str, np.ndarray]:
        """Return the columns of SelectIT, by one prompt or by all five."""
        names = [name for name in (SELECTIT, SELECTIT_SENTENCE) if name in self.further]
        if not names:
            return {}
        ratings = []
        for number, prompt in enumerate(RATING_PROMPTS[: 5 if SELECTIT_SENTENCE in names else 1], 1):
            passes = rating_passes(self.table.rows, prompt, self.tokenizer, self.max_length)
            name = f"{SELECTIT}_{number}"
            losses, totals = self._further_losses(name, passes, passes.trunk_numbers(), workspace)
            del totals["row_tokens"]  # of rows alone, which are not run here
            self._count(name, totals)
            ratings.append(token_ratings(losses[len(self.table) :].reshape(-1, 5), passes.shared.lengths))
        columns = {SELECTIT: ratings[0]}
        if SELECTIT_SENTENCE in names:
            columns[SELECTIT_SENTENCE] = sentence_ratings(np.stack(ratings))
        return columns

    def _anchors(self, vectors: np.ndarray) -> np.ndarray:
        """Return the (A,) rows nearest to the centers of groups of prompts, of those that have a response."""
        usable = np.array([row for row in range(len(self.table)) if not self.table.empty[row]])
        keys = row_keys(self.dataset)
        start = min(range(len(usable)), key=lambda position: keys[usable[position]])
        return usable[group_centers(vectors[usable], start, ANCHORS)]

    def _nuggets(
        self, anchors: np.ndarray, zero_shot: np.ndarray, passes: Passes, workspace: Workspace
    ) -> dict[str, np.ndarray]:
        """Return the share of anchors that each row helps as their example, and how far."""
        if NUGGETS not in self.further:
            return {}
        behind = anchor_passes(passes, self.table, anchors, self.prompts, self.max_length)
        losses, totals = self._further_losses(NUGGETS, behind, behind.trunk_numbers(), workspace)
        del totals["row_tokens"]
        self._count(NUGGETS, {"anchors": anchors.tolist(), **totals})
        share, gain = helped_anchors(zero_shot[anchors], losses[len(self.table) :].reshape(-1, len(anchors)))
        return {"nuggets": share, "nuggets_gain": gain}

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

    def _count(self, stage: str, totals: dict[str, Any], rows: int | None = None) -> None:
        self.seconds[stage] = totals["seconds"]
        counts = {name: value for name, value in totals.items() if name != "seconds"}
        self.stages[stage] = {"rows": len(self.table) if rows is None else rows, **counts}


def _saved_search(workspace: Workspace) -> tuple[np.ndarray, np.ndarray, dict[str, Any]] | None:
    neighbors, cosines = workspace.read_array("neighbors.npy"), workspace.read_array("cosines.npy")
    counts = workspace.read_json("search.json")
    if neighbors is None or cosines is None or counts is None:
        return None
    # Work that was begun before there could be several neighbors has one of each row, without a second axis.
    rows = len(neighbors)
    return neighbors.reshape(rows, -1), cosines.reshape(rows, -1), counts


def _final_status(passes: Passes, losses: np.ndarray) -> list[str]:
    """Return (N,) statuses, `not_finite` where one of the (2, N) losses of a row with passes is not."""
    finite = np.isfinite(losses).all(axis=0)
    return ["not_finite" if state == "ok" and not finite[row] else state for row, state in enumerate(passes.status)]
