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
from hf_lmt.evaluation.sets.set_lines import EvaluationSet

PAPER_SET = ("flores-devtest", 1012)
SIZES = ("0.6B", "1.7B", "4B", "8B")
COLUMNS = ("direction", "kind", "name", "value", "low", "high", "count", "rows", "note", "signature")


def summarize(figures: Mapping[Direction, dict[str, Any]], plan: Plan) -> dict[str, Any]:
    """Build the content of scores.json, as `folder` describes it, of each direction's figures."""
    for direction, own in figures.items():
        own["paper"] = _paper(direction) if _is_paper_set(plan.opened, own["lines"]) else None
    return {
        "format": FORMAT,
        "set": plan.opened.name,
        "metrics": plan.metrics,
        "marks": list(plan.marks),
        "directions": {str(direction): own for direction, own in figures.items()},
        "groups": _groups(figures, plan.missing),
        "not_nfc": by_language(figures),
        "missing": {str(direction): reason for direction, reason in plan.missing.items()},
    }


def _groups(figures: Mapping[Direction, dict[str, Any]], missing: Mapping[Direction, str]) -> dict[str, Any]:
    values = {
        direction: {name: score["value"] for name, score in own["scores"].items()}
        for direction, own in figures.items()
    }
    groups = {}
    for group, means in aggregate(values, [*figures, *missing]).items():
        members = [one for one in figures if group in groups_of(one)]
        names = dict.fromkeys(name for one in members for name in figures[one]["behavior"])
        groups[group] = {
            "scores": {
                name: {**asdict(mean), "missing": [*map(str, mean.missing)], "apart": [*map(str, mean.apart)]}
                for name, mean in means.items()
            },
            "behavior": {
                name: pooled(figures[one]["behavior"][name] for one in members if name in figures[one]["behavior"])
                for name in names
            },
            "paper": _paper_means([figures[one]["paper"] for one in members]),
        }
    return groups


def _is_paper_set(opened: EvaluationSet, lines: int) -> bool:
    return (opened.name, lines) == PAPER_SET


def _paper(direction: Direction) -> dict[str, dict[str, float]] | None:
    """Return the scores that the paper reports of its own models in this direction, by size."""
    found = {size: reference_results(size).get(direction) for size in SIZES}
    return {size: scores for size, scores in found.items() if scores} or None


def _paper_means(members: Iterable[dict[str, dict[str, float]] | None]) -> dict[str, Any] | None:
    """The paper's figures over the same directions; None where it lacks one of them."""
    found = list(members)
    whole = [one for one in found if one is not None]
    if not whole or len(whole) < len(found):
        return None
    return {
        size: {metric: sum(one[size][metric] for one in whole) / len(whole) for metric in PAPER_METRICS}
        for size in SIZES
    }


def as_csv(scores: Mapping[str, Any]) -> str:
    """Return the lines of scores.csv: each direction's scores and rates, and the directions without."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for name, own in scores["directions"].items():
        for kind, figures in (("score", own["scores"]), ("behavior", own["behavior"])):
            for figure, content in figures.items():
                table.writerow(
                    {
                        "direction": name,
                        "kind": kind,
                        "name": figure,
                        "rows": content.get("rows", own["lines"]),
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
