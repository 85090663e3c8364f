"""BLEU, spBLEU, chrF++, chrF and TER of a corpus, all by sacreBLEU, from counts per sentence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hf_lmt.evaluation.metrics.judgeable import check_scorer_installed, why_not_judgeable
from hf_lmt.evaluation.metrics.signatures import Score
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.former_names import former_names
from hf_miwv.common.internals.of_sacrebleu import sentence_counts

METRICS = ("bleu", "spbleu", "chrf++", "chrf", "ter")
DEFAULT_METRICS = ("bleu", "chrf++")
LOWER_IS_BETTER = ("ter",)


@dataclass(frozen=True, slots=True)
class Statistics:
    """The counts per sentence that a corpus score is a function of; sums and resamples reuse them.

    Attributes:
        metric (`str`): Name of the metric, one of METRICS, or of a sentence score (`mean_statistics`).
        counts (`np.ndarray`): (S, C) float64, a row per sentence. BLEU: words of the hypothesis and of the
            reference, matched 1- to 4-grams, 1- to 4-grams of the hypothesis. chrF: for each order n-grams of
            hypothesis and reference, and matched ones. TER: edits, reference words. Means: the value and 1.
        signature (`str`): Of every score made of them.
        settings (`tuple[tuple[str, Any], ...]`, *optional*, defaults to `()`): What the metric is built with, as
            sorted pairs.
    """

    metric: str
    counts: np.ndarray
    signature: str
    settings: tuple[tuple[str, Any], ...] = ()


@former_names({"target": "tgt_lang"})
def corpus_scores(
    hypotheses: Sequence[str],
    references: Sequence[str],
    tgt_lang: str,
    metrics: Sequence[str] = DEFAULT_METRICS,
) -> dict[str, Score]:
    """Score the translations of one direction against one reference each.

    They equal those of the `sacrebleu` command to the last digit. BLEU's tokenizer is that of the
    target language in the registry (`Language.sacrebleu_tokenizer`); chrF++ is chrF with word
    bigrams; TER takes Chinese, Cantonese and Japanese character by character.

    Args:
        hypotheses (`Sequence[str]`): (S,) translations.
        references (`Sequence[str]`): (S,) references, in the same order.
        tgt_lang (`str`): Code of the language translated into.
        metrics (`Sequence[str]`, *optional*, defaults to `DEFAULT_METRICS`): Any of METRICS.

    Returns:
        `dict[str, Score]`: Metric -> score: 0 to 100, for TER edits per 100 words. Where a metric cannot
        judge this language or something that it needs is missing, the value is None with a reason.

    Raises:
        InputError: The lists differ in length, are empty or hold something other than text, or a
            metric or the language is unknown.
    """
    check_texts(hypotheses=hypotheses, references=references)
    scores = {}
    for metric in check_metrics(metrics):
        if reason := why_not_judgeable(metric, tgt_lang):
            scores[metric] = Score(None, "", reason)
        else:
            scores[metric] = score_of(sentence_statistics(hypotheses, references, tgt_lang, metric))
    return scores


def sentence_statistics(hypotheses: Sequence[str], references: Sequence[str], target: str, metric: str) -> Statistics:
    """Count for each sentence the figures that the corpus score is made of; see `corpus_scores`.

    Args:
        hypotheses (`Sequence[str]`): (S,) translations.
        references (`Sequence[str]`): (S,) references, in the same order.
        target (`str`): Code of the language translated into.
        metric (`str`): One of METRICS.

    Returns:
        `Statistics`: (S, C) counts.

    Raises:
        InputError: As `corpus_scores`, and where the metric cannot judge the language.
    """
    check_texts(hypotheses=hypotheses, references=references)
    check_metrics([metric])
    if reason := why_not_judgeable(metric, target):
        raise InputError(f"{metric}: {reason}")
    settings = _settings(metric, target)
    scorer = _scorer(metric, settings)
    counts = sentence_counts(scorer, hypotheses, references)
    signature = scorer.get_signature().format()
    return Statistics(metric, np.array(counts, np.float64), signature, settings)


def mean_statistics(metric: str, values: Iterable[float], signature: str) -> Statistics:
    """Make statistics of a metric whose corpus score is the mean over sentences: COMET, rates.

    Args:
        metric (`str`): Name of the metric.
        values (`Iterable[float]`): (S,) sentence scores; one that is NaN weighs nothing.
        signature (`str`): Signature of every score made of them.

    Returns:
        `Statistics`: (S, 2) counts, the value and 1.
    """
    column = np.fromiter(values, np.float64)
    known = np.isfinite(column)
    counts = np.stack([np.where(known, column, 0.0), known.astype(np.float64)], axis=1)
    return Statistics(metric, counts, signature)


def score_of(statistics: Statistics) -> Score:
    """Compute the score of all the sentences together.

    Args:
        statistics (`Statistics`): Counts of S sentences.

    Returns:
        `Score`: The score, with its signature.
    """
    value = values_of(statistics, statistics.counts.sum(axis=0, keepdims=True))[0]
    if np.isnan(value):
        return Score(None, "", "no sentence has a score")
    return Score(float(value), statistics.signature)


def values_of(statistics: Statistics, sums: np.ndarray) -> np.ndarray:
    """Score N corpora by the sums of their sentences' counts.

    BLEU, chrF and TER by sacreBLEU's formulas; NaN is the mean of no sentence.

    Args:
        statistics (`Statistics`): Metric and settings.
        sums (`np.ndarray`): (N, C) sums of counts.

    Returns:
        `np.ndarray`: (N,) scores.
    """
    if statistics.metric not in METRICS:
        with np.errstate(invalid="ignore"):
            return sums[:, 0] / sums[:, 1]
    scorer = _scorer(statistics.metric, statistics.settings)
    rows = sums.tolist()
    return np.array([scorer._compute_score_from_stats(row).score for row in rows])


def check_metrics(metrics: Sequence[str]) -> list[str]:
    """Return the metrics, each once.

    Args:
        metrics (`Sequence[str]`): Names of metrics.

    Returns:
        `list[str]`: The names, in their order.

    Raises:
        InputError: One is unknown, they are a text instead of a list, or sacreBLEU is not installed.
    """
    if isinstance(metrics, str):
        raise InputError(f"metrics {metrics!r}: give a list, such as [{metrics!r}]")
    faults = [f"no metric {name!r}: {did_you_mean(str(name), METRICS)}" for name in metrics if name not in METRICS]
    if faults:
        raise InputError("; ".join(faults))
    check_scorer_installed(metrics)
    return list(dict.fromkeys(metrics))


def check_texts(**columns: Sequence[str]) -> None:
    """Check that columns are lists of texts, of one length and not empty.

    Args:
        **columns (`Sequence[str]`): The texts, by the name that messages call them.

    Raises:
        InputError: one is a single text, holds something else, is empty, or has another length.
    """
    for name, texts in columns.items():
        if isinstance(texts, str):
            raise InputError(f"{name} is one text: give a list, a text for each sentence")
        wrong = next((row for row, text in enumerate(texts) if not isinstance(text, str)), None)
        if wrong is not None:
            raise InputError(
                f"{name}: row {wrong} holds {texts[wrong]!r}, not a text; an empty translation is an empty text"
            )
    lengths = {name: len(texts) for name, texts in columns.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{size:,} {name}" for name, size in lengths.items())
        raise InputError(f"{counts}: give as many of each, in the same order")
    if not all(lengths.values()):
        raise InputError(f"there are no {' and no '.join(lengths)}: give at least one sentence")


def _settings(metric: str, target: str) -> tuple[tuple[str, Any], ...]:
    """Return the arguments that differ from the defaults of sacreBLEU's metric."""
    if metric == "bleu":
        return (("tokenize", language(target).sacrebleu_tokenizer),)
    if metric == "spbleu":
        return (("tokenize", "flores200"),)
    if metric == "chrf++":
        return (("word_order", 2),)
    if metric == "ter" and "Hani" in language(target).scripts:
        return (("asian_support", True), ("normalized", True))
    return ()


@lru_cache(maxsize=64)
def _scorer(metric: str, settings: tuple[tuple[str, Any], ...]) -> Any:
    from sacrebleu.metrics import BLEU, CHRF, TER

    kinds = {"bleu": BLEU, "spbleu": BLEU, "chrf++": CHRF, "chrf": CHRF, "ter": TER}
    return kinds[metric](**dict(settings))
