"""The figures of each direction: scores with intervals, and rates of behavior."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, NamedTuple

import pyarrow

from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluation_folder import SentenceCounts
from hf_lmt.evaluation.metrics.behavior import Identifier, Rate, behavior_rates
from hf_lmt.evaluation.metrics.confidence import confidence_interval
from hf_lmt.evaluation.metrics.corpus_scores import METRICS, Statistics, score_of
from hf_lmt.evaluation.metrics.fan_in import fan_in
from hf_lmt.evaluation.metrics.judgeable import (
    COMET_METRICS,
    check_scorer_installed,
    why_not_judgeable,
    why_unreliable,
)
from hf_lmt.evaluation.metrics.many_directions import Translations, statistics_of_directions
from hf_lmt.evaluation.metrics.normal_forms import perfect_in_nfc
from hf_lmt.evaluation.metrics.signatures import Score
from hf_lmt.evaluation.metrics.text_measures import blanks
from hf_lmt.languages import language
from hf_lmt.pool import in_processes
from hf_miwv.common.errors import InputError, did_you_mean

OTHER = "other"


class Task(NamedTuple):
    """One direction to judge, of S lines.

    Attributes:
        direction (`Direction`): The direction.
        sources (`Sequence[str]`): (S,) texts.
        hypotheses (`Sequence[str]`): (S,) translations to judge.
        references (`Sequence[str]`): (S,) translations by people.
        metrics (`Sequence[str]`): Names of metrics.
        identify (`bool`): Whether to look for other languages in the hypotheses.
    """

    direction: Direction
    sources: Sequence[str]
    hypotheses: Sequence[str]
    references: Sequence[str]
    metrics: Sequence[str]
    identify: bool


class Judged(NamedTuple):
    """Hold what was computed of one direction.

    Attributes:
        direction (`Direction`): The direction.
        figures (`dict[str, Any]`): Its part of scores.json.
        counts (`SentenceCounts`): The counts behind it.
    """

    direction: Direction
    figures: dict[str, Any]
    counts: SentenceCounts


def split_metrics(metrics: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split metrics into those that are counted here, and COMET's; "comet" is COMET-22.

    Args:
        metrics (`Sequence[str]`): Names of metrics.

    Returns:
        `tuple[list[str], list[str]]`: The counted ones and COMET's, each once.

    Raises:
        InputError: one is unknown, there is none, or sacreBLEU, which counts some, is not
            installed.
    """
    names = ["comet-22" if name == "comet" else name for name in dict.fromkeys(metrics)]
    known = [*METRICS, *COMET_METRICS]
    faults = [f"no metric {name!r}: {did_you_mean(name, [*known, 'comet'])}" for name in names if name not in known]
    if faults or not names:
        raise InputError("; ".join(faults) or f"no metric: give some of {', '.join(known)}")
    counted = [name for name in names if name in METRICS]
    check_scorer_installed(counted)
    return counted, [name for name in dict.fromkeys(names) if name in COMET_METRICS]


def judge_directions(tasks: Iterable[Task], num_proc: int) -> Iterator[Judged]:
    """Compute each task's figures, in their order; they do not depend on the number of processes.

    Args:
        tasks (`Iterable[Task]`): The texts of each direction, with the metrics to compute.
        num_proc (`int`): Processes, 1 or more.

    Yields:
        `Judged`: The figures of each direction.

    Raises:
        InputError: as `in_processes`.
    """
    return in_processes(judge, tasks, num_proc)


def judge(task: Task) -> Judged:
    """Compute the figures of one direction, COMET's excepted.

    Args:
        task (`Task`): The texts of the direction, with the metrics to compute.

    Returns:
        `Judged`: Its figures, and the counts by sentence that they follow from.
    """
    direction, sources, hypotheses, references, metrics, _ = task
    translations = Translations(direction, hypotheses, references)
    ((_, statistics),) = statistics_of_directions([translations], metrics)
    rates = behavior_rates(sources, hypotheses, direction, references, _identifier(task))
    shared = fan_in(sources, hypotheses, references)
    reasons = {name: why_not_judgeable(name, direction.target) for name in metrics}
    figures = {
        "lines": len(sources),
        "scores": {name: score_figures(statistics.get(name), name, direction, reasons[name]) for name in metrics},
        "behavior": {name: _rate_figures(rate) for name, rate in rates.items()},
        "fan_in_largest": shared.largest,
        "fan_in_examples": [list(example) for example in shared.examples],
        "paper": None,
    }
    if perfect := perfect_in_nfc(references, direction.target, metrics):
        figures["not_nfc"] = perfect
    flags = {name: rate.flags for name, rate in rates.items()}
    return Judged(direction, figures, SentenceCounts(statistics, flags, ~blanks(sources)))


def score_figures(
    statistics: Statistics | None, metric: str, direction: Direction, reason: str | None
) -> dict[str, Any]:
    """Describe a score with its interval and signature.

    Args:
        statistics (`Statistics | None`): Counts by sentence; None where the metric cannot judge.
        metric (`str`): Name of the metric.
        direction (`Direction`): The direction.
        reason (`str | None`): Why there is no score; None where there is one.

    Returns:
        `dict[str, Any]`: The fields of `Score`, and "low", "high" and "unreliable".
    """
    score = Score(None, "", reason) if statistics is None else score_of(statistics)
    figures = {**asdict(score), "low": None, "high": None, "unreliable": None}
    if statistics is not None and score.value is not None:
        figures |= asdict(confidence_interval(statistics))
        figures["unreliable"] = why_unreliable(metric, direction.target)
    return figures


def can_identify() -> bool:
    """Check whether the language identifier of `curate` is installed."""
    return find_spec("py3langid") is not None


def pooled(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Compute the rate of several directions' rows together.

    Args:
        parts (`Iterable[Mapping[str, Any]]`): "count" and "rows" of each direction.

    Returns:
        `dict[str, Any]`: "value" = count / rows (None without rows), "count" and "rows".
    """
    all_parts = list(parts)
    count, rows = (sum(part[name] for part in all_parts) for name in ("count", "rows"))
    return {"value": count / rows if rows else None, "count": count, "rows": rows}


def _rate_figures(rate: Rate) -> dict[str, Any]:
    names = ("value", "count", "rows", "unjudged", "signature")
    return {name: getattr(rate, name) for name in names}


def _identifier(task: Task) -> Identifier | None:
    """Return the identifier of texts in the target language; None for a language that it does not know."""
    if not task.identify:
        return None
    target = task.direction.target
    foreign, covered = _foreign(tuple(task.hypotheses), target)
    if not covered:
        return None
    expected_label = language(target).identification_labels[0]

    def identify(_: Sequence[str]) -> list[str]:
        return [OTHER if is_foreign else expected_label for is_foreign in foreign]

    identify.signature = f"py3langid.{version('py3langid')}"  # type: ignore[attr-defined]
    return identify


def _foreign(hypotheses: tuple[str, ...], target: str) -> tuple[list[bool], bool]:
    """Find the texts that `curate` would take for another language, and whether it knows the language."""
    step = _step()
    step.notes["not_covered"].clear()
    side = pyarrow.array(hypotheses, pyarrow.large_string())
    code = pyarrow.array([target] * len(hypotheses), pyarrow.large_string())
    rows = pyarrow.table({"source_lang": code, "target_lang": code, "source": side, "target": side})
    foreign = [reason is not None for reason in step(rows)]
    return foreign, not step.notes["not_covered"]


@cache
def _step() -> LanguageIdentification:
    return LanguageIdentification()
