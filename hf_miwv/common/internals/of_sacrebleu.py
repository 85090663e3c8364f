"""Private names of sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def sentence_counts(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> Any:
    """Return the counts of each sentence, whose sums give a metric's score.

    Args:
        metric (`Metric`): A metric of sacreBLEU.
        hypotheses (`Sequence[str]`): (S,) texts.
        references (`Sequence[str]`): (S,) texts.

    Returns:
        `list[list[float]]`: (S, C) counts.
    """
    return metric._extract_corpus_statistics(hypotheses, [references])
