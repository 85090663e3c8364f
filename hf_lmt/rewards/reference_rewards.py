"""Rewards by the overlap with a reference: chrF and BLEU of each sentence, by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from hf_lmt.evaluation.metrics.corpus_scores import check_metrics, sentence_statistics, values_of
from hf_lmt.evaluation.metrics.judgeable import why_not_judgeable
from hf_lmt.languages import language
from hf_lmt.rewards.reward_columns import Completion, check_columns, completion_texts
from hf_miwv.common.errors import InputError


def chrf(completions: Sequence[Completion], target: Sequence[str] | None = None, **_: Any) -> list[float]:
    """Reward by sentence-level chrF against the reference, from 0 to 1.

    chrF / 100: the F-score, with recall weighing twice as much as precision, of character n-grams from 1 to 6
    (Popović 2015, https://aclanthology.org/W15-3049), as sacreBLEU counts it. It depends on no language.

    Reads `target`.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        target (`Sequence[str]`): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) rewards.

    Raises:
        InputError: The column is missing or has another length, or sacreBLEU (extra `evaluate`) is missing.
    """
    texts = completion_texts(completions)
    check_columns("chrf", len(texts), target=target)
    if not texts:
        return []
    statistics = sentence_statistics(texts, target or (), "en", "chrf")
    return (values_of(statistics, statistics.counts) / 100).tolist()


def bleu(
    completions: Sequence[Completion],
    target: Sequence[str] | None = None,
    target_lang: Sequence[str] | None = None,
    **_: Any,
) -> list[float]:
    """Reward by sentence-level BLEU against the reference, from 0 to 1.

    BLEU / 100 with effective order and exponential smoothing, as sacreBLEU's `sentence_score` counts it
    (Papineni et al. 2002; Chen and Cherry 2014): the geometric mean of the precisions of those of 1- to 4-grams
    that the sentence is long enough for, times the brevity penalty. Words are those of sacreBLEU's tokenizer
    for the target language.

    Reads `target` and `target_lang`.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        target (`Sequence[str]`): (N,) references.
        target_lang (`Sequence[str]`): (N,) codes.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) rewards.

    Raises:
        InputError: A column is missing or has another length, an unknown language, or sacreBLEU or a
            segmenter of Japanese or Korean (extra `evaluate`) is missing.
    """
    texts = completion_texts(completions)
    check_columns("bleu", len(texts), target=target, target_lang=target_lang)
    return [
        _sentence_bleu(language(code).code).sentence_score(text, [reference]).score / 100
        for text, reference, code in zip(texts, target or (), target_lang or (), strict=True)
    ]


@cache
def _sentence_bleu(code: str) -> Any:
    check_metrics(["bleu"])
    if reason := why_not_judgeable("bleu", code):
        raise InputError(f"reward bleu: {reason}")
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=True, tokenize=language(code).sacrebleu_tokenizer)
