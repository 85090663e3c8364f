"""Rows that are held out before anything is scored, and their losses under a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from datasets import Dataset

from hf_miwv.common.errors import InputError
from hf_miwv.common.models.batch_tokens import default_batch_tokens
from hf_miwv.common.models.models import LoadedModel, length_limit
from hf_miwv.common.models.row_tokens import TokenTable
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.losses.branching import branching_obstacle
from hf_miwv.losses.demonstrations import Passes
from hf_miwv.losses.forest import grow_forest
from hf_miwv.losses.pass_losses import score_forest
from hf_miwv.prompts.choose_prompts import choose_prompts
from hf_miwv.prompts.run_date import parse_date
from hf_miwv.prompts.tokenization import tokenize_rows
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import recognize

LEAST_ROWS = 2  # of one held-out row there is no spread


def divide_by_prompt(
    dataset: Dataset, share: float, seed: int, columns: Mapping[str, str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Divide rows into those to choose from and those held out, by a hash of the prompt.

    Held out is a row where xxh3("SEED PROMPT") / 2^64 < share, so that all rows of one prompt fall on one side,
    whatever the order of the rows, and more rows move none.

    Args:
        dataset (`Dataset`): N rows of a known shape.
        share (`float`): Share to hold out, in (0, 1).
        seed (`int`): Seed of the hash.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: Positions of the rows to choose from, and of those held out; int64,
        ascending.

    Raises:
        InputError: The share is out of range, or one side has fewer than two rows.
    """
    if not 0 < share < 1:
        raise InputError(f"--held-out {share}: give a share between 0 and 1, such as 0.2")
    rows = Rows(dataset, recognize(dataset.column_names, columns))
    hashes = [
        xxhash.xxh3_64_intdigest(f"{seed} {_prompt_text(example)}".encode()) / 2**64
        for block in rows.blocks()
        for example in block
    ]
    is_held_out = np.array(hashes) < share
    pool, held_out = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    if min(len(pool), len(held_out)) < LEAST_ROWS:
        raise InputError(
            f"--held-out {share}: {len(held_out)} of {len(dataset)} rows would be held out and {len(pool)} left to "
            f"choose from; {LEAST_ROWS} are needed on either side: give more rows or another share"
        )
    return pool, held_out


def _prompt_text(example: Example) -> str:
    # Of a row that cannot be read any fixed text will do: it is refused or flagged when it is scored.
    return "" if example.fault is not None else json_text([example.prompt_with_tools.strip()])


def held_out_losses(
    loaded: LoadedModel,
    dataset: Dataset,
    workspace: Path,
    processes: Processes,
    *,
    template: str | None = None,
    columns: Mapping[str, str] | None = None,
    max_length: int | None = None,
    batch_tokens: int | None = None,
    date: str | None = None,
    progress: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute L(y|x) of held-out rows: mean nats per response token, each row alone.

    Rendered and tokenized as for scoring. A row without a response, one that cannot be read and one of more than
    `max_length` tokens has no loss. Killed, the same call goes on from the batches in `workspace`.

    Args:
        loaded (`LoadedModel`): The model with its tokenizer.
        dataset (`Dataset`): R rows of a known shape.
        workspace (`Path`): A folder for unfinished work; each process has its own within it.
        processes (`Processes`): The processes at this job.
        template (`str`, *optional*): As in `score`.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.
        max_length (`int`, *optional*): Tokens of a row, at most; by default as in `score`.
        batch_tokens (`int`, *optional*): Tokens of a forward pass; by default as in `score`.
        date (`str`, *optional*): The date that the chat template printed when the rows were scored.
        progress (`bool`, *optional*, defaults to `True`): Show bars.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (R,) float64 losses, nan for none, and (R,) int64 response tokens.
    """
    shape = recognize(dataset.column_names, columns)
    rows = Rows(dataset, shape)
    prompts = choose_prompts(template, loaded.tokenizer, shape.name, rows.conversational(), parse_date(date))
    table = tokenize_rows(rows, prompts, progress, "flag")
    limit = length_limit(loaded.model, max_length)
    runnable = (table.prompts.lengths + table.responses.lengths <= limit) & ~np.array(table.empty, dtype=bool)
    passes = Passes(
        table.prompts,
        TokenTable([] for _ in range(len(table))),
        TokenTable(table.responses[row] if runnable[row] else [] for row in range(len(table))),
    )
    forest = grow_forest(passes, np.full(len(table), -1), obstacle=branching_obstacle(loaded.model))
    with Workspace(workspace / processes.name(), workspace) as folder:
        tokens = batch_tokens or default_batch_tokens(loaded.model.device)
        losses, _ = score_forest(loaded.model, forest, folder, tokens, processes, progress)
    return losses[: len(table)], table.responses.lengths.copy()


def length_groups(tokens: np.ndarray) -> list[str]:
    """Name the third of the rows, by response tokens, that each row belongs to.

    Args:
        tokens (`np.ndarray`): (R,) response tokens.

    Returns:
        `list[str]`: (R,) "short", "middle" or "long", with the bounds in words.
    """
    low, high = np.quantile(tokens, (1 / 3, 2 / 3), method="lower").astype(int).tolist()
    names = (f"short (to {low:,} tokens)", f"middle (to {high:,})", f"long (above {high:,})")
    return [names[int(count > low) + int(count > high)] for count in tokens.tolist()]


def group_rows(held_out: Dataset, tokens: np.ndarray, source_column: str | None) -> dict[str, list[str]]:
    """Name the groups that means are told of: by length, and by the values of a column.

    Args:
        held_out (`Dataset`): R held-out rows.
        tokens (`np.ndarray`): (R,) response tokens.
        source_column (`str`, *optional*): The column; without it by length alone.

    Returns:
        `dict[str, list[str]]`: By kind of group, the (R,) group of each row.
    """
    groups = {"length": length_groups(tokens)}
    if source_column is not None:
        groups[source_column] = [str(value) for value in held_out[source_column]]
    return groups


def question_rows(dataset: Dataset, count: int, seed: int, columns: Mapping[str, str] | None = None) -> Dataset:
    """Take prompts of held-out rows to be answered: `id` (the position) and `instruction` (with `input`, if any).

    The rows with the smallest xxh3("SEED PROMPT POSITION"), in the order of the rows.

    Args:
        dataset (`Dataset`): R rows of a known shape.
        count (`int`): Rows to take; all, if fewer.
        seed (`int`): Seed of the hash.
        columns (`Mapping[str, str]`, *optional*): Standard column name -> column of this data set.

    Returns:
        `Dataset`: The prompts, for `answer`.
    """
    shape = recognize(dataset.column_names, columns)
    rows = Rows(dataset, shape)
    examples: list[tuple[int, Example]] = [
        (position, example)
        for position, example in enumerate(example for block in rows.blocks() for example in block)
        if example.fault is None and example.bare_prompt.strip()
    ]
    ranked = sorted(
        examples, key=lambda item: xxhash.xxh3_64_intdigest(f"{seed} {item[1].bare_prompt} {item[0]}".encode())
    )
    questions: list[dict[str, Any]] = []
    for position, example in sorted(ranked[:count], key=lambda item: item[0]):
        # Alpaca's two parts are rendered apart, as they were in training.
        parts = (example.instruction, example.input) if shape.name == "alpaca" else (example.bare_prompt, "")
        questions.append({"id": str(position), "instruction": parts[0], "input": parts[1]})
    return Dataset.from_list(questions)
