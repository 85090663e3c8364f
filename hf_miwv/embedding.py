"""The embeddings of all rows, chunk by chunk; killed, it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from hf_miwv.embed import Embedder
from hf_miwv.rows import Rows
from hf_miwv.schema import Example
from hf_miwv.workspace import Workspace

CHUNK = 512  # rows embedded between two writes to disk
BATCH = 32  # texts in one pass of the embedder
JOURNAL = "embeddings.jsonl"


def embed_rows(
    rows: Rows,
    embedder: Embedder,
    text: Callable[[Example], str],
    workspace: Workspace,
    progress: bool = True,
) -> tuple[np.ndarray, dict[str, float]]:
    """Unit vectors (N, D) float32 of `text(example)` of each row.

    Returns:
        The vectors, and {"tokens", "prompts_cut", "seconds"} of all chunks, earlier runs' too;
        prompts_cut counts the texts longer than the embedder reads.
    """
    done = workspace.read_journal(JOURNAL)
    with tqdm(total=len(rows), desc="embedding", unit="row", disable=not progress) as bar:
        bar.update(min(len(done) * CHUNK, len(rows)))
        for examples in rows.blocks(len(done) * CHUNK, CHUNK):
            entry, vectors = _embed_chunk([text(example) for example in examples], embedder)
            workspace.write_array(_chunk_name(len(done)), vectors)
            workspace.append_journal(JOURNAL, entry)
            done.append(entry)
            bar.update(len(examples))
    chunks = [workspace.read_array(_chunk_name(index)) for index in range(len(done))]
    totals = {
        name: sum(entry[name] for entry in done) for name in ("tokens", "prompts_cut", "seconds")
    }
    return np.concatenate([chunk for chunk in chunks if chunk is not None]), totals


def _embed_chunk(texts: list[str], embedder: Embedder) -> tuple[dict[str, Any], np.ndarray]:
    began = time.perf_counter()
    counts = embedder.token_counts(texts)
    limit = embedder.max_tokens or max(counts)
    vectors = embedder(texts, BATCH)
    return {
        "tokens": sum(min(count, limit) for count in counts),
        "prompts_cut": sum(count > limit for count in counts),
        "seconds": time.perf_counter() - began,
    }, vectors


def _chunk_name(index: int) -> str:
    return f"embeddings-{index:05d}.npy"
