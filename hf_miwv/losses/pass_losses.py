"""The losses of all passes, batch by batch after the plan on disk; killed, it goes on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from accelerate.utils.memory import clear_device_cache

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.progress import stage
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.batch_plan import BatchPlan
from hf_miwv.losses.forest import Forest
from hf_miwv.losses.losses import ResponseLosses

JOURNAL = "losses.jsonl"
MEANS = "means-{:09d}.npy"  # by the batch's first position
COUNTS = ("tokens", "forwarded_tokens", "seconds")


def score_forest(
    model: Any,
    forest: Forest,
    workspace: Workspace,
    batch_tokens: int,
    processes: Processes,
    progress: bool = True,
    keeps_means: bool = False,
) -> tuple[np.ndarray, dict[str, float]]:
    """Compute the mean nats per response token of each pass, resumable after a kill.

    Each process runs its share of the units. Each batch is written to the journal before the next
    begins. An out-of-memory error halves the token budget from that batch on, which is recorded
    in the plan first.

    Args:
        model (`PreTrainedModel`): The causal LM.
        forest (`Forest`): The units of P passes.
        workspace (`Workspace`): The folder of the journal.
        batch_tokens (`int`): Tokens of a forward pass, at most.
        processes (`Processes`): The processes at this job.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.
        keeps_means (`bool`, *optional*, defaults to `False`): Leave the mean hidden state of each scored trunk in
            the workspace, for `read_means`.

    Returns:
        `tuple[np.ndarray, dict[str, float]]`: The losses, (P,) float64, nan for a pass that cannot be
        run, and the sums over all batches and processes, earlier runs' too: "tokens",
        "forwarded_tokens" (padding included) and "seconds" (of the slowest process).

    Raises:
        InputError: One unit alone does not fit into memory.
    """
    share = score_share(model, forest, workspace, batch_tokens, processes, progress, keeps_means)
    together = processes.gather(share)
    return merged_losses(together, len(forest.passes.lengths))


class Share(NamedTuple):
    """Hold what one process has scored.

    Attributes:
        passes (`list[int]`): Numbers of the passes.
        losses (`list[float]`): Their losses, mean nats per response token.
        totals (`dict[str, float]`): Sums of COUNTS over its batches.
    """

    passes: list[int]
    losses: list[float]
    totals: dict[str, float]


def score_share(
    model: Any,
    forest: Forest,
    workspace: Workspace,
    batch_tokens: int,
    processes: Processes,
    progress: bool = True,
    keeps_means: bool = False,
) -> Share:
    """Compute the losses of this process's units, as `score_forest` does.

    Args:
        model (`PreTrainedModel`): The causal LM.
        forest (`Forest`): The units of P passes.
        workspace (`Workspace`): The workspace of this task.
        batch_tokens (`int`): Tokens of a forward pass, at most.
        processes (`Processes`): This process among those at the job.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.
        keeps_means (`bool`, *optional*, defaults to `False`): Leave the mean hidden state of each scored trunk in
            the workspace, for `read_means`.

    Returns:
        `Share`: The losses of its passes.
    """
    rank_units = processes.deal(forest.lengths)
    plan = _open_plan(workspace, forest.lengths[rank_units], batch_tokens, forest.packed)
    done = workspace.read_journal(JOURNAL)
    losses = ResponseLosses(model, forest.packed, keeps_means)
    with (
        losses.ready(),
        stage("scoring", "token", int(forest.lengths[rank_units].sum()), unit_scale=True, show=progress) as bar,
    ):
        bar.update(sum(entry["tokens"] for entry in done))
        start = done[-1]["end"] if done else 0
        while start < len(rank_units):
            entry = _run_batch(losses, forest, rank_units, plan, start)
            if entry is None:
                # Before the batch is tried again: a run that is killed now must repeat the smaller batches, too.
                workspace.write_json("budgets.json", plan.budgets)
                continue
            if keeps_means:  # before the entry that says the batch is done: a kill between them repeats it
                workspace.write_array(MEANS.format(start), losses.trunk_means)
            workspace.append_journal(JOURNAL, entry)
            done.append(entry)
            bar.update(entry["tokens"])
            start = entry["end"]
    values = [value for entry in done for value in entry["losses"]]
    numbers = [number for unit in rank_units[plan.order] for number in forest.outputs(int(unit))]
    if len(values) != len(numbers):
        raise ValueError(f"{len(values)} losses of {len(numbers)} passes")
    return Share(numbers, values, {name: sum(entry[name] for entry in done) for name in COUNTS})


def merged_losses(shares: Sequence[Share], passes: int) -> tuple[np.ndarray, dict[str, float]]:
    """Put the losses of all processes together.

    Args:
        shares (`Sequence[Share]`): The shares, one of each process.
        passes (`int`): P, all passes.

    Returns:
        `tuple[np.ndarray, dict[str, float]]`: As `score_forest`.
    """
    losses = np.full(passes, np.nan)
    for share in shares:
        losses[share.passes] = share.losses
    together = {name: sum(share.totals[name] for share in shares) for name in COUNTS}
    return losses, {**together, "seconds": max(share.totals["seconds"] for share in shares)}


def read_means(forest: Forest, workspace: Workspace, processes: Processes, rows: int) -> np.ndarray:
    """Read the mean hidden states that `score_forest` has left, of rows alone.

    Args:
        forest (`Forest`): The units of P passes.
        workspace (`Workspace`): The folder of the journal.
        processes (`Processes`): The processes at this job.
        rows (`int`): Rows, N: passes 0 to N - 1 are theirs.

    Returns:
        `np.ndarray`: (N, D) float32, nan for a row whose pass was not run.
    """
    order = workspace.read_array("order.npy")
    units = processes.deal(forest.lengths)[order if order is not None else []]
    numbers: list[int] = []
    parts: list[np.ndarray] = []
    start = 0
    for entry in workspace.read_journal(JOURNAL):
        batch = [forest.units[int(unit)] for unit in units[start : entry["end"]]]
        part = workspace.read_array(MEANS.format(start))
        scored = [unit.trunk for unit in batch if unit.scored]
        if part is not None and scored:
            numbers += scored
            parts.append(part)
        start = entry["end"]
    gathered = list(processes.gather((numbers, np.concatenate(parts) if parts else None)))
    width = next(vectors.shape[1] for _, vectors in gathered if vectors is not None)
    means = np.full((rows, width), np.nan, dtype=np.float32)
    for trunks, vectors in gathered:
        for trunk, vector in zip(trunks, [] if vectors is None else vectors, strict=True):
            if trunk < rows:  # the others are one-shot passes that share nothing
                means[trunk] = vector
    return means


def _open_plan(workspace: Workspace, lengths: np.ndarray, budget: int, packed: bool) -> BatchPlan:
    # A resumed run keeps the plan on disk: in other batches the losses would be rounded otherwise.
    order, budgets = workspace.read_array("order.npy"), workspace.read_json("budgets.json")
    if order is not None and budgets is not None:
        return BatchPlan(lengths, order, [(start, tokens) for start, tokens in budgets], packed)
    plan = BatchPlan.new(lengths, budget, packed)
    workspace.write_array("order.npy", plan.order)
    workspace.write_json("budgets.json", plan.budgets)
    return plan


def _run_batch(
    losses: ResponseLosses, forest: Forest, rank_units: np.ndarray, plan: BatchPlan, start: int
) -> dict[str, Any] | None:
    """Return the journal entry of the batch at `start`; None after halving the budget for it."""
    began = time.perf_counter()
    end = plan.batch_end(start)
    trees = [forest.tree(int(unit)) for unit in rank_units[plan.order[start:end]]]
    try:
        values = losses(trees)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        # The allocator keeps the failed batch's blocks, in pieces that the smaller one may not fit into.
        clear_device_cache()
        if not plan.halve(start):
            unit = forest.units[int(rank_units[plan.order[start]])]
            raise InputError(
                f"row {forest.passes.row_of(unit.trunk)}: {trees[0].tokens} tokens do "
                "not fit into memory at once; give a smaller --batch-tokens (batch_tokens=) or "
                "--max-length, --dtype bfloat16, or another --device"
            ) from error
        return None
    return {
        "end": end,
        "losses": values.tolist(),
        "tokens": sum(tree.tokens for tree in trees),
        "forwarded_tokens": losses.forwarded_tokens,
        "seconds": time.perf_counter() - began,
    }
