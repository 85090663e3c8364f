"""Gates on the language of a completion: the script and variant it is written in, and the language itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

import pyarrow

from hf_lmt.data.curation.identification import LanguageIdentification
from hf_lmt.data.curation.scripts import Script
from hf_lmt.languages import language
from hf_lmt.rewards.gate import Reasons, gate
from hf_lmt.rewards.reward_columns import check_columns
from hf_miwv.common.extras import need

OTHER_VARIANT_SHARE = 0.2
"""Of the characters that tell simplified from traditional Chinese, the most that may be the other's; ours."""
VARIANTS = {"Hans": "simplified", "Hant": "traditional"}

logger = logging.getLogger(__name__)


@gate
def right_script(
    completions: Sequence[str], target_lang: Sequence[str] | None = None, target: Any = None, **_: Any
) -> Reasons:
    """Ask for the scripts of the target language, and for the variant of Chinese.

    0 where less than 20 % of the letters are of the language's scripts, as in curation's filter `script`
    (texts of fewer than 10 letters pass). In Chinese and Cantonese also 0 where more than a fifth of the
    characters that only one of simplified and traditional Chinese has are the other's; right is the variant of
    the reference where that shows one, else simplified for zh and traditional for yue. The variants of
    characters are those of the library `hanzidentifier` (CC-CEDICT). Thresholds are ours; the need is shown in
    arXiv 2603.13045: systems that are rewarded by estimates write simplified characters for zh-TW.

    Reads `target_lang`; and `target` for Chinese, where it is there.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        target_lang (`Sequence[str]`): (N,) codes.
        target (`Sequence[str]`, *optional*): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: A column is missing or has another length, an unknown language, or Chinese without
            `hanzidentifier`.
    """
    check_columns("right_script", len(completions), target_lang=target_lang)
    references = [None] * len(completions) if target is None else target
    foreign = Script()(_as_rows(completions, target_lang or ()))
    reasons: Reasons = []
    for text, code, reference, identified in zip(completions, target_lang or (), references, foreign, strict=True):
        if identified is not None:
            reasons.append("in another script")
        else:
            reasons.append(_wrong_variant(text, code, reference) if _written_variant(code) else None)
    return reasons


@gate
def right_language(completions: Sequence[str], target_lang: Sequence[str] | None = None, **_: Any) -> Reasons:
    """Ask for the target language, by the identifier of curation's filter `identification`.

    0 where the filter would take the text for another language: its labels, with those accepted besides, sum
    up to less than 0.5, or for low-resource languages none of them is first. Texts of fewer than 20 letters
    pass, for identification is a guess there, and so do those in a language that the identifier does not know
    (bo, mvf), which is logged once for each.

    Reads `target_lang`.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        target_lang (`Sequence[str]`): (N,) codes.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: The column is missing or has another length, an unknown language, or the identifier
            (extra `curate`) is not installed.
    """
    check_columns("right_language", len(completions), target_lang=target_lang)
    step = _identification()
    step.notes["not_covered"].clear()
    foreign = step(_as_rows(completions, target_lang or ()))
    for code in step.notes["not_covered"]:
        _warn_once(code)
    return [None if reason is None else "in another language" for reason in foreign]


def _as_rows(texts: Sequence[str], codes: Sequence[str]) -> pyarrow.Table:
    """Make rows whose two sides are the completions, as curation's filters judge rows of two sides."""
    column = pyarrow.array(texts, pyarrow.large_string())
    langs = pyarrow.array(codes, pyarrow.large_string())
    return pyarrow.table({"source_lang": langs, "target_lang": langs, "source": column, "target": column})


def _written_variant(code: str) -> str | None:
    """Return the variant in which FLORES writes a Chinese language; None for other languages."""
    return VARIANTS.get((language(code).flores200 or "").partition("_")[2])


def _wrong_variant(text: str, code: str, reference: str | None) -> str | None:
    right = _variant(reference or "") or _written_variant(code)
    simplified, traditional = _variant_counts(text)
    other = traditional if right == "simplified" else simplified
    if other > OTHER_VARIANT_SHARE * (simplified + traditional):
        return f"not in {right} characters"
    return None


def _variant(text: str) -> str | None:
    """Return the variant of which a text has more characters that the other has not; None for neither."""
    simplified, traditional = _variant_counts(text)
    if simplified == traditional:
        return None
    return "simplified" if simplified > traditional else "traditional"


def _variant_counts(text: str) -> tuple[int, int]:
    """Count the characters that only simplified, and that only traditional Chinese has."""
    need("rewards", "right_script of Chinese", "hanzidentifier")
    import hanzidentifier

    kinds = [_kind(character) for character in text]
    return kinds.count(hanzidentifier.SIMPLIFIED), kinds.count(hanzidentifier.TRADITIONAL)


@cache
def _kind(character: str) -> int:
    import hanzidentifier

    return hanzidentifier.identify(character)


@cache
def _identification() -> LanguageIdentification:
    return LanguageIdentification()


@cache
def _warn_once(code: str) -> None:
    name = language(code).name
    logger.warning("right_language lets all texts in %s (%s) pass: its identifier does not know it", name, code)
