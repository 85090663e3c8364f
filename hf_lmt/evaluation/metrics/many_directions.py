"""The statistics of many directions, in several processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.corpus_scores import DEFAULT_METRICS, Statistics, check_metrics, sentence_statistics
from hf_lmt.evaluation.metrics.judgeable import why_not_judgeable
from hf_lmt.pool import in_processes
from hf_miwv.common.errors import InputError


class Translations(NamedTuple):
    """Hold the S lines of one direction.

    Attributes:
        direction (`Direction`): The direction.
        hypotheses (`Sequence[str]`): (S,) translations to judge.
        references (`Sequence[str]`): (S,) translations by people, in the same order.
    """

    direction: Direction
    hypotheses: Sequence[str]
    references: Sequence[str]


def statistics_of_directions(
    translations: Iterable[Translations],
    metrics: Sequence[str] = DEFAULT_METRICS,
    num_proc: int = 1,
) -> Iterator[tuple[Direction, dict[str, Statistics]]]:
    """Yield each direction in the order given, with the statistics of each metric that can judge it.

    A metric that cannot is left out; `judgeable.why_not_judgeable` says why. The statistics do
    not depend on the number of processes.

    Args:
        translations (`Iterable[Translations]`): The directions.
        metrics (`Sequence[str]`, *optional*, defaults to `DEFAULT_METRICS`): Names of metrics.
        num_proc (`int`, *optional*, defaults to `1`): Processes, 1 or more; 1 starts none.

    Yields:
        `tuple[Direction, dict[str, Statistics]]`: A direction, and statistics by metric.

    Raises:
        InputError: as `corpus_scores`, naming the direction; num_proc is below 1; or a process was
            killed from outside.
    """
    run = partial(_statistics, metrics=check_metrics(metrics))
    yield from in_processes(run, translations, num_proc)


def _statistics(translations: Translations, metrics: Sequence[str]) -> tuple[Direction, dict[str, Statistics]]:
    direction, hypotheses, references = translations
    try:
        return direction, {
            metric: sentence_statistics(hypotheses, references, direction.target, metric)
            for metric in metrics
            if why_not_judgeable(metric, direction.target) is None
        }
    except InputError as error:
        raise InputError(f"{direction}: {error}") from error
