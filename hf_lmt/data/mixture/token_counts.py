"""How many tokens each row's line has, and what else chooses rows: the long stage, resumable.

Rows are counted in blocks, and each finished block lies in the cache of `datasets`: a killed run
goes on behind them, whatever the number of processes, and another run with the same rows, tokenizer
and seed counts nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from datasets import Dataset

from hf_lmt.data.corpora.cached_rows import cache_folder
from hf_lmt.data.mixture.mixture_lines import EMPTY, Lines
from hf_lmt.pool import in_processes
from hf_miwv.common.progress import stage

LAYOUT = 1  # of the blocks: raise it when lines or what is kept of them change
BLOCK = 50_000  # rows in a file
BATCH = 1_000  # rows in memory and in a call of the tokenizer

ENTRY = np.dtype(
    [("order", "u8"), ("tie", "u8"), ("tokens", "u4"), ("group", "i2"), ("forward", "?"), ("broken", "?")]
)
"""A row as it is kept in memory, 24 bytes: fields as in `mixture_lines.Lines`, and the line's tokens."""

MakeLines = Callable[[pa.Table, int], Lines]


@dataclass(frozen=True)
class Counting:
    """Hold a job of counting: the rows to be counted, and the folder of the blocks.

    Attributes:
        rows (`Dataset`): N rows, as `make_lines` takes them.
        make_lines (`Callable[[pa.Table, int], Lines]`): Makes lines of a batch and a seed.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer that counts.
        seed (`int`): Seed of the hashes that choose rows.
        folder (`Path`): Folder of the finished blocks.
    """

    rows: Dataset
    make_lines: MakeLines
    tokenizer: Any
    seed: int
    folder: Path

    def path(self, block: int) -> Path:
        """Return the file of a block of counts.

        Args:
            block (`int`): Number of the block.

        Returns:
            `Path`: The file, which may not be there yet.
        """
        return self.folder / f"{block:06d}.npy"


def count_tokens(
    rows: Dataset, make_lines: MakeLines, tokenizer: Any, *, seed: int, num_proc: int, key: str
) -> np.ndarray:
    """Count the tokens of each row's line.

    A line's tokens are those of its text alone: the tokenizer adds none to it, and the token that
    the trainer puts between texts is not counted. A text without tokens counts as empty.

    Args:
        rows (`Dataset`): N rows, as `make_lines` takes them.
        make_lines (`Callable[[pa.Table, int], Lines]`): Makes lines of a batch and a seed.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer that counts.
        seed (`int`): Seed of the hashes that choose rows.
        num_proc (`int`): Processes, 1 or more; the counts are the same.
        key (`str`): Text that tells these rows and this tokenizer from others, for the cache.

    Returns:
        `np.ndarray`: (N,) ENTRY, one for each row.
    """
    made_of = [LAYOUT, key, make_lines.__name__, seed, BLOCK]
    job = Counting(rows, make_lines, tokenizer, seed, cache_folder("tokens", made_of))
    job.folder.mkdir(parents=True, exist_ok=True)
    blocks = range(-(-len(rows) // BLOCK))
    missing = [block for block in blocks if not job.path(block).exists()]
    description = f"counting tokens ({make_lines.__name__.partition('_')[0]})"
    done = len(blocks) - len(missing)
    with stage(description, "block", len(blocks), initial=done, show=bool(missing)) as bar:
        for _ in _counted(job, missing, num_proc):
            bar.update()
    return np.concatenate([np.zeros(0, ENTRY), *(np.load(job.path(block)) for block in blocks)])


def _counted(job: Counting, blocks: list[int], num_proc: int) -> Any:
    """Count the blocks, and yield at each block's end, in any order."""
    if num_proc == 1 or len(blocks) < 2:
        yield from map(partial(_count_block, job), blocks)
        return
    yield from in_processes(partial(_count_in_worker, job), blocks, num_proc, start="fork")


def _count_in_worker(job: Counting, block: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a thread pool does not survive a fork
    _count_block(job, block)


def _count_block(job: Counting, block: int) -> None:
    arrow = job.rows.with_format("arrow")
    stop = min((block + 1) * BLOCK, len(arrow))
    starts = range(block * BLOCK, stop, BATCH)
    batches = (arrow[start : min(start + BATCH, stop)] for start in starts)
    counted = [count_lines(batch, job.make_lines, job.tokenizer, job.seed) for batch in batches]
    entries = np.concatenate(counted)
    # Under a name of its own and then in place: a killed run leaves no half block, and two runs may count the same.
    draft = job.folder / f"{block:06d}.{uuid4().hex}"
    with open(draft, "wb") as file:
        np.save(file, entries, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, job.path(block))


def count_lines(batch: pa.Table, make_lines: MakeLines, tokenizer: Any, seed: int) -> np.ndarray:
    """Count the tokens of the lines of a batch, as `count_tokens` says.

    Args:
        batch (`pa.Table`): B rows, as `make_lines` takes them.
        make_lines (`Callable[[pa.Table, int], Lines]`): Makes lines of a batch and a seed.
        tokenizer (`PreTrainedTokenizerBase`): The tokenizer that counts.
        seed (`int`): Seed of the hashes.

    Returns:
        `np.ndarray`: (B,) ENTRY.
    """
    lines = make_lines(batch, seed)
    encoded = tokenizer(
        lines.text.to_pylist(),
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    entries = np.zeros(len(batch), ENTRY)
    entries["tokens"] = [len(ids) for ids in encoded]
    for name in ("order", "tie", "group", "forward", "broken"):
        entries[name] = getattr(lines, name)
    # A text that the tokenizer drops as a whole would be taken at no cost.
    entries["group"][entries["tokens"] == 0] = EMPTY
    return entries
