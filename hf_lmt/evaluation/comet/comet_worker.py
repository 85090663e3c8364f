"""COMET's side of `comet.CometScorer`: run by the Python of COMET's own environment.

    python -I comet_worker.py --model Unbabel/wmt22-comet-da < rows.jsonl > scores.jsonl

A row is {"src": ..., "mt": ..., "ref": ...} (no "ref" for a model without references). The first
line out is {"signature": ...}, then one {"score": ...} for each row, in order, after each block.
It imports nothing of this package, which that environment does not have; -I keeps its folder off
the path, where comet.py would be taken for COMET.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice
from typing import Any, TextIO


def main() -> None:
    """Answer blocks of rows with their scores, until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--block", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=16)
    options = parser.parse_args()
    answers = redirect_stdout()
    model, gpus = load(options.model)
    signature = f"model:{options.model}|unbabel-comet:{version('unbabel-comet')}"
    print(json.dumps({"signature": signature}), file=answers, flush=True)
    for rows in blocks(sys.stdin, options.block):
        prediction = model.predict(rows, batch_size=options.batch_size, gpus=gpus, progress_bar=False, num_workers=0)
        for score in prediction["scores"]:
            print(json.dumps({"score": float(score)}), file=answers)
        answers.flush()


def redirect_stdout() -> TextIO:
    """Keep standard output for the answers alone: whatever else is printed goes to standard error.

    Returns:
        `TextIO`: The stream that writes to the standard output of before, in UTF-8.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def load(name: str) -> tuple[Any, int]:
    """Load a model by its name on the Hub or the path of a checkpoint, and say how many GPUs to use.

    Not by COMET's `download_model`: that hides why the Hub refused, be it a gate or no network, and
    goes on to an address that may never answer.

    Args:
        name (`str`): Name on the Hub, or path of a checkpoint.

    Returns:
        `tuple[Any, int]`: The model, and the number of GPUs: 1 where there is CUDA, else 0.
    """
    import torch
    from comet import load_from_checkpoint
    from huggingface_hub import snapshot_download

    path = name
    if not os.path.exists(name):
        path = os.path.join(snapshot_download(name), "checkpoints", "model.ckpt")
    return load_from_checkpoint(path), 1 if torch.cuda.is_available() else 0


def blocks(lines: TextIO, size: int) -> Iterator[list[dict[str, str]]]:
    """Yield the rows of standard input, up to `size` at a time.

    Args:
        lines (`TextIO`): Lines of JSON, such as standard input.
        size (`int`): Rows of a block, at most.

    Yields:
        `list[dict[str, str]]`: The next rows.
    """
    while block := [json.loads(line) for line in islice(lines, size)]:
        yield block


if __name__ == "__main__":
    main()
