"""Of several rows with one prompt, the one with the highest score."""

from __future__ import annotations

import numpy as np
import xxhash

from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.runs.json_text import json_text
from hf_miwv.rows.examples import Example
from hf_miwv.rows.rows import Rows

ONE_PER = ("prompt",)


def check_one_per(one_per: str | None) -> None:
    """Check by what rows are to be taken together.

    Args:
        one_per (`str`, *optional*): "prompt", or None for every row by itself.

    Raises:
        InputError: another word.
    """
    if one_per is not None and one_per not in ONE_PER:
        raise InputError(f"one per {one_per!r} is not one of ours: {did_you_mean(one_per, ONE_PER)}")


def best_of_prompt(rows: Rows, scores: np.ndarray) -> np.ndarray:
    """Leave a score to the best row of each prompt alone, the first of equals.

    By the method `perplexity_low` that is the response with the lowest L(y|x), as GRAPE chooses among
    several responses to one instruction (arXiv 2502.04194). Two prompts are one where all turns before
    the response and the tools are.

    Args:
        rows (`Rows`): N rows.
        scores (`np.ndarray`): (N,) float64, nan for none.

    Returns:
        `np.ndarray`: (N,) float64, nan also for the rows that another row with their prompt stands before.
    """
    prompts = [_digest(example) for block in rows.blocks() for example in block]
    best = np.full(len(scores), np.nan)
    seen: set[bytes] = set()
    for row in np.argsort(-scores, kind="stable").tolist():  # nan sorts last
        if np.isfinite(scores[row]) and prompts[row] not in seen:
            seen.add(prompts[row])
            best[row] = scores[row]
    return best


def _digest(example: Example) -> bytes:
    return xxhash.xxh3_128_digest(json_text([example.conversation, example.tools], sort_keys=True).encode())
