"""Translations of the watched rows to figures: by direction, by group, and under logged names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.aggregation import GroupMean, aggregate
from hf_lmt.evaluation.metrics.behavior import behavior_rates
from hf_lmt.evaluation.metrics.corpus_scores import LOWER_IS_BETTER, corpus_scores
from hf_lmt.evaluation.metrics.judgeable import why_not_judgeable
from hf_lmt.training.watching.sample import WatchedRow
from hf_lmt.translation.requests import Translation
from hf_miwv.common.errors import InputError, did_you_mean

NAMES = {"chrf++": "chrf", "bleu": "bleu", "spbleu": "spbleu", "ter": "ter"}
"""Metric -> what it is called in logs, where `+` is not allowed everywhere. Plain chrF is not
offered, so that `chrf` means one thing."""
RATES = {
    "off_target_script": "off_target",
    "copy": "copy",
    "fan_in": "fan_in",
    "blank": "blank",
}

Figures = dict[Direction, dict[str, Any]]
Values = Mapping[Direction, Mapping[str, float | None]]


def check_watched_metrics(metrics: Sequence[str]) -> tuple[str, ...]:
    """Check the metrics to watch.

    Args:
        metrics (`Sequence[str]`): Names of metrics.

    Returns:
        `tuple[str, ...]`: The metrics, each once.

    Raises:
        InputError: one is not in NAMES, or there is none.
    """
    if isinstance(metrics, str) or not metrics:
        raise InputError(f"metrics {metrics!r}: give a list, such as ['chrf++', 'bleu']")
    for metric in metrics:
        if metric not in NAMES:
            raise InputError(f"metric {metric!r}: {did_you_mean(str(metric), NAMES)}")
    return tuple(dict.fromkeys(metrics))


def judge(rows: Sequence[WatchedRow], translations: Sequence[Translation], metrics: Sequence[str]) -> Figures:
    """Compute scores, rates and counts of each direction, from its rows and their translations.

    A blank translation is judged as it is, which is a score of 0 for its sentence.

    Args:
        rows (`Sequence[WatchedRow]`): W rows.
        translations (`Sequence[Translation]`): (W,) their translations.
        metrics (`Sequence[str]`): Names of metrics, of NAMES.

    Returns:
        `Figures`: {direction: its figures}.
    """
    indices_by_direction: dict[Direction, list[int]] = {}
    for row_index, row in enumerate(rows):
        indices_by_direction.setdefault(row.direction, []).append(row_index)
    figures: Figures = {}
    for direction, row_indices in indices_by_direction.items():
        sources, targets = [rows[index].source for index in row_indices], [rows[index].target for index in row_indices]
        texts = [translations[index].text for index in row_indices]
        scores = corpus_scores(texts, targets, direction.target, metrics)
        rates = behavior_rates(sources, texts, direction, targets)
        figures[direction] = {
            "rows": len(row_indices),
            "statuses": dict(sorted(Counter(translations[index].status for index in row_indices).items())),
            "scores": {
                metric: {
                    "value": score.value,
                    "signature": score.signature,
                    **({"unavailable": score.unavailable} if score.unavailable else {}),
                }
                for metric, score in scores.items()
            },
            "rates": {
                name: {
                    "value": rates[name].value,
                    "count": rates[name].count,
                    "rows": rates[name].rows,
                    "unjudged": rates[name].unjudged,
                    "signature": rates[name].signature,
                }
                for name in RATES
            },
        }
    return figures


def values_of_figures(figures: Figures) -> dict[Direction, dict[str, float | None]]:
    """Collect each direction's values by logged name.

    Args:
        figures (`Figures`): {direction: its figures}.

    Returns:
        `dict[Direction, dict[str, float | None]]`: {direction: {logged name: value}}, None where there is no
        value.
    """
    return {
        direction: {
            **{NAMES[name]: score["value"] for name, score in direction_figures["scores"].items()},
            **{RATES[name]: rate["value"] for name, rate in direction_figures["rates"].items()},
        }
        for direction, direction_figures in figures.items()
    }


def logged_numbers(values: Values, by_direction: Sequence[str]) -> dict[str, float]:
    """Name the numbers to log: `eval_chrf_en2x`, `eval_fan_in_x2en_low`, `eval_chrf_en-kk`.

    Means of groups (`evaluation.aggregation.aggregate`, with `_` for `/`), and of the names in
    `by_direction` also each direction; what has no value is left out.

    Args:
        values (`Values`): {direction: {logged name: value}}.
        by_direction (`Sequence[str]`): Logged names of which each direction is logged, too.

    Returns:
        `dict[str, float]`: {key: number}, in the units of the metrics; rates as shares.
    """
    numbers = {
        f"eval_{name}_{group.replace('/', '_')}": figure.mean
        for group, names in group_means(values).items()
        for name, figure in names.items()
        if figure.mean is not None
    }
    for direction, names in values.items():
        for name in by_direction:
            if (value := names.get(name)) is not None:
                numbers[f"eval_{name}_{direction}"] = value
    return numbers


def group_means(values: Values) -> dict[str, dict[str, GroupMean]]:
    """Average over groups of directions, by `aggregate` over no other directions than these.

    Args:
        values (`Values`): {direction: {logged name: value}}.

    Returns:
        `dict[str, dict[str, GroupMean]]`: {group: {logged name: mean}}.
    """
    return aggregate(values, expected=())


def expected_keys(directions: Sequence[Direction], metrics: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the keys that `logged_numbers` will have, and those of them that are better when lower.

    Args:
        directions (`Sequence[Direction]`): The directions that are watched.
        metrics (`Sequence[str]`): Names of metrics, of NAMES.

    Returns:
        `tuple[set[str], set[str]]`: All keys, and the lower ones.
    """
    names = [NAMES[metric] for metric in metrics]
    values = {
        direction: {
            **{NAMES[name]: 0.0 for name in metrics if not why_not_judgeable(name, direction.target)},
            **dict.fromkeys(RATES.values(), 0.0),
        }
        for direction in directions
    }
    lower = (*RATES.values(), *LOWER_IS_BETTER)
    keys = set(logged_numbers(values, names))
    return keys, {key for key in keys if key.startswith(tuple(f"eval_{prefix}_" for prefix in lower))}
