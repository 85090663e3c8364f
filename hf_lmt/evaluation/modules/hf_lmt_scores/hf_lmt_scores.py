"""BLEU, chrF++ and the rest by direction, for `evaluate.load(metric_path("scores"))`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.metrics.corpus_scores import DEFAULT_METRICS, corpus_scores

DESCRIPTION = """
sacreBLEU's scores of translations in mixed directions, each with the tokenizer of its target
language and its signature.
"""
INPUTS = """
predictions: translations. references: one for each. directions: one for each, such as "en-kk".
metrics: any of "bleu", "spbleu", "chrf++", "chrf", "ter" (default: bleu and chrf++).
Returns direction -> metric -> value, signature, and unavailable: why there is no value, if so.
"""


class HfLmtScores(evaluate.Metric):
    """`corpus_scores` of each direction among the rows."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=DESCRIPTION,
            citation="arXiv 2511.07003; Post 2018 (sacreBLEU)",
            inputs_description=INPUTS,
            features=datasets.Features(predictions=text, references=text, directions=text),
        )

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        directions: Sequence[str],
        metrics: Sequence[str] = DEFAULT_METRICS,
    ) -> dict[str, Any]:
        rows: dict[str, list[int]] = defaultdict(list)
        for row, direction in enumerate(directions):
            rows[direction].append(row)
        return {
            name: {
                metric: {
                    "value": score.value,
                    "signature": score.signature,
                    "unavailable": score.unavailable,
                }
                for metric, score in corpus_scores(
                    [predictions[row] for row in row_indices],
                    [references[row] for row in row_indices],
                    parse_direction(name).target,
                    metrics,
                ).items()
            }
            for name, row_indices in sorted(rows.items())
        }
