# /// script
# requires-python = ">=3.11"
# dependencies = ["hf-miwv-lmt[translate]==0.1.0"]
# ///
"""Translate a column of a data set on the Hub, and push the rows with the translation as a data set.

    hf jobs uv run --flavor l4x1 --timeout 4h --secrets HF_TOKEN examples/uv/translate_rows.py \\
        OWNER/NAME USER/NAME-de --column text --from en --to de --model NiuTrans/LMT-60-0.6B

Languages are LMT's codes (`hf-lmt languages` lists the 60). `--max-samples 100` tries it on the first rows. The
repository that is made is private, unless `--public` is given.
"""

from __future__ import annotations

import argparse
import sys

import torch
from datasets import load_dataset

from hf_lmt import InputError, Translator


def main() -> None:
    options = read_options()
    if not torch.cuda.is_available():
        print("no GPU here: translating will be slow; give a --flavor with one, such as l4x1", file=sys.stderr)
    split = options.split if options.max_samples is None else f"{options.split}[:{options.max_samples}]"
    rows = load_dataset(options.input, split=split)
    if options.column not in rows.column_names:
        raise InputError(f"--column {options.column}: no such column; there are: {', '.join(rows.column_names)}")

    ## the texts, with equal lengths together and each distinct one once

    translator = Translator(options.model, max_new_tokens=options.max_new_tokens)
    translations = translator(rows[options.column][:], options.source, options.target)

    ## to the Hub, beside what the rows had

    name = f"{options.column}_{options.target}"
    translated = rows.add_column(name, translations)
    # The rows are of a slice, such as train[:100], which is no name of a split.
    translated.push_to_hub(options.output, split=options.split, private=not options.public)
    print(f"pushed: {options.output}, {len(rows)} rows with {name}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="data set on the Hub: OWNER/NAME")
    parser.add_argument("output", help="data set to write: USER/NAME")
    parser.add_argument("--column", default="text", help="the texts")
    parser.add_argument("--from", dest="source", required=True, help="language of the texts, such as en")
    parser.add_argument("--to", dest="target", required=True, help="language to translate into, such as de")
    parser.add_argument("--model", default="NiuTrans/LMT-60-0.6B", help="an LMT model, or another that can translate")
    parser.add_argument("--split", default="train")
    parser.add_argument("--max-new-tokens", type=int, default=512, help="tokens of a translation, at most")
    parser.add_argument("--max-samples", type=int, help="read so many rows of the split, the first ones")
    parser.add_argument("--public", action="store_true", help="a repository that is made can be read by all")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
