"""The losses of all passes, batch by batch after the plan on disk; killed, it goes on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from accelerate.utils.memory import clear_device_cache

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.memory import is_out_of_memory
from hf_miwv.common.progress import stage
from hf_miwv.common.runs.processes import Processes, gather_dict
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.batch_plan import BatchPlan
from hf_miwv.losses.forest import Forest
from hf_miwv.losses.losses import ResponseLosses

JOURNAL = "losses.jsonl"


def score_forest(
    model: Any,
    forest: Forest,
    workspace: Workspace,
    batch_tokens: int,
    processes: Processes,
    progress: bool = True,
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

    Returns:
        `tuple[np.ndarray, dict[str, float]]`: The losses, (P,) float64, nan for a pass that cannot be
        run, and the sums over all batches and processes, earlier runs' too: "tokens",
        "forwarded_tokens" (padding included) and "seconds" (of the slowest process).

    Raises:
        InputError: One unit alone does not fit into memory.
    """
    rank_units = processes.deal(forest.lengths)
    plan = _open_plan(workspace, forest.lengths[rank_units], batch_tokens, forest.packed)
    done = workspace.read_journal(JOURNAL)
    losses = ResponseLosses(model, forest.packed)
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
            workspace.append_journal(JOURNAL, entry)
            done.append(entry)
            bar.update(entry["tokens"])
            start = entry["end"]
    losses_by_pass = _losses_by_pass(done, forest, rank_units[plan.order])
    return _gather(losses_by_pass, done, len(forest.passes.lengths), processes)


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
                f"{forest.passes.location(unit.trunk)}: {trees[0].tokens} tokens do "
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


def _losses_by_pass(done: list[dict[str, Any]], forest: Forest, units: np.ndarray) -> dict[int, float]:
    values = [value for entry in done for value in entry["losses"]]
    numbers = [number for unit in units for number in forest.outputs(int(unit))]
    return dict(zip(numbers, values, strict=True))


def _gather(
    losses_by_pass: dict[int, float], done: list[dict[str, Any]], passes: int, processes: Processes
) -> tuple[np.ndarray, dict[str, float]]:
    losses = np.full(passes, np.nan)
    for number, value in gather_dict(processes, losses_by_pass).items():
        losses[number] = value
    names = ("tokens", "forwarded_tokens", "seconds")
    totals = processes.gather({name: sum(entry[name] for entry in done) for name in names})
    together = {name: sum(part[name] for part in totals) for name in names}
    return losses, {**together, "seconds": max(part["seconds"] for part in totals)}
