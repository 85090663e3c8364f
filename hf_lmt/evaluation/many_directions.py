"""The statistics of many directions, in several processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import repeat
from typing import NamedTuple

from hf_lmt.directions import Direction
from hf_lmt.errors import InputError
from hf_lmt.evaluation.corpus_scores import (
    DEFAULT_METRICS,
    Statistics,
    check_metrics,
    sentence_statistics,
)
from hf_lmt.evaluation.judgeable import why_not_judgeable


class Translations(NamedTuple):
    """One direction's (S,) hypotheses and (S,) references, in the same order."""

    direction: Direction
    hypotheses: Sequence[str]
    references: Sequence[str]


def statistics_of_directions(
    translations: Iterable[Translations],
    metrics: Sequence[str] = DEFAULT_METRICS,
    num_proc: int = 1,
) -> Iterator[tuple[Direction, dict[str, Statistics]]]:
    """Each direction in the order given, with the statistics of each metric that can judge it.

    A metric that cannot is left out; `judgeable.why_not_judgeable` says why. What comes out does
    not depend on the number of processes.

    Args:
        num_proc: processes, 1 or more; 1 starts none.

    Raises:
        InputError: as `corpus_scores`, naming the direction; num_proc is below 1; or a process was
            killed from outside.
    """
    names = check_metrics(metrics)
    if num_proc < 1:
        raise InputError(f"num_proc {num_proc}: give 1 or more processes")
    if num_proc == 1:
        yield from map(_statistics, translations, repeat(names))
        return
    context = multiprocessing.get_context("spawn")  # a fork beside torch's threads can hang
    with ProcessPoolExecutor(num_proc, mp_context=context) as pool:
        try:
            yield from pool.map(_statistics, translations, repeat(names))
        except BrokenProcessPool as error:
            raise InputError(
                f"one of the {num_proc} scoring processes was killed, perhaps for want of memory; "
                "run again with a smaller num_proc"
            ) from error


def _statistics(
    translations: Translations, metrics: Sequence[str]
) -> tuple[Direction, dict[str, Statistics]]:
    direction, hypotheses, references = translations
    try:
        return direction, {
            metric: sentence_statistics(hypotheses, references, direction.target, metric)
            for metric in metrics
            if why_not_judgeable(metric, direction.target) is None
        }
    except InputError as error:
        raise InputError(f"{direction}: {error}") from error
