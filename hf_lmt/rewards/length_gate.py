"""The gate on length: a translation about as long as its source says it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hf_lmt.evaluation.metrics.text_measures import blanks, lengths
from hf_lmt.languages import language
from hf_lmt.rewards.gate import Reasons, gate
from hf_lmt.rewards.reward_columns import check_columns

MIN_RATIO, MAX_RATIO, ALLOWANCE = 0.6, 1.8, 10.0
LENGTH_FACTORS = {
    **{"am": 0.94, "ar": 0.92, "az": 1.09, "bg": 1.08, "bn": 0.99, "bo": 1.22, "cs": 0.97, "da": 1.01, "de": 1.2},
    **{"el": 1.2, "en": 1.0, "es": 1.15, "fa": 0.99, "fi": 1.09, "fr": 1.19, "he": 0.81, "hi": 1.05, "hr": 1.03},
    **{"hu": 1.12, "hy": 1.07, "id": 1.16, "is": 1.07, "it": 1.17, "ja": 0.99, "ka": 1.07, "kk": 1.06, "km": 1.15},
    **{"ko": 0.91, "ky": 1.02, "lo": 1.07, "mr": 1.06, "ms": 1.12, "my": 1.28, "nb": 1.02, "ne": 1.0, "nl": 1.18},
    **{"pl": 1.12, "ps": 0.99, "pt": 1.12, "ro": 1.17, "ru": 1.1, "si": 1.06, "sk": 1.02, "sv": 1.02, "sw": 1.09},
    **{"ta": 1.28, "te": 1.02, "tg": 1.11, "th": 0.96, "tl": 1.18, "tr": 1.07, "ug": 1.25, "uk": 1.06, "ur": 1.01},
    **{"uz": 1.19, "vi": 1.1, "yue": 0.88, "zh": 0.92},
}
"""Code -> median length of a translation for each character of its English, weighted as `lengths` (NTREX-128, 1,514
lines). Languages that are not in it, jv and mvf, count as English."""


@gate
def length_ratio(
    completions: Sequence[str],
    source: Sequence[str] | None = None,
    source_lang: Sequence[str] | None = None,
    target_lang: Sequence[str] | None = None,
    **_: Any,
) -> Reasons:
    """Ask for a length that goes with the source's, by language pair.

        0.6 <= (length + 10) / (source length * f_target / f_source + 10) <= 1.8

    with lengths in characters of an alphabet (`lengths`) and f of LENGTH_FACTORS. Texts that show nothing get
    0 where their source shows something. Limits and factors are ours: of NTREX-128's human translations out of
    and into English 0.3 % of a direction's lines are below and 0.2 % above, and of these translations with
    their second half cut off 76 % are below.

    Reads `source`, `source_lang` and `target_lang`.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        source (`Sequence[str]`): (N,) source texts.
        source_lang (`Sequence[str]`): (N,) codes.
        target_lang (`Sequence[str]`): (N,) codes.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: A column is missing or has another length, or an unknown language.
    """
    columns = {"source": source, "source_lang": source_lang, "target_lang": target_lang}
    check_columns("length_ratio", len(completions), **columns)
    reasons: Reasons = []
    for text_blank, source_blank, length, source_length, origin, target in zip(
        blanks(completions).tolist(),
        blanks(source or ()).tolist(),
        lengths(completions).tolist(),
        lengths(source or ()).tolist(),
        source_lang or (),
        target_lang or (),
        strict=True,
    ):
        ratio = (length + ALLOWANCE) / (source_length * _factor(target) / _factor(origin) + ALLOWANCE)
        if text_blank and not source_blank:
            reasons.append("empty")
        elif ratio < MIN_RATIO:
            reasons.append("too short for its source")
        else:
            reasons.append("too long for its source" if ratio > MAX_RATIO else None)
    return reasons


def _factor(code: str) -> float:
    return LENGTH_FACTORS.get(language(code).code, 1.0)
