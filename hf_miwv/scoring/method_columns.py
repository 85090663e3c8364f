"""Columns that other methods of choosing need: IFD, k-center, SelectIT, NUGGETS, Deita, AlpaGasus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.judging.rate_responses import rate_responses
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.forest import Forest
from hf_miwv.losses.pass_losses import read_means
from hf_miwv.neighbors.farthest_first import group_centers
from hf_miwv.results.methods import row_keys
from hf_miwv.rows.examples import Example
from hf_miwv.rows.schema import ALPAGASUS, DEITA, KCENTER, NUGGETS, SELECTIT, SELECTIT_SENTENCE, Flag
from hf_miwv.scoring.anchor_scores import ANCHORS, anchor_passes, helped_anchors
from hf_miwv.scoring.center_order import kcenter_order
from hf_miwv.scoring.further_losses import further_losses
from hf_miwv.scoring.journey import Journey
from hf_miwv.scoring.scorers import rate_rows
from hf_miwv.scoring.self_ratings import RATING_PROMPTS, rating_passes, sentence_ratings, token_ratings


def losses_without_prompt(journey: Journey, method: str, passes: Passes, workspace: Workspace) -> np.ndarray:
    """Run the responses without their prompts.

    Args:
        journey (`Journey`): The run.
        method (`str`): Name of the method that asks for it.
        passes (`Passes`): The passes of the run: the rows alone, and behind their neighbors.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `np.ndarray`: (N,) losses L(y), nan where unknown.
    """
    alone = journey.method_passes(method, passes)
    losses, totals = further_losses(journey, method, alone, np.arange(len(journey.table)), workspace)
    journey.count(method, {name: totals[name] for name in ("tokens", "forwarded_tokens", "seconds")})
    return losses[: len(journey.table)]


def kcenter_columns(journey: Journey, forest: Forest, status: list[str], workspace: Workspace) -> dict[str, Any]:
    """Rank the rows by greedy k-center.

    Args:
        journey (`Journey`): The run.
        forest (`Forest`): The trees of the passes, whose mean hidden states were kept.
        status (`list[str]`): (N,) statuses of the rows.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `dict[str, Any]`: The rank of each row, None where it is not among the first; no column where nobody asks.
    """
    if KCENTER not in journey.further:
        return {}
    began = time.perf_counter()
    means = read_means(forest, workspace, journey.processes, len(journey.table))
    usable = np.flatnonzero((np.array(status) == "ok") & np.isfinite(means).all(axis=1))
    keys = row_keys(journey.dataset)
    order = kcenter_order(means[usable], [keys[row] for row in usable.tolist()], journey.model.device)
    ranks: list[int | None] = [None] * len(journey.table)
    for rank, row in enumerate(usable[order].tolist()):
        ranks[row] = rank
    journey.count(KCENTER, {"seconds": time.perf_counter() - began})
    return {"kcenter_rank": ranks}


def selectit_prompts(journey: Journey) -> dict[str, str]:
    """List the rating prompts that the model is asked.

    Args:
        journey (`Journey`): The run.

    Returns:
        `dict[str, str]`: Name of the stage -> prompt: one at token level, five at sentence level; none where nobody
        asks.
    """
    asked = 5 if SELECTIT_SENTENCE in journey.further else 1 if SELECTIT in journey.further else 0
    return {f"{SELECTIT}_{number}": prompt for number, prompt in enumerate(RATING_PROMPTS[:asked], 1)}


def selectit_columns(journey: Journey, workspace: Workspace) -> dict[str, np.ndarray]:
    """Let the model rate the rows as SelectIT does, by one prompt or by all five.

    Args:
        journey (`Journey`): The run.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `dict[str, np.ndarray]`: The columns, (N,) each; none where nobody asks.
    """
    prompts = selectit_prompts(journey)
    if not prompts:
        return {}
    ratings = []
    for name, prompt in prompts.items():
        passes = rating_passes(journey.table.rows, prompt, journey.tokenizer, journey.max_length)
        losses, totals = further_losses(journey, name, passes, passes.trunk_numbers(), workspace)
        del totals["row_tokens"]  # of rows alone, which are not run here
        journey.count(name, totals)
        ratings.append(token_ratings(losses[len(journey.table) :].reshape(-1, 5), passes.shared.lengths))
    columns = {SELECTIT: ratings[0]}
    if SELECTIT_SENTENCE in journey.further:
        columns[SELECTIT_SENTENCE] = sentence_ratings(np.stack(ratings))
    return columns


def nuggets_anchors(journey: Journey, vectors: np.ndarray) -> np.ndarray:
    """Choose anchors: the rows nearest to the centers of groups of prompts, of those that have a response.

    Args:
        journey (`Journey`): The run.
        vectors (`np.ndarray`): (N, D) unit vectors of the prompts.

    Returns:
        `np.ndarray`: (A,) rows.
    """
    usable = np.array([row for row in range(len(journey.table)) if not journey.table.empty[row]])
    keys = row_keys(journey.dataset)
    start = min(range(len(usable)), key=lambda position: keys[usable[position]])
    return usable[group_centers(vectors[usable], start, ANCHORS)]


def nuggets_columns(
    journey: Journey, anchors: np.ndarray, zero_shot: np.ndarray, passes: Passes, workspace: Workspace
) -> dict[str, np.ndarray]:
    """Run the anchors behind each row as their example.

    Args:
        journey (`Journey`): The run.
        anchors (`np.ndarray`): (A,) rows.
        zero_shot (`np.ndarray`): (N,) losses of the rows alone.
        passes (`Passes`): The passes of the run: the rows alone, and behind their neighbors.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `dict[str, np.ndarray]`: The share of anchors that each row helps, and by how many nats; no columns where
        nobody asks.
    """
    if NUGGETS not in journey.further:
        return {}
    behind = anchor_passes(passes, journey.table, anchors, journey.prompts, journey.max_length)
    losses, totals = further_losses(journey, NUGGETS, behind, behind.trunk_numbers(), workspace)
    del totals["row_tokens"]
    journey.count(NUGGETS, {"anchors": anchors.tolist(), **totals})
    share, gain = helped_anchors(zero_shot[anchors], losses[len(journey.table) :].reshape(-1, len(anchors)))
    return {"nuggets": share, "nuggets_gain": gain}


def deita_columns(
    journey: Journey, status: list[str], flags: list[list[Flag]], workspace: Workspace
) -> dict[str, np.ndarray]:
    """Let two scorers rate the rows, and flag those that have no rating though they were scored.

    Args:
        journey (`Journey`): The run.
        status (`list[str]`): (N,) statuses of the rows.
        flags (`list[list[Flag]]`): (N,) flags, which are added to.
        workspace (`Workspace`): Holds the finished parts of a run that was killed.

    Returns:
        `dict[str, np.ndarray]`: The columns, (N,) each; none where nobody asks.
    """
    if DEITA not in journey.further:
        return {}
    columns, stages = rate_rows(
        journey.table.rows,
        journey.scorers,
        workspace,
        batch_tokens=journey.batch_tokens,
        processes=journey.processes,
        progress=journey.progress,
    )
    for name, totals in stages.items():
        journey.count(name, totals)
    for row in np.flatnonzero(np.isnan(columns[DEITA]) & (np.array(status) == "ok")).tolist():
        flags[row].append("deita_unrated")
    return columns


def alpagasus_columns(
    journey: Journey, status: list[str], flags: list[list[Flag]], workspace: Workspace
) -> dict[str, np.ndarray]:
    """Let the judge rate the scored rows, and flag those whose rating there is not.

    The first process asks for all. A row in several turns is rated by its last answer, behind all that was said
    before (ours; the paper has rows of one turn).

    Args:
        journey (`Journey`): The run.
        status (`list[str]`): (N,) statuses of the rows.
        flags (`list[list[Flag]]`): (N,) flags, which are added to.
        workspace (`Workspace`): Holds the replies that have come, of a run that was killed.

    Returns:
        `dict[str, np.ndarray]`: The column, (N,); none where nobody asks.
    """
    if journey.rating is None:
        return {}
    began = time.perf_counter()
    asked = None
    if journey.processes.first:
        pairs = [
            (example.bare_prompt, example.shown_response) if state == "ok" else None
            for example, state in zip(_examples(journey), status, strict=True)
        ]
        with Workspace(workspace.folder / ALPAGASUS) as judged:
            rating = journey.rating
            asked = rate_responses(rating.judge, rating.dimension, pairs, judged, journey.progress)
    asked = journey.processes.agree(asked)
    if asked is None:
        raise ValueError("the first process has asked for no ratings")
    counts = {"questions": asked.questions, "unreadable": asked.unreadable, "refused": asked.refused}
    journey.count(ALPAGASUS, {**counts, "seconds": time.perf_counter() - began})
    for row in np.flatnonzero(np.isnan(asked.ratings) & (np.array(status) == "ok")).tolist():
        flags[row].append("alpagasus_unrated")
    return {ALPAGASUS: asked.ratings}


def _examples(journey: Journey) -> Iterator[Example]:
    for block in journey.table.rows.blocks():
        yield from block
