"""The embeddings of all rows, chunk by chunk; killed, it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hf_miwv.common.progress import stage
from hf_miwv.common.runs.processes import Processes
from hf_miwv.common.runs.workspace import Workspace
from hf_miwv.neighbors.embed import Embedder
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Rows

CHUNK = 512  # rows embedded between two writes to disk
BATCH = 32  # texts in one pass of the embedder
JOURNAL = "embeddings.jsonl"
COUNTS = ("tokens", "prompts_cut", "seconds")


def embed_rows(
    rows: Rows,
    embedder: Embedder,
    text: Callable[[Example], str],
    workspace: Workspace,
    processes: Processes,
    progress: bool = True,
) -> tuple[np.ndarray, dict[str, float]]:
    """Embed `text(example)` of each row as unit vectors.

    Chunk c is embedded by process c mod world, and all processes get all vectors.

    Args:
        rows (`Rows`): N rows.
        embedder (`Embedder`): The embedder.
        text (`Callable[[Example], str]`): The text of a row.
        workspace (`Workspace`): Holds the finished chunks of this process and its journal.
        processes (`Processes`): The processes of the run.
        progress (`bool`, *optional*, defaults to `True`): Whether a bar is shown.

    Returns:
        `tuple[np.ndarray, dict[str, float]]`: The vectors, (N, D) float32, and the sums over all chunks and
        processes, earlier runs' too: "tokens", "prompts_cut" (texts longer than the embedder reads) and
        "seconds" (the slowest process).
    """
    share = embed_share(rows, embedder, text, workspace, processes, progress)
    parts = processes.gather(share)
    return _collect(len(rows), workspace, processes), merged_totals(parts)


def merged_totals(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sum the counts of all processes; of their seconds those of the slowest count.

    Args:
        parts (`Sequence[Mapping[str, float]]`): The counts of each process.

    Returns:
        `dict[str, float]`: The sums.
    """
    return {name: (max if name == "seconds" else sum)(part[name] for part in parts) for name in COUNTS}


def embed_share(
    rows: Rows,
    embedder: Embedder,
    text: Callable[[Example], str],
    workspace: Workspace,
    processes: Processes,
    progress: bool = True,
) -> dict[str, float]:
    """Embed this process's chunks, which stay in the workspace; as `embed_rows`, whose counts it returns.

    Args:
        rows (`Rows`): N rows.
        embedder (`Embedder`): The embedder.
        text (`Callable[[Example], str]`): The text of a row.
        workspace (`Workspace`): The workspace of this task.
        processes (`Processes`): This process among those at the job.
        progress (`bool`, *optional*, defaults to `True`): Show a bar.

    Returns:
        `dict[str, float]`: The counts of its chunks.
    """
    done = workspace.read_journal(JOURNAL)
    rank_chunks = _chunks_of(len(rows), processes)
    # Chunks are embedded in order, so the journal's length says which are done.
    todo = list(rank_chunks)[len(done) :]
    sizes = {chunk: min(CHUNK, len(rows) - chunk * CHUNK) for chunk in rank_chunks}
    total, rows_left = sum(sizes.values()), sum(sizes[chunk] for chunk in todo)
    with stage("embedding", "row", total, show=progress) as bar:
        bar.update(total - rows_left)
        for chunk in todo:
            examples = rows.slice(chunk * CHUNK, CHUNK)
            entry, vectors = _embed_chunk([text(example) for example in examples], embedder)
            # The vectors before the entry that counts them: a kill between the two repeats a chunk and loses none.
            workspace.write_array(_chunk_name(chunk), vectors)
            workspace.append_journal(JOURNAL, entry)
            done.append(entry)
            bar.update(len(examples))
    return {name: sum(entry[name] for entry in done) for name in COUNTS}


def shared_vectors(rows: int, workspaces: Sequence[Workspace]) -> np.ndarray:
    """Read the vectors that processes left in their workspaces, by rank.

    Args:
        rows (`int`): N.
        workspaces (`Sequence[Workspace]`): The workspaces of all processes.

    Returns:
        `np.ndarray`: (N, D) float32.

    Raises:
        ValueError: a chunk is not there.
    """
    chunks = []
    for chunk in range(-(-rows // CHUNK)):
        vectors = workspaces[chunk % len(workspaces)].read_array(_chunk_name(chunk))
        if vectors is None:
            raise ValueError(f"chunk {chunk} of the embeddings is not there")
        chunks.append(vectors)
    return np.concatenate(chunks)


def _chunks_of(rows: int, processes: Processes) -> range:
    return range(processes.rank, -(-rows // CHUNK), processes.world)


def _collect(rows: int, workspace: Workspace, processes: Processes) -> np.ndarray:
    """Gather all processes' chunks in row order, a round of one chunk each at a time."""
    chunks, rank_chunks = -(-rows // CHUNK), _chunks_of(rows, processes)
    vectors: np.ndarray | None = None
    # Round by round, so that beside the result only a few chunks are in memory.
    for round_start in range(0, chunks, processes.world):
        chunk = round_start + processes.rank
        chunk_vectors = workspace.read_array(_chunk_name(chunk)) if chunk in rank_chunks else None
        for offset, part in enumerate(processes.gather(chunk_vectors)):
            if part is None:
                continue
            if vectors is None:
                vectors = np.empty((rows, part.shape[1]), dtype=np.float32)
            start = (round_start + offset) * CHUNK
            vectors[start : start + len(part)] = part
    if vectors is None:
        raise ValueError("no rows to embed")
    return vectors


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
