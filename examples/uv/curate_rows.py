# /// script
# requires-python = ">=3.11"
# dependencies = ["hf-miwv-lmt[curate,evaluate]==0.1.0"]
# ///
"""Filter translations on the Hub, and push those that stay as a data set whose card says what went, and why.

    hf jobs uv run --flavor cpu-xl --timeout 2h --secrets HF_TOKEN examples/uv/curate_rows.py \\
        OWNER/TRANSLATIONS USER/TRANSLATIONS-curated --directions "en-de,de-en"

Rows have a column for each language, `{"translation": {"en": .., "de": ..}}`, or source and target. Steps are those
of `hf-lmt curate`; `--steps '{"digits": true, "contamination": {"sets": "none"}}'` sets them otherwise.
`--max-samples 1000` tries it on the first rows. The repository that is made is private, unless `--public` is given.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from hf_lmt import InputError, Source, match_directions, push, steps_from
from hf_lmt.data.curation.curate_source import curate_source
from hf_lmt.directions import DIRECTIONS


def main() -> None:
    options = read_options()
    split = options.split if options.max_samples is None else f"{options.split}[:{options.max_samples}]"
    with tempfile.TemporaryDirectory() as folder:
        ## keep the rows that no step has a reason against

        curated = Path(folder) / "curated"
        run = curate_source(
            Source(options.input, split=split, license=options.license),
            curated,
            steps_from(json.loads(options.steps)),
            directions=match_directions(options.directions.split(",")) if options.directions else DIRECTIONS,
        )

        ## to the Hub, with the card that says what went

        push(curated, options.output, private=not options.public)
    counts = run["counts"]
    print(f"pushed: {options.output}, {counts['rows_out']:,} of {counts['rows_in']:,} rows")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="data set on the Hub: OWNER/NAME")
    parser.add_argument("output", help="data set to write: USER/NAME")
    parser.add_argument("--split", default="train")
    parser.add_argument("--directions", help='with commas between: "en-*,*-zh"; all that are there by default')
    parser.add_argument("--steps", default="{}", help="settings of the steps, as JSON")
    parser.add_argument("--license", help="of the rows, by the Hub's name, for the card")
    parser.add_argument("--max-samples", type=int, help="read so many rows of the split, the first ones")
    parser.add_argument("--public", action="store_true", help="a repository that is made can be read by all")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
