"""An evaluation on the terminal: groups and metrics, the worst directions, what to know."""

from __future__ import annotations

import sys
from typing import Any

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.metrics.normal_forms import not_nfc_lines
from hf_lmt.evaluation.results.evaluation_card import group_table, silent_words, worst_directions, write_score

SHOWN = 8
STATUS_WORDS = {
    "capped": "did not end within their tokens",
    "too_long": "do not fit into the model's context and are empty",
}


def show_evaluation(evaluation: Evaluation) -> None:
    """Write the tables to standard error.

    Args:
        evaluation (`Evaluation`): The evaluation.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140, highlight=False)
    scores = evaluation.scores
    header, rows = group_table(scores)
    table = Table(
        title=f"{evaluation.run['data']['title']}: means over directions",
        box=None,
        caption="; ".join(filter(None, [*scores["marks"], silent_words(scores)])) or None,
    )
    for column_index, name in enumerate(header):
        table.add_column(name, justify="right" if column_index else "left")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    metric, worst = worst_directions(scores)
    if metric is not None:
        shown = ", ".join(f"{name} {write_score(metric, value)}" for name, value in worst)
        console.print(f"worst by {metric}: {shown}", markup=False)
    for line in warnings_of(evaluation):
        console.print(f"note: {line}", markup=False)
    console.print(f"in {evaluation.folder}: README.md, scores.json, scores.csv", markup=False)


def warnings_of(evaluation: Evaluation) -> list[str]:
    """List the warnings to read before using the figures, beside their marks.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `list[str]`: A line for each.
    """
    run, scores = evaluation.run, evaluation.scores
    lines = []
    if scores["missing"]:
        lines.append(f"{len(scores['missing'])} directions without figures: {_some(scores['missing'])}")
    for name, reason in run["unavailable_metrics"].items():
        lines.append(f"no {name}: {reason}")
    for metric in scores["metrics"]:
        for kind in ("unavailable", "unreliable"):
            lines += _reasons(scores, metric, kind, metric in run["unavailable_metrics"])
    for status, words in STATUS_WORDS.items():
        if count := run["counts"]["status"].get(status):
            lines.append(f"{count:,} translations {words}")
    lines += not_nfc_lines(scores)
    if not run["contamination"]["checked"]:
        lines.append(f"contamination is not checked: {run['contamination']['why']}")
    return lines


def _reasons(scores: dict[str, Any], metric: str, kind: str, known: bool) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, direction_figures in scores["directions"].items():
        if reason := direction_figures["scores"][metric][kind]:
            reasons.setdefault(reason, []).append(name)
    if known and kind == "unavailable":
        return []
    return [f"{metric} of {_some(names)}: {reason}" for reason, names in reasons.items()]


def _some(names: Any) -> str:
    names = list(names)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
