"""The results of a card: evaluations as tables, and as the model-index of its metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from hf_lmt.evaluation.evaluation_folder import Evaluation
from hf_lmt.evaluation.report.report_figures import METRIC_TITLES, described, measures_of
from hf_lmt.evaluation.results.evaluation_card import group_table, signature_rows, write_score
from hf_lmt.evaluation.results.evaluation_table import warnings_of
from hf_lmt.model_card.paper import TITLES
from hf_miwv.common.cards.markdown import table

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

FOLDER = "eval"
HEAT_MAP = "heat_map"
INDEXED = 20  # directions in the metadata; all are in scores.csv
PICTURED = ("comet-22", "chrf++", "bleu", "off_target_language", "fan_in")
"""Measures of the card's heat map, as many as can be read in the width of a page; all are on the
evaluation's own page."""
MAX_PICTURED = 4
HUB_METRICS = {
    "bleu": "sacrebleu",
    "spbleu": "sacrebleu",
    "chrf++": "chrf",
    "chrf": "chrf",
    "ter": "ter",
    "comet-22": "comet",
    "cometkiwi": "comet",
    "xcomet": "comet",
}


def sections(evaluations: Sequence[Evaluation], size: str | None) -> list[dict[str, Any]]:
    """Return the template's variables of each evaluation.

    Args:
        evaluations (`Sequence[Evaluation]`): E evaluations.
        size (`str`, *optional*): Size of the paper's model that is set beside, where the set is the paper's.

    Returns:
        `list[dict[str, Any]]`: E dictionaries.
    """
    return [_section(evaluation, size) for evaluation in evaluations]


def _section(evaluation: Evaluation, size: str | None) -> dict[str, Any]:
    scores, data = evaluation.scores, evaluation.run["data"]
    beside = size if size and _paper(scores, size) else None
    header, rows = group_table(scores)
    header = [METRIC_TITLES.get(name, name) for name in header]
    if beside:
        header = [*header, *(f"{title}, paper" for title in TITLES.values())]
        rows = [[*row, *_paper(scores, beside).get(row[0], ("", ""))] for row in rows]
    return {
        "set": described(evaluation)["set"],
        "place": f"{FOLDER}/{evaluation.folder.name}",
        "lines": evaluation.run["counts"]["lines"],
        "directions": len(scores["directions"]),
        "hints": evaluation.run["settings"]["hints"],
        "marks": scores["marks"],
        "notes": warnings_of(evaluation),
        "paper": beside,
        "groups": table(header, rows),
        "signatures": table(("metric", "signature"), signature_rows(scores)),
        "fingerprint": data["fingerprint"],
    }


def _paper(scores: dict[str, Any], size: str) -> dict[str, tuple[str, ...]]:
    """Return group -> the paper's figures over the same directions."""
    return {
        group: tuple(f"{group_figures['paper'][size][metric]:.2f}" for metric in TITLES)
        for group, group_figures in scores["groups"].items()
        if group_figures["paper"]
    }


def pictured(evaluation: Evaluation) -> list[str]:
    """Choose the measures of the card's heat map.

    Args:
        evaluation (`Evaluation`): The evaluation.

    Returns:
        `list[str]`: Those of PICTURED that it has, else the first that it has; MAX_PICTURED at most.
    """
    present = measures_of([evaluation])
    return ([measure for measure in PICTURED if measure in present] or present)[:MAX_PICTURED]


def eval_results(evaluations: Sequence[Evaluation]) -> list[EvalResult]:
    """Return the model-index: means of groups, and the first directions.

    What is marked (with contamination, or hints that are references) stays out, because metadata
    shows no mark; so do figures that say little of their direction.

    Args:
        evaluations (`Sequence[Evaluation]`): The evaluations.

    Returns:
        `list[EvalResult]`: A result for each figure, with names that are unique where a set was used twice.
    """
    sets = [evaluation.run["data"]["name"] for evaluation in evaluations]
    return [
        _result(evaluation, name, words, metric, value, sets.count(set_name) > 1)
        for evaluation, set_name in zip(evaluations, sets, strict=True)
        if not evaluation.scores["marks"]
        for name, words, metric, value in _figures(evaluation.scores)
    ]


def _figures(scores: dict[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """Yield name of group or direction, how to call it, metric, value."""
    for group, figures in scores["groups"].items():
        for metric, mean in figures["scores"].items():
            if mean["mean"] is not None:
                yield group, f"{group}, mean of {mean['count']}", metric, mean["mean"]
    for direction, figures in list(scores["directions"].items())[:INDEXED]:
        for metric, score in figures["scores"].items():
            if score["value"] is not None and not score["unreliable"]:
                yield direction, direction, metric, score["value"]


def _result(evaluation: Evaluation, name: str, words: str, metric: str, value: float, several: bool) -> EvalResult:
    from huggingface_hub import EvalResult

    data = evaluation.run["data"]
    return EvalResult(
        task_type="translation",
        task_name=f"Translation {name}",
        dataset_type=data["name"],
        dataset_name=f"{data['title']} ({words})",
        dataset_config=f"{evaluation.folder.name}: {name}" if several else name,
        dataset_split=data["split"],
        metric_type=HUB_METRICS[metric],
        metric_name=METRIC_TITLES[metric],
        metric_value=float(write_score(metric, value)),
    )
