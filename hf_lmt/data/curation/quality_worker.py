"""COMET's scores, in the environment that COMET is installed in.

    python quality_worker.py MODEL [BATCH_SIZE]

This file imports nothing of ours and runs alone: COMET needs other versions of transformers than
we do. It reads lines {"src": ..., "mt": ...} and writes a line {"score": ...} for each, in order;
whatever else is printed goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import islice

CHUNK = 64  # batches that are given to COMET at once, which sorts them by length


def main(name: str, batch_size: int) -> None:
    """Score the pairs of standard input, a JSON object per line, until it ends.

    Args:
        name (`str`): A COMET model without reference: its id on the Hub, or a checkpoint.
        batch_size (`int`): Pairs at a time.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print would be taken for a score

    import torch
    from comet import download_model, load_from_checkpoint

    model = load_from_checkpoint(name if os.path.isfile(name) else download_model(name))
    gpus = int(torch.cuda.is_available())
    # COMET sorts what it gets by length, so chunks are much larger than a
    # batch; flushed, a chunk survives a kill.
    while lines := list(islice(sys.stdin, CHUNK * batch_size)):
        pairs = [json.loads(line) for line in lines]
        prediction = model.predict(pairs, batch_size=batch_size, gpus=gpus, progress_bar=False)
        answers.writelines(json.dumps({"score": float(score)}) + "\n" for score in prediction.scores)
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 16)
