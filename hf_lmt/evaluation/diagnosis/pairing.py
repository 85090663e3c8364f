"""Whether two evaluations can be compared at all: the same set, lines, texts and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal

import numpy as np

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluated_record import SetFacts
from hf_lmt.evaluation.evaluation_folder import Evaluation, SentenceCounts
from hf_lmt.evaluation.metrics.corpus_scores import Statistics
from hf_miwv.common.cards.numbers import write_some
from hf_miwv.common.errors import InputError

AGAIN = "evaluate one of them again; with --hypotheses EVAL no model is needed"
BESIDE_MEAN = {
    "bleu": slice(1, 2),
    "spbleu": slice(1, 2),
    "chrf": slice(1, None, 3),
    "chrf++": slice(1, None, 3),
    "ter": slice(1, 2),
}
"""Columns of a metric's counts that the reference alone decides."""


def common_directions(before: Evaluation, after: Evaluation) -> list[Direction]:
    """List the directions that both evaluations have.

    Args:
        before (`Evaluation`): The one evaluation.
        after (`Evaluation`): The other.

    Returns:
        `list[Direction]`: The directions, in the order of the first.

    Raises:
        InputError: the evaluations are of different sets or samples of one, or have no direction in
            common.
    """
    data_before, data_after = before.run["data"], after.run["data"]
    names: tuple[Literal["name", "limit", "seed"], ...] = ("name", "limit", "seed")
    for name in names:
        if name == "seed" and data_before["limit"] is None:
            continue
        if data_before[name] != data_after[name]:
            raise InputError(
                f"{before.name} is of the set {_described(data_before)}, {after.name} of "
                f"{_described(data_after)}; give two evaluations of the same lines"
            )
    common = [direction for direction in before.directions if direction in set(after.directions)]
    if not common:
        raise InputError(
            f"no direction in common: {before.name} has {write_some(before.directions, 5)}, "
            f"{after.name} {write_some(after.directions, 5)}; evaluate both in the same directions"
        )
    return common


def check_lines(before: Evaluation, after: Evaluation, direction: Direction) -> list[str]:
    """Check that a direction has the same lines in both evaluations.

    Args:
        before (`Evaluation`): The one evaluation.
        after (`Evaluation`): The other.
        direction (`Direction`): The direction.

    Returns:
        `list[str]`: (S,) ids of the lines.

    Raises:
        InputError: they differ; the message names the first that does.
    """
    ids, others = ([str(row["id"]) for row in evaluation.hypotheses(direction)] for evaluation in (before, after))
    if ids != others:
        number, (first, second) = next(
            (number, pair_of_ids)
            for number, pair_of_ids in enumerate(zip_longest(ids, others), 1)
            if pair_of_ids[0] != pair_of_ids[1]
        )
        raise InputError(
            f"{direction}: different lines: {len(ids):,} in {before.name}, {len(others):,} in "
            f"{after.name}; line {number} is {_id(first)} and {_id(second)}; evaluate both on the "
            "same lines"
        )
    return ids


def check_counts(before: SentenceCounts, after: SentenceCounts, direction: Direction, ids: Sequence[str]) -> None:
    """Check that a direction was counted alike in both evaluations: with the same signatures and references.

    Args:
        before (`SentenceCounts`): Counts of the one evaluation, of S lines.
        after (`SentenceCounts`): Counts of the other.
        direction (`Direction`): The direction.
        ids (`Sequence[str]`): (S,) ids of the lines, for messages.

    Raises:
        InputError: signatures, references or empty sources differ; the message has in what.
    """
    for metric in before.statistics.keys() & after.statistics.keys():
        first, second = before.statistics[metric], after.statistics[metric]
        if first.signature != second.signature:
            raise InputError(
                f"{direction}: {metric} has different signatures: {first.signature} and {second.signature}; {AGAIN}"
            )
        row = _other_reference(first, second)
        if row is not None:
            raise InputError(
                f"{direction}: the references of line {row + 1} (id {ids[row]!r}) differ; the set "
                "has changed between the two: evaluate both on the same texts"
            )
    if not np.array_equal(before.has_source, after.has_source):
        row = int(np.flatnonzero(before.has_source != after.has_source)[0])
        raise InputError(
            f"{direction}: the sources of line {row + 1} (id {ids[row]!r}) differ, one is empty; "
            "evaluate both on the same texts"
        )


def check_rates(before: Evaluation, after: Evaluation, direction: Direction) -> None:
    """Check that each rate of behavior was measured alike in both evaluations.

    Args:
        before (`Evaluation`): The one evaluation.
        after (`Evaluation`): The other.
        direction (`Direction`): The direction.

    Raises:
        InputError: the signatures of one differ.
    """
    rates_before, rates_after = (
        evaluation.scores["directions"][str(direction)]["behavior"] for evaluation in (before, after)
    )
    for name in rates_before.keys() & rates_after.keys():
        first, second = rates_before[name]["signature"], rates_after[name]["signature"]
        if first != second:
            raise InputError(f"{direction}: the rate {name} has different signatures: {first} and {second}; {AGAIN}")


def _other_reference(first: Statistics, second: Statistics) -> int | None:
    """Return the first row whose counts of the reference differ; None where all are alike."""
    if first.metric not in BESIDE_MEAN:
        return None
    columns = BESIDE_MEAN[first.metric]
    differs = (first.counts[:, columns] != second.counts[:, columns]).any(axis=1)
    return int(differs.argmax()) if differs.any() else None


def _described(data: SetFacts) -> str:
    limit = "" if data["limit"] is None else f" ({data['limit']:,} lines, seed {data['seed']})"
    return f"{data['name']!r}{limit}"


def _id(row_id: str | None) -> str:
    return "missing" if row_id is None else f"id {row_id!r}"
