# /// script
# requires-python = ">=3.11"
# dependencies = ["hf-miwv-lmt[evaluate,translate]==0.1.0"]
# ///
"""Judge how a model on the Hub translates, by direction, and push the figures as a data set.

    hf jobs uv run --flavor l4x1 --timeout 4h --secrets HF_TOKEN examples/uv/evaluate_model.py \\
        ntrex-128 USER/figures-of-my-model --model USER/my-translator --directions "en-de,de-en"

The evaluation set is one that `hf-lmt evaluate` knows, or a data set on the Hub with a column for each language.
`--max-samples 100` judges a sample of its lines. What is pushed holds no text of the set. The repository that is
made is private, unless `--public` is given.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from hf_lmt import InputError, Source, evaluate, push


def main() -> None:
    options = read_options()
    if not torch.cuda.is_available():
        print("no GPU here: translating will be slow; give a --flavor with one, such as l4x1", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        ## translate the set, and compare with what it says

        figures = Path(folder) / "figures"
        evaluate(
            Source(options.input, split=options.split),
            figures,
            model=options.model,
            directions=options.directions.split(",") if options.directions else None,
            metrics=options.metrics.split(","),
            max_samples=options.max_samples,
        )

        ## to the Hub, with the card that evaluate wrote

        push(figures, options.output, private=not options.public)
    print(f"pushed: {options.output}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="evaluation set: flores-devtest, ntrex-128, wmt24++ ... or OWNER/NAME")
    parser.add_argument("output", help="data set to write: USER/NAME")
    parser.add_argument("--model", required=True, help="the model that is judged")
    parser.add_argument("--split", help="split of a set that has several")
    parser.add_argument("--directions", help='with commas between: "en-de,*-zh"; all of the set by default')
    parser.add_argument("--metrics", default="bleu,chrf++", help="with commas between")
    parser.add_argument("--max-samples", type=int, help="lines that are judged, the same in all directions")
    parser.add_argument("--public", action="store_true", help="a repository that is made can be read by all")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
