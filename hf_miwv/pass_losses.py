"""The losses of all passes, batch by batch after the plan on disk; killed, it goes on."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from accelerate.utils.memory import should_reduce_batch_size
from tqdm.auto import tqdm

from hf_miwv.demonstrations import Passes
from hf_miwv.errors import InputError
from hf_miwv.losses import ResponseLosses
from hf_miwv.plan import BatchPlan
from hf_miwv.workspace import Workspace

JOURNAL = "losses.jsonl"


def score_passes(
    model: Any, passes: Passes, workspace: Workspace, batch_tokens: int, progress: bool = True
) -> tuple[np.ndarray, dict[str, float]]:
    """Mean nats per response token of each pass: (2N,) float64, nan where it cannot be run.

    Each batch is written to the journal before the next begins. An out-of-memory error halves
    the token budget from that batch on, which is recorded in the plan first.

    Returns:
        The losses, and the sums over all batches, earlier runs' too: "tokens", "forwarded_tokens"
        (padding included) and "seconds".

    Raises:
        InputError: one sequence alone does not fit into memory.
    """
    lengths = passes.lengths
    plan = _open_plan(workspace, lengths, batch_tokens)
    done = workspace.read_journal(JOURNAL)
    runnable = int((lengths > 0).sum())
    losses = ResponseLosses(model)
    with (
        losses.ready(),
        tqdm(total=int(lengths.sum()), desc="scoring", unit="token", unit_scale=True,
             disable=not progress) as bar,
    ):  # fmt: skip
        bar.update(sum(entry["tokens"] for entry in done))
        start = done[-1]["end"] if done else 0
        while start < runnable:
            entry = _run_batch(losses, passes, plan, start, runnable)
            if entry is None:
                workspace.write_json("budgets.json", plan.budgets)
                continue
            workspace.append_journal(JOURNAL, entry)
            done.append(entry)
            bar.update(entry["tokens"])
            start = entry["end"]
    return _gather(done, plan.order, len(lengths)), {
        name: sum(entry[name] for entry in done)
        for name in ("tokens", "forwarded_tokens", "seconds")
    }


def _open_plan(workspace: Workspace, lengths: np.ndarray, budget: int) -> BatchPlan:
    order, budgets = workspace.read_array("order.npy"), workspace.read_json("budgets.json")
    if order is not None and budgets is not None:
        return BatchPlan(lengths, order, [(start, tokens) for start, tokens in budgets])
    plan = BatchPlan.new(lengths, budget)
    workspace.write_array("order.npy", plan.order)
    workspace.write_json("budgets.json", plan.budgets)
    return plan


def _run_batch(
    losses: ResponseLosses, passes: Passes, plan: BatchPlan, start: int, runnable: int
) -> dict[str, Any] | None:
    """The journal entry of the batch at `start`; None after halving the budget for it."""
    began = time.perf_counter()
    end = min(plan.batch_end(start), runnable)
    batch = [passes[int(index)] for index in plan.order[start:end]]
    try:
        values = losses(batch)
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        _free_memory()
        if not plan.halve(start):
            row = int(plan.order[start]) % len(passes.responses)
            raise InputError(
                f"row {row}: a sequence of {len(batch[0].ids)} tokens does not fit into memory by "
                "itself; give a smaller --max-length, --dtype bfloat16, or another --device"
            ) from error
        return None
    tokens = [len(sequence.ids) for sequence in batch]
    return {
        "end": end,
        "losses": values.tolist(),
        "tokens": sum(tokens),
        "forwarded_tokens": max(tokens) * len(tokens),
        "seconds": time.perf_counter() - began,
    }


def _gather(done: list[dict[str, Any]], order: np.ndarray, passes: int) -> np.ndarray:
    values = [value for entry in done for value in entry["losses"]]
    losses = np.full(passes, np.nan)
    losses[order[: len(values)]] = values
    return losses


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return should_reduce_batch_size(error)


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
