"""References that are not in Unicode's form NFC, and what they cost a perfect translation.

Rows that models are trained on are in NFC (`data.normal_form`), and references are scored as their
set has them, as sacreBLEU does: so a translation that is right to the last character can be counted
as wrong. Scores stay as they are; this says how much is at stake, for each language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.corpus_scores import corpus_scores
from hf_lmt.languages import language


def perfect_in_nfc(references: Sequence[str], target: str, metrics: Sequence[str]) -> dict[str, Any] | None:
    """Score the references themselves in form NFC; None where they are in it already.

    Args:
        references (`Sequence[str]`): (S,) texts, as the set has them.
        target (`str`): Code of their language.
        metrics (`Sequence[str]`): Names of metrics, of `corpus_scores.METRICS`.

    Returns:
        `dict[str, Any] | None`: "count", references that are not in NFC; "rows", S; and "scores", {metric: value,
        or None where the metric cannot judge}.
    """
    return _perfect(tuple(references), target, tuple(metrics))


@lru_cache(maxsize=8)  # in a multi-way set each language has the same references many times over
def _perfect(references: tuple[str, ...], target: str, metrics: tuple[str, ...]) -> dict[str, Any] | None:
    normal = [unicodedata.normalize("NFC", text) for text in references]
    count = sum(normal_text != other for normal_text, other in zip(normal, references, strict=True))
    if not count:
        return None
    scores = corpus_scores(normal, references, target, metrics)
    return {
        "count": count,
        "rows": len(references),
        "scores": {name: score.value for name, score in scores.items()},
    }


def by_language(figures: Mapping[Direction, Mapping[str, Any]]) -> dict[str, Any]:
    """Collect `perfect_in_nfc` of each target language, of its direction with the most lines.

    Args:
        figures (`Mapping[Direction, Mapping[str, Any]]`): {direction: its figures}.

    Returns:
        `dict[str, Any]`: {code: the figures of its references}, of languages with references that are not in NFC.
    """
    by_code: dict[str, Any] = {}
    for direction, direction_figures in figures.items():
        part = direction_figures.get("not_nfc")
        known = by_code.get(direction.target)
        if part and (known is None or part["rows"] > known["rows"]):
            by_code[direction.target] = part
    return dict(sorted(by_code.items()))


def not_nfc_lines(scores: Mapping[str, Any]) -> list[str]:
    """Write a sentence for each language of scores.json whose references are not all in NFC.

    Args:
        scores (`Mapping[str, Any]`): The content of scores.json.

    Returns:
        `list[str]`: The sentences, without full stops.
    """
    return [
        f"{part['count']:,} of {part['rows']:,} references in {language(code).name} ({code}) are "
        "not in Unicode's form NFC: a perfect translation in NFC would get "
        f"{', '.join(_values(part['scores'])) or 'less than full marks'}"
        for code, part in scores.get("not_nfc", {}).items()
    ]


def not_nfc_rows(scores: Mapping[str, Any]) -> list[list[str]]:
    """Make the card's table: language, references, those not in NFC, and each metric.

    Args:
        scores (`Mapping[str, Any]`): The content of scores.json.

    Returns:
        `list[list[str]]`: The cells of each language.
    """
    return [
        [
            f"{language(code).name} ({code})",
            f"{part['rows']:,}",
            f"{part['count']:,}",
            *(_number(part["scores"].get(name)) for name in scores["metrics"]),
        ]
        for code, part in scores.get("not_nfc", {}).items()
    ]


def _values(scores: Mapping[str, float | None]) -> Iterable[str]:
    return [f"{name} {value:.1f}" for name, value in scores.items() if value is not None]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
