"""Lines to look at: the worst of each direction, and some that a hash has chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xxhash

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.corpus_scores import values_of
from hf_lmt.evaluation.sets.set_lines import Lines
from hf_lmt.evaluation.sets.sets import set_of
from hf_miwv.common.errors import InputError

EACH = 5  # lines of a direction for each reason to be shown
SENTENCE_METRICS = ("chrf++", "chrf")


def texts_of(evaluation: Evaluation) -> tuple[dict[Direction, Lines], str]:
    """Read sources and references of each direction from the set that was evaluated.

    A set that has changed since is not shown.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `tuple[dict[Direction, Lines], str]`: {direction: lines} and ""; or nothing, and the reason why they are
        not at hand.
    """
    try:
        opened = set_of(evaluation)
    except InputError as error:
        return {}, str(error)
    lines_by_direction = {direction: opened.lines(direction) for direction in evaluation.directions}
    return {direction: lines for direction, lines in lines_by_direction.items() if lines is not None}, ""


def examples_of(evaluations: Sequence[Evaluation], direction: Direction, texts: Lines | None) -> list[dict[str, Any]]:
    """Choose lines of one direction to look at, each once: {"id", "why", "source", "reference", "outputs"}.

    "why": "worst N" for the five lowest by sentence chrF++ of system N, "fall" for the five that
    fall most from the first system to the second, "chosen" for five by a hash of their id.
    "outputs": one for each system, {"text", "score", "flags"}, or None where it lacks the line.
    "source" and "reference" are None where `texts` is.

    Args:
        evaluations (`Sequence[Evaluation]`): The systems.
        direction (`Direction`): The direction.
        texts (`Lines | None`): Sources and references of its lines; None leaves them out.

    Returns:
        `list[dict[str, Any]]`: The lines, the worst of the first system before the others.
    """
    systems = [_rows(evaluation, direction) for evaluation in evaluations]
    ids = list(dict.fromkeys(row_id for rows in systems for row_id in rows))
    chosen: dict[str, list[str]] = {}
    for system, rows in enumerate(systems):
        for row_id in _lowest({row_id: row["score"] for row_id, row in rows.items()}):
            chosen.setdefault(row_id, []).append(f"worst {system}")
    if len(systems) > 1:
        for row_id in _lowest(_falls(*systems[:2])):
            chosen.setdefault(row_id, []).append("fall")
    for row_id in sorted(ids, key=lambda row_id: xxhash.xxh3_64_intdigest(row_id.encode()))[:EACH]:
        chosen.setdefault(row_id, []).append("chosen")
    index_of_row = {} if texts is None else {row_id: index for index, row_id in enumerate(texts.ids)}
    return [
        {
            "id": row_id,
            "why": why,
            "source": texts.sources[index_of_row[row_id]] if texts and row_id in index_of_row else None,
            "reference": texts.references[index_of_row[row_id]] if texts and row_id in index_of_row else None,
            "outputs": [rows.get(row_id) for rows in systems],
        }
        for row_id, why in chosen.items()
    ]


def _rows(evaluation: Evaluation, direction: Direction) -> dict[str, dict[str, Any]]:
    """Id -> text, sentence score and flags of each line; empty where the direction is missing."""
    if direction not in evaluation.directions:
        return {}
    rows = evaluation.hypotheses(direction)
    scores = _sentence_scores(evaluation, direction, len(rows))
    return {
        str(row["id"]): {"text": row["hypothesis"], "score": score, "flags": row["flags"].split()}
        for row, score in zip(rows, scores, strict=True)
    }


def _sentence_scores(evaluation: Evaluation, direction: Direction, lines: int) -> list[float | None]:
    statistics = evaluation.counts(direction).statistics
    metric = next((name for name in SENTENCE_METRICS if name in statistics), None)
    if metric is None:
        return [None] * lines
    return np.round(values_of(statistics[metric], statistics[metric].counts), 1).tolist()


def _falls(first: Mapping[str, dict[str, Any]], second: Mapping[str, dict[str, Any]]) -> dict[str, float | None]:
    """Id -> how far the second system's score is above the first's, where it is below."""
    falls = {}
    for row_id in first.keys() & second.keys():
        before, after = first[row_id]["score"], second[row_id]["score"]
        if before is not None and after is not None and after < before:
            falls[row_id] = after - before
    return falls


def _lowest(values: Mapping[str, float | None]) -> list[str]:
    known = {row_id: value for row_id, value in values.items() if value is not None}
    return sorted(known, key=lambda row_id: (known[row_id], row_id))[:EACH]
