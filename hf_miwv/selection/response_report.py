"""Count chosen responses that would do harm, beside a sample of all: for the record and the screen."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from hf_miwv.results.methods import row_keys
from hf_miwv.results.scored_record import ResponseFaults
from hf_miwv.rows.rows import Rows
from hf_miwv.rows.schema import Shape
from hf_miwv.selection.response_faults import KINDS, find_faults, identifier_name, languages, usual_languages

SAMPLE = 1000  # rows beside which the chosen ones are held: enough for a share, and told in a second or two (ours)
FIRST_ROWS = 20  # chosen rows of each kind that are named


def report_responses(dataset: Dataset, shape: Shape, kept: np.ndarray) -> ResponseFaults:
    """Count responses that a person should look at before training on them; none is dropped for it.

    Args:
        dataset (`Dataset`): N scored rows.
        shape (`Shape`): Their shape.
        kept (`np.ndarray`): (K,) positions of the chosen rows.

    Returns:
        `ResponseFaults`: By kind of `response_faults.KINDS`, the number of chosen rows, and of a hashed sample of
        all rows; the numbers (`row`) of the first chosen ones. A language is another than the set's where less
        than `LANGUAGE_SHARE` of the sample has it.
    """
    keys = row_keys(dataset)
    sample = sorted(sorted(range(len(keys)), key=keys.__getitem__)[:SAMPLE])  # the lowest hashes
    sample_responses = _responses(dataset.select(sample), shape)
    sample_languages = languages(sample_responses)
    usual = usual_languages(sample_languages)
    chosen_responses = _responses(dataset.select(kept), shape)
    chosen_languages = languages(chosen_responses)
    faults = _faults(chosen_responses, chosen_languages, usual)
    numbers = dataset.select(kept)["row"]
    first = {
        kind: [int(number) for number, row_faults in zip(numbers, faults, strict=True) if kind in row_faults][
            :FIRST_ROWS
        ]
        for kind in KINDS
    }
    return {
        "identifier": identifier_name(),
        "usual_languages": sorted(usual),
        "chosen_rows": len(kept),
        "sample_rows": len(sample),
        "chosen": _count(faults),
        "sample": _count(_faults(sample_responses, sample_languages, usual)),
        "first": {kind: rows for kind, rows in first.items() if rows},
    }


def _faults(responses: list[str], codes: list[str | None], usual: set[str]) -> list[list[str]]:
    """List all faults of each response, with its language among them."""
    pairs = zip(find_faults(responses), codes, strict=True)
    return [
        [*row_faults, *(["other_language"] if code is not None and code not in usual else [])]
        for row_faults, code in pairs
    ]


def _count(faults: list[list[str]]) -> dict[str, int]:
    return {kind: sum(kind in row_faults for row_faults in faults) for kind in KINDS}


def _responses(rows: Dataset, shape: Shape) -> list[str]:
    examples = (example for block in Rows(rows, shape).blocks() for example in block)
    return [example.response for example in examples]
