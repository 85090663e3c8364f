"""Bootstrap resampling: intervals of a score, and whether two systems differ by more than chance.

Sentences are drawn with replacement, as many as there are, and the score of each such corpus is
computed from the summed counts of its sentences (Koehn 2004, "Statistical significance tests for
machine translation evaluation"). Draws, interval and p-value are those of sacreBLEU's
`--confidence` and `--paired-bs`, so the figures equal its own: NumPy's generator with seed 12345.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hf_lmt.evaluation.metrics.corpus_scores import Statistics, values_of
from hf_miwv.common.errors import InputError

SAMPLES = 1000
SEED = 12345  # sacreBLEU's own
NOTHING = 1e-9  # a difference that is rounding, in units of a metric that goes to 100
BLOCK = 4_000_000  # draws held at once


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95 % of the resampled scores: n // 40 of them are cut off on either side.

    Attributes:
        low (`float`): Its lower end, in the metric's unit.
        high (`float`): Its upper end.
    """

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare two systems on the same sentences.

    Attributes:
        first (`float`): Score of the first system.
        second (`float`): Score of the second system.
        difference (`float`): second - first.
        interval (`Interval`): Of the difference, over the same resamples for both.
        p_value (`float`): Share of resamples whose difference lies further from the mean difference than
            the observed one from zero, (c + 1) / (n + 1): two-sided, as sacreBLEU's.
        samples (`int`): n.
        seed (`int`): Seed of the draws.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    p_value: float
    samples: int
    seed: int


def confidence_interval(statistics: Statistics, samples: int = SAMPLES, seed: int = SEED) -> Interval:
    """Compute the 95 % interval of a corpus score, by the percentiles of its resamples.

    Half its width is the figure behind sacreBLEU's "±". The draws go by position, so the sentences
    must keep their order for the last digits to stay.

    Args:
        statistics (`Statistics`): Counts of S sentences.
        samples (`int`, *optional*, defaults to `SAMPLES`): Resamples.
        seed (`int`, *optional*, defaults to `SEED`): Seed of the draws.

    Returns:
        `Interval`: In the metric's unit.

    Raises:
        InputError: Fewer than 40 samples: 95 % of them cannot be told.
    """
    return percentile_interval(resampled_values(statistics, samples, seed))


def paired_bootstrap(first: Statistics, second: Statistics, samples: int = SAMPLES, seed: int = SEED) -> Comparison:
    """Test whether the second system differs from the first, on the same sentences in the same order.

    Args:
        first (`Statistics`): Counts of the first system's S sentences.
        second (`Statistics`): Counts of the second system's S sentences.
        samples (`int`, *optional*, defaults to `SAMPLES`): Resamples.
        seed (`int`, *optional*, defaults to `SEED`): Seed of the draws.

    Returns:
        `Comparison`: Difference, interval and p-value.

    Raises:
        InputError: The metrics, their settings or the numbers of sentences differ; or fewer than 40
            samples.
    """
    _check_pair(first, second)
    totals = [values_of(statistics, statistics.counts.sum(axis=0, keepdims=True))[0] for statistics in (first, second)]
    resampled = [resampled_values(statistics, samples, seed) for statistics in (first, second)]
    return compare_resampled((float(totals[0]), float(totals[1])), resampled, seed)


def compare_resampled(totals: tuple[float, float], resampled: Sequence[np.ndarray], seed: int = SEED) -> Comparison:
    """Compare two scores by their resampled values, (n,) each from the same draws.

    A mean over directions is compared by the means of their resampled values. Where neither the
    scores nor any resample differ, the p-value is 1; sacreBLEU's formula would give its least.

    Args:
        totals (`tuple[float, float]`): Both scores.
        resampled (`Sequence[np.ndarray]`): (n,) resampled scores of each.
        seed (`int`, *optional*, defaults to `SEED`): Seed that the draws were made with.

    Returns:
        `Comparison`: Difference, interval and p-value.
    """
    differences = resampled[1] - resampled[0]
    sizes = np.abs(differences)
    further = int(np.sum(sizes - sizes.mean() > abs(totals[0] - totals[1])))
    if max(float(sizes.max()), abs(totals[0] - totals[1])) <= NOTHING:
        further = len(differences)
    return Comparison(
        first=totals[0],
        second=totals[1],
        difference=totals[1] - totals[0],
        interval=percentile_interval(differences),
        p_value=(further + 1) / (len(differences) + 1),
        samples=len(differences),
        seed=seed,
    )


def resampled_values(statistics: Statistics, samples: int = SAMPLES, seed: int = SEED) -> np.ndarray:
    """Score corpora drawn from the sentences.

    The plain formula:

        score(sum of counts[draw] for draw in default_rng(seed).choice(S, (samples, S)))

    With the same seed, statistics of as many sentences are drawn alike.

    Args:
        statistics (`Statistics`): Counts of S sentences.
        samples (`int`, *optional*, defaults to `SAMPLES`): Resamples.
        seed (`int`, *optional*, defaults to `SEED`): Seed of the draws.

    Returns:
        `np.ndarray`: (samples,) scores.
    """
    sentences = len(statistics.counts)
    sums = [weights @ statistics.counts for weights in _weights(sentences, samples, seed)]
    return values_of(statistics, np.concatenate(sums))


def percentile_interval(values: np.ndarray) -> Interval:
    """Return the middle 95 % of resampled values.

    Args:
        values (`np.ndarray`): (n,) resampled values.

    Returns:
        `Interval`: In the unit of the values.

    Raises:
        InputError: There are fewer than 40.
    """
    if len(values) < 40:
        raise InputError(f"{len(values)} samples: give 40 or more, to tell 95 % of them")
    ordered, cut = np.sort(values), len(values) // 40
    return Interval(float(ordered[cut]), float(ordered[len(ordered) - cut - 1]))


def _weights(sentences: int, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each sentence is drawn: blocks of (B, S) float64, `samples` rows in all."""
    generator = np.random.default_rng(seed)
    rows = max(1, BLOCK // sentences)
    for start in range(0, samples, rows):
        draws = generator.choice(sentences, size=(min(rows, samples - start), sentences))
        flat_indices = draws + np.arange(len(draws))[:, None] * sentences
        counts = np.bincount(flat_indices.ravel(), minlength=draws.size)
        yield counts.reshape(draws.shape).astype(np.float64)


def _check_pair(first: Statistics, second: Statistics) -> None:
    if (first.metric, first.signature) != (second.metric, second.signature):
        raise InputError(
            f"{first.metric} ({first.signature}) and {second.metric} ({second.signature}) cannot "
            "be compared: give both systems' statistics of one metric with one signature"
        )
    if len(first.counts) != len(second.counts):
        raise InputError(
            f"{len(first.counts):,} and {len(second.counts):,} sentences: a paired test needs the "
            "same sentences from both systems, in the same order"
        )
