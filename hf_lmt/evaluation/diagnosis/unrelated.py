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
    """Compute the chrF++ that 95 % of pairs of different sentences stay below.

    Pairs of distinct texts that follow each other in the order of their hashes, up to 400.

    Args:
        texts (`Sequence[str]`): Sentences of the target language.
        target (`str`): Code of that language.

    Returns:
        `float | None`: chrF++, 0 to 100; None with fewer than 3 distinct texts.
    """
    distinct = {normalized(text): text for text in sorted(texts)}
    order = sorted(filter(None, distinct), key=lambda key: xxhash.xxh3_64_intdigest(key.encode()))
    chosen = [distinct[key] for key in order[: PAIRS + 1]]
    if len(chosen) < 3:
        return None
    statistics = sentence_statistics(chosen[1:], chosen[:-1], target, "chrf++")
    return float(np.percentile(values_of(statistics, statistics.counts), PERCENT))


def unrelated(statistics: Statistics, flags: dict[str, np.ndarray], level: float) -> np.ndarray:
    """Flag outputs whose sentence chrF++ is at most `level`, where no other measure says why.

    Args:
        statistics (`Statistics`): (S,) lines, of "chrf++".
        flags (`dict[str, np.ndarray]`): (S,) flags of behavior; blank, copied and off-target outputs are left to
            those.
        level (`float`): Of `chance_level`.

    Returns:
        `np.ndarray`: (S,) bool.
    """
    low = values_of(statistics, statistics.counts) <= level
    for name in EXCUSES:
        low &= ~flags.get(name, np.zeros(len(low), bool))
    return low
