"""Rates of misbehavior by direction, for `evaluate.load(metric_path("behavior"))`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.metrics.behavior import behavior_rates

DESCRIPTION = """
How often translations in mixed directions are off target, copies, blank, too long, repetitive, or
the answer to several sources (output fan-in).
"""
INPUTS = """
predictions: translations. references, sources, directions: one for each, directions as "en-kk".
Returns direction -> rate -> value, count, rows, unjudged and signature.
"""


class HfLmtBehaviour(evaluate.Metric):
    """`behavior_rates` of each direction among the rows."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="arXiv 2511.07003",
            inputs_description=INPUTS,
            features=datasets.Features(predictions=text, references=text, sources=text, directions=text),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        sources: Sequence[str],
        directions: Sequence[str],
    ) -> dict[str, Any]:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, direction in enumerate(directions):
            rows[direction].append(row)
        return {
            name: {
                kind: {
                    "value": rate.value,
                    "count": rate.count,
                    "rows": rate.rows,
                    "unjudged": rate.unjudged,
                    "signature": rate.signature,
                }
                for kind, rate in behavior_rates(
                    [sources[row] for row in row_indices],
                    [predictions[row] for row in row_indices],
                    parse_direction(name),
                    [references[row] for row in row_indices],
                ).items()
            }
            for name, row_indices in sorted(rows.items())
        }
