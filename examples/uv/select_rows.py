# /// script
# requires-python = ">=3.11"
# dependencies = ["hf-miwv-lmt[index]==0.1.0"]
# ///
"""Keep the rows of a data set on the Hub that would teach a model most, and push them as a data set.

    hf jobs uv run --flavor l4x1 --timeout 4h --secrets HF_TOKEN examples/uv/select_rows.py \\
        tatsu-lab/alpaca USER/alpaca-5-percent --model Qwen/Qwen3-0.6B-Base --fraction 0.05

Every row is scored by MIWV (arXiv 2511.07074): how badly the model does on it even with its nearest neighbor as a
worked example. `--max-samples 500` tries it on the first rows. The repository that is made is private, unless
`--public` is given; its card says how the rows were chosen.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from hf_miwv import InputError, push, score, select


def main() -> None:
    options = read_options()
    if not torch.cuda.is_available():
        print("no GPU here: scoring will be slow; give a --flavor with one, such as l4x1", file=sys.stderr)
    split = options.split if options.max_samples is None else f"{options.split}[:{options.max_samples}]"
    with tempfile.TemporaryDirectory() as folder:
        scored, chosen = Path(folder) / "scored", Path(folder) / "chosen"

        ## score every row, then keep the highest

        score(options.input, options.model, split=split, embedder=options.embedder, output_dir=scored)
        select(scored, fraction=options.fraction, output_dir=chosen)

        ## to the Hub, with the card that select wrote

        push(chosen, options.output, private=not options.public)
    print(f"pushed: {options.output}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="data set on the Hub: OWNER/NAME")
    parser.add_argument("output", help="data set to write: USER/NAME")
    parser.add_argument("--model", default="Qwen/Qwen3-0.6B-Base", help="the model that is to be tuned")
    parser.add_argument("--embedder", default="BAAI/bge-large-en-v1.5", help="what finds the neighbors")
    parser.add_argument("--split", default="train")
    parser.add_argument("--fraction", default="0.05", help="share of the rows to keep")
    parser.add_argument("--max-samples", type=int, help="read so many rows of the split, the first ones")
    parser.add_argument("--public", action="store_true", help="a repository that is made can be read by all")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
