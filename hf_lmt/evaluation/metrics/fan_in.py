"""Output fan-in: one translation that answers many different sources.

A model that ignores its source writes the same fluent sentence for several; in the paper's
directional degeneration this is what is left of translation (arXiv
2511.07003). The measure is ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_lmt.evaluation.metrics.corpus_scores import check_texts
from hf_lmt.evaluation.metrics.text_measures import normalized


@dataclass(frozen=True, slots=True)
class FanIn:
    """Which outputs answer several sources.

    Attributes:
        shared (`np.ndarray`): (S,) bool: the row's output also answers another source that differs.
        largest (`int`): Different sources behind one output, the most there are; 1 where none is shared.
        examples (`tuple[tuple[str, int], ...]`): (output, different sources behind it) of the five largest.
    """

    shared: np.ndarray
    largest: int
    examples: tuple[tuple[str, int], ...]


def fan_in(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None = None) -> FanIn:
    """Find the rows of one direction whose output answers another, different source as well.

    Outputs and sources count as the same by `text_measures.normalized`. Sources with the same
    reference count as the same, too, where references are given: "Hi!" and "Hello!" may both be
    "Hallo!". Blank outputs are the blank rate's, and share nothing here.

    Args:
        sources (`Sequence[str]`): (S,) texts.
        hypotheses (`Sequence[str]`): (S,) outputs.
        references (`Sequence[str]`, *optional*): (S,) translations by people.

    Returns:
        `FanIn`: (S,) bool of the rows, the sources behind the output that has most, and up to five such outputs.

    Raises:
        InputError: the lists differ in length, are empty, or hold something other than text.
    """
    texts_by_name = {"sources": sources, "hypotheses": hypotheses}
    check_texts(**texts_by_name, **({} if references is None else {"references": references}))
    normalized_sources = [normalized(text) for text in sources]
    normalized_references = [normalized(text) for text in references] if references is not None else None
    meanings = _meanings(normalized_sources, normalized_references)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(hypotheses):
        if key := normalized(text):
            rows[key].append(row)
    behind = {key: len({meanings[row] for row in rows_of_text}) for key, rows_of_text in rows.items()}
    shared = np.zeros(len(sources), bool)
    for key, rows_of_text in rows.items():
        shared[rows_of_text] = behind[key] > 1
    largest = sorted((key for key in rows if behind[key] > 1), key=lambda key: (-behind[key], key))
    examples = tuple((hypotheses[rows[key][0]], behind[key]) for key in largest[:5])
    return FanIn(shared, max(behind.values(), default=1), examples)


def _meanings(sources: Sequence[str], references: Sequence[str] | None) -> list[int]:
    """Return (S,) numbers, equal for rows whose sources, or else references, are the same."""
    first: dict[tuple[str, str], int] = {}
    meanings = []
    for row, source in enumerate(sources):
        keys = [("source", source)]
        if references is not None and references[row]:
            keys.append(("reference", references[row]))
        number = min((first[key] for key in keys if key in first), default=row)
        first.update((key, number) for key in keys if key not in first)
        meanings.append(number)
    return meanings
