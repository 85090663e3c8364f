"""Outputs that have nothing to do with their reference: fluent, perhaps, but of another sentence.

A model that ignores its source need not write the same for several; then fan-in stays low, and what
shows is that its outputs are as far from their references as any other sentences are. The measure
is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xxhash

from hf_lmt.evaluation.metrics.corpus_scores import Statistics, sentence_statistics, values_of
from hf_lmt.evaluation.metrics.text_measures import normalized

PAIRS = 400
PERCENT = 95
EXCUSES = ("blank", "copy", "off_target_script", "off_target_language")


def chance_level(texts: Sequence[str], target: str) -> float | None:
    """chrF++ that 95 % of pairs of different sentences stay below; None with fewer than 3 texts.

    Pairs of distinct texts that follow each other in the order of their hashes, up to 400.
    """
    distinct = {normalized(text): text for text in sorted(texts)}
    order = sorted(filter(None, distinct), key=lambda key: xxhash.xxh3_64_intdigest(key.encode()))
    chosen = [distinct[key] for key in order[: PAIRS + 1]]
    if len(chosen) < 3:
        return None
    statistics = sentence_statistics(chosen[1:], chosen[:-1], target, "chrf++")
    return float(np.percentile(values_of(statistics, statistics.counts), PERCENT))


def unrelated(statistics: Statistics, flags: dict[str, np.ndarray], level: float) -> np.ndarray:
    """(S,) bool: sentence chrF++ is at most `level`, and no other measure says why.

    Args:
        statistics: of "chrf++".
        flags: of behavior; blank, copied and off-target outputs are left to those.
    """
    low = values_of(statistics, statistics.counts) <= level
    for name in EXCUSES:
        low &= ~flags.get(name, np.zeros(len(low), bool))
    return low
