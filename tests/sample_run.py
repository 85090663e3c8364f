"""Score columns and run.json records made up for the tests of statistics, pictures and card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hf_miwv.results.score_columns import ScoreColumns
from hf_miwv.results.statistics import compare_lengths, describe, summarize

NAN = float("nan")


def make_columns(
    miwv: Sequence[float],
    tokens: Sequence[int] | None = None,
    similarity: Sequence[float] | None = None,
    neighbor: Sequence[int] | None = None,
    rows: Sequence[int] | None = None,
) -> ScoreColumns:
    """Columns with these values; a nan score is a row with an empty response."""
    scores = np.array(miwv, dtype=np.float64)
    count = len(scores)
    zero_shot = np.where(np.isnan(scores), NAN, 2.0)
    return ScoreColumns(
        row=np.array(range(count) if rows is None else rows, dtype=np.int64),
        miwv=scores,
        loss_zero_shot=zero_shot,
        loss_one_shot=zero_shot + scores,
        neighbor=np.array([(i + 1) % count for i in range(count)] if neighbor is None else neighbor),
        neighbor_similarity=np.array([0.5] * count if similarity is None else similarity),
        response_tokens=np.array([10] * count if tokens is None else tokens, dtype=np.int64),
        status=["empty_response" if np.isnan(score) else "ok" for score in scores],
        flags=[[] for _ in scores],
    )


def random_columns(rows: int, seed: int = 0) -> ScoreColumns:
    """Short answers with wide scores, long answers with narrow ones."""
    random = np.random.default_rng(seed)
    tokens = np.maximum(1, random.lognormal(4, 1, rows)).astype(np.int64)
    return make_columns(random.normal(0, 3 / np.sqrt(tokens)), tokens, random.uniform(0.4, 1, rows))


def take(columns: ScoreColumns, index: Sequence[int]) -> ScoreColumns:
    """The rows at these places."""

    def part(values: Any) -> Any:
        if values is None:  # a column that was not asked for
            return None
        if isinstance(values, np.ndarray):
            return values[list(index)]
        return [values[i] for i in index]

    return ScoreColumns(**{name: part(values) for name, values in vars(columns).items()})


def make_scored_run(columns: ScoreColumns, source: str = "tatsu-lab/alpaca") -> dict[str, Any]:
    """What `score` records."""
    return {
        "format": 1,
        "command": "score",
        "command_line": ["hf-miwv", "score", source, "--model", "/models/tiny model"],
        "package": {"name": "hf_miwv", "version": "0.1.0"},
        "versions": {"python": "3.11.7", "torch": "2.6.0"},
        "data": {
            "source": source,
            "split": "train",
            "config": None,
            "revision": None,
            "license": None,
            "fingerprint": "d1",
            "rows": len(columns.miwv),
            "shape": "alpaca",
            "columns": {},
        },
        "model": {
            "source": "/models/tiny model",
            "revision": None,
            "dtype": "float32",
            "parameters": 134515008,
            "fingerprint": "m1",
            "device": "cpu",
        },
        "embedder": {
            "source": "BAAI/bge-large-en-v1.5",
            "revision": "abc",
            "pooling": "mean",
            "text": "rendered",
            "fingerprint": "e1",
            "max_tokens": 256,
            "prompts_cut": 3,
        },
        "template": {"name": "alpaca", "sha256": "t1"},
        "settings": {
            "max_length": 2048,
            "batch_tokens": 4096,
            "avoid_duplicate_neighbors": False,
            "also": [],
            "keep_embeddings": False,
        },
        "statistics": describe(columns),
        "demonstrations_with_empty_response": 0,
        "stages": {
            "embed": {"rows": 4, "tokens": 3000},
            "neighbors": {"rows": 4},
            "score": {
                "rows": 4,
                "tokens": 5000,
                "forwarded_tokens": 6000,
                "row_tokens": 2500,
                "reuse": {"all of the neighbor's pass": 3},
            },
        },
        "timing": {
            "finished": "x",
            "peak_memory_bytes": 3 * 2**29,
            "seconds": {"embed": 1.5, "neighbors": 0.0, "score": 2.5},
        },
    }


def make_chosen_run(columns: ScoreColumns, kept: Sequence[int], source: str = "tatsu-lab/alpaca") -> dict[str, Any]:
    """What `select` records for the rows at places `kept`, best first."""
    scored_run = make_scored_run(columns, source)
    chosen = take(columns, kept)
    return {
        **{name: scored_run[name] for name in ("format", "package", "versions", "data", "model")},
        "command": "select",
        "command_line": ["hf-miwv", "select", "/somewhere/scored", "--fraction", "0.5"],
        "statistics": describe(chosen),
        "lengths": compare_lengths(chosen.response_tokens, columns.response_tokens[columns.scored]),
        "selection": {
            "method": "miwv",
            "seed": 0,
            "fraction": "0.5",
            "count": None,
            "threshold": None,
            "diversity": None,
            "all_rows": len(columns.miwv),
            "scored_rows": int(columns.scored.sum()),
            "kept": len(kept),
            "passed_over": 0,
            "lowest_kept_score": float(chosen.miwv[-1]),
            "note": None,
            "scores": {
                "chosen": summarize(chosen.miwv),
                "all": summarize(columns.miwv[columns.scored]),
            },
        },
        "scored_run": scored_run,
    }
