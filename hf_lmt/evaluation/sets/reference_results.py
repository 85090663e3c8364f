"""The figures that the paper reports for its own models, to be set beside others.

They are the rows of `reference/lmt_flores200_devtest.csv`; their source stands in the README.md
beside that file.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from hf_lmt.directions import Direction, parse_direction
from hf_miwv.common.errors import InputError, did_you_mean

METRICS = ("comet", "bleu")

Results = dict[Direction, dict[str, float]]


def reference_results(size: str) -> Results:
    """Return the paper's results of a final LMT-60 model on FLORES-200 devtest.

    COMET-22 and sacreBLEU's BLEU, each from 0 to 100, for the 234 directions in their order; COMET
    as printed, also into languages where it is unreliable (`Language.comet`). Of arXiv 2511.07003;
    it names no tokenizers for BLEU.

    Args:
        size (`str`): Size of the model: "0.6B", "1.7B", "4B" or "8B".

    Returns:
        `Results`: {direction: {"comet": .., "bleu": ..}}.

    Raises:
        InputError: The paper has no model of this size; it has 0.6B, 1.7B, 4B and 8B.
    """
    results = _results_by_size()
    if size not in results:
        raise InputError(f"no reference results for size {size!r}: {did_you_mean(str(size), results)}")
    return {direction: dict(scores) for direction, scores in results[size].items()}


@cache
def _results_by_size() -> dict[str, Results]:
    path = files("hf_lmt") / "evaluation" / "reference" / "lmt_flores200_devtest.csv"
    results: dict[str, Results] = {}
    for row in csv.DictReader(path.read_text("utf-8").splitlines()):
        scores = {metric: float(row[metric]) for metric in METRICS}
        results.setdefault(row["size"], {})[parse_direction(row["direction"])] = scores
    return results
