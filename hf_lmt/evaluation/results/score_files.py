"""scores.json and scores.csv: the figures of directions put together."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.direction_scores import pooled
from hf_lmt.evaluation.evaluation_folder import FORMAT
from hf_lmt.evaluation.evaluation_plan import Plan
from hf_lmt.evaluation.metrics.aggregation import aggregate, groups_of
from hf_lmt.evaluation.metrics.normal_forms import by_language
from hf_lmt.evaluation.sets.reference_results import METRICS as PAPER_METRICS
from hf_lmt.evaluation.sets.reference_results import reference_results

PAPER_SET = ("flores-devtest", 1012)
SIZES = ("0.6B", "1.7B", "4B", "8B")
COLUMNS = ("direction", "kind", "name", "value", "low", "high", "count", "rows", "note", "signature")


def summarize(figures: Mapping[Direction, dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """Build the content of scores.json, as `evaluation_folder` describes it, of each direction's figures.

    Args:
        figures (`Mapping[Direction, dict[str, Any]]`): {direction: its figures}, to which the paper's own scores
            are added.
        plan (`Plan`): The plan of the evaluation.

    Returns:
        `dict[str, Any]`: The content, such as JSON holds.
    """
    for direction, direction_figures in figures.items():
        direction_figures["paper"] = (
            _paper(direction) if (plan.opened.name, direction_figures["lines"]) == PAPER_SET else None
        )
    return {
        "format": FORMAT,
        "set": plan.opened.name,
        "metrics": plan.metrics,
        "marks": list(plan.marks),
        "directions": {str(direction): direction_figures for direction, direction_figures in figures.items()},
        "groups": _groups(figures, plan.missing),
        "not_nfc": by_language(figures),
        "missing": {str(direction): reason for direction, reason in plan.missing.items()},
    }


def _groups(figures: Mapping[Direction, dict[str, Any]], missing: Mapping[Direction, str]) -> dict[str, Any]:
    values = {
        direction: {name: score["value"] for name, score in direction_figures["scores"].items()}
        for direction, direction_figures in figures.items()
    }
    groups = {}
    for group, means in aggregate(values, [*figures, *missing]).items():
        members = [direction for direction in figures if group in groups_of(direction)]
        names = dict.fromkeys(name for direction in members for name in figures[direction]["behavior"])
        groups[group] = {
            "scores": {
                name: {**asdict(mean), "missing": [*map(str, mean.missing)], "apart": [*map(str, mean.apart)]}
                for name, mean in means.items()
            },
            "behavior": {
                name: pooled(
                    figures[direction]["behavior"][name]
                    for direction in members
                    if name in figures[direction]["behavior"]
                )
                for name in names
            },
            "paper": _paper_means([figures[direction]["paper"] for direction in members]),
        }
    return groups


def _paper(direction: Direction) -> dict[str, dict[str, float]] | None:
    """Return the scores that the paper reports of its own models in this direction, by size."""
    results_by_size = {size: reference_results(size).get(direction) for size in SIZES}
    return {size: scores for size, scores in results_by_size.items() if scores} or None


def _paper_means(members: Iterable[dict[str, dict[str, float]] | None]) -> dict[str, Any] | None:
    """Return the paper's figures over the same directions; None where it lacks one of them."""
    results = list(members)
    whole = [result for result in results if result is not None]
    if not whole or len(whole) < len(results):
        return None
    return {
        size: {metric: sum(result[size][metric] for result in whole) / len(whole) for metric in PAPER_METRICS}
        for size in SIZES
    }


def as_csv(scores: Mapping[str, Any]) -> str:
    """Write scores.csv: each direction's scores and rates, and the directions without.

    Args:
        scores (`Mapping[str, Any]`): The content of scores.json.

    Returns:
        `str`: The text of the file.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for name, direction_figures in scores["directions"].items():
        for kind, figures in (("score", direction_figures["scores"]), ("behavior", direction_figures["behavior"])):
            for figure, content in figures.items():
                table.writerow(
                    {
                        "direction": name,
                        "kind": kind,
                        "name": figure,
                        "rows": content.get("rows", direction_figures["lines"]),
                        "note": "; ".join(_notes(content, scores["marks"])),
                        **{
                            column: content[column]
                            for column in ("value", "low", "high", "count", "signature")
                            if content.get(column) is not None
                        },
                    }
                )
    for name, reason in scores["missing"].items():
        table.writerow({"direction": name, "kind": "missing", "note": reason})
    return text.getvalue()


def _notes(content: Mapping[str, Any], marks: Sequence[str]) -> list[str]:
    return [*marks, *(content[name] for name in ("unavailable", "unreliable") if content.get(name))]
