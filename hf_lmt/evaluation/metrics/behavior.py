"""How often a model misbehaves in a direction, as rates that keep what they were counted from.

Each rate is a share of the rows that have a source text: for an empty line, an empty one is right.
The measures and thresholds are ours; `text_measures` has what they look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hf_lmt.directions import Direction
from hf_lmt.evaluation.metrics.corpus_scores import check_texts
from hf_lmt.evaluation.metrics.fan_in import fan_in
from hf_lmt.evaluation.metrics.signatures import signature
from hf_lmt.evaluation.metrics.text_measures import (
    REPEATED_CHARACTERS,
    REPEATS,
    blanks,
    is_repetitive,
    lengths,
    letters,
    normalized,
)
from hf_lmt.languages import language
from hf_miwv.common.errors import InputError

SCRIPT_SHARE = 0.2
SCRIPT_LETTERS = 10
OVER_REFERENCE = 2.0
OVER_SOURCE = 3.0  # the longest length ratio that the paper keeps in its training pairs
SLACK = 20  # characters that short texts may have more

Identifier = Callable[[Sequence[str]], Sequence[str]]
"""(S,) texts -> (S,) labels such as "deu_Latn", "__label__de" or "de"."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold a share of rows.

    Attributes:
        value (`float`, *optional*): count / rows; None where there are no rows.
        count (`int`): Rows that show the behavior.
        rows (`int`): Rows with a source text.
        unjudged (`int`): Among them, rows that the measure could not look at; not in `count`.
        flags (`np.ndarray`): (S,) bool, which rows they are, in their order.
        signature (`str`): Thresholds and version.
    """

    value: float | None
    count: int
    rows: int
    unjudged: int
    flags: np.ndarray
    signature: str


def behavior_rates(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    direction: Direction,
    references: Sequence[str] | None = None,
    identify: Identifier | None = None,
) -> dict[str, Rate]:
    """Measure how often a model misbehaves in one direction, as rates by name.

    - off_target_script: under 20 % of the output's letters are of the target's scripts; outputs
      with fewer than 10 letters are unjudged. Both, and the weights of letters, are those of the
      filter on training data (`data.curation.scripts`). English instead of German passes here:
      `off_target_language` sees it.
    - off_target_language: the identifier answers with a label that does not count as the target
      (`Language.identification_labels`). Only with an identifier; blank outputs are unjudged.
    - copy: the output is the source (`normalized`). Where the reference is the source, too, as with
      names and numbers, that is right, and not counted.
    - blank: nothing of the output shows.
    - over_length: longer than 2 x the reference plus 20 characters; without references, than 3 x the
      source plus 20; `lengths` has what a character counts (ours).
    - repetition: the output `is_repetitive`, and neither its source nor its reference is.
    - fan_in: the output also answers another, different source (`fan_in.fan_in`).

    Args:
        sources (`Sequence[str]`): (S,) texts.
        hypotheses (`Sequence[str]`): (S,) translations, in the same order.
        direction (`Direction`): The direction of translation.
        references (`Sequence[str]`, *optional*): (S,) references, in the same order.
        identify (`Identifier`, *optional*): A language identifier: (S,) texts -> (S,) labels.

    Returns:
        `dict[str, Rate]`: Behavior -> rate.

    Raises:
        InputError: The lists differ in length, are empty or hold something other than text, or the
            identifier returns another number of labels.
    """
    texts_by_name = {"sources": sources, "hypotheses": hypotheses}
    check_texts(**texts_by_name, **({} if references is None else {"references": references}))
    has_source, blank = ~blanks(sources), blanks(hypotheses)
    shared = fan_in(sources, hypotheses, references).shared
    rates = {
        "off_target_script": _off_target_script(hypotheses, direction.target, has_source),
        "copy": _rate(_copies(sources, hypotheses, references), has_source, compared="normalized"),
        "blank": _rate(blank, has_source),
        "over_length": _over_length(sources, hypotheses, references, has_source),
        "repetition": _repetition(sources, hypotheses, references, has_source),
        "fan_in": _rate(shared, has_source, compared="normalized", references=references is not None),
    }
    if identify is not None:
        labels = identify(hypotheses)
        flags = _other_language(labels, len(hypotheses), direction.target)
        rates["off_target_language"] = _rate(flags, has_source, judged=~blank, identifier=_name(identify))
    return rates


def _rate(flags: np.ndarray, has_source: np.ndarray, judged: np.ndarray | None = None, **settings: object) -> Rate:
    judged = has_source if judged is None else has_source & judged
    flags = flags & judged
    rows, count = int(has_source.sum()), int(flags.sum())
    unjudged = rows - int(judged.sum())
    return Rate(count / rows if rows else None, count, rows, unjudged, flags, signature(**settings))


def _off_target_script(hypotheses: Sequence[str], target: str, has_source: np.ndarray) -> Rate:
    expected_letters, all_letters = letters(hypotheses, target)
    judged = all_letters >= SCRIPT_LETTERS
    flags = expected_letters < SCRIPT_SHARE * all_letters
    return _rate(flags, has_source, judged, script_share=SCRIPT_SHARE, letters=SCRIPT_LETTERS)


def _copies(sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[str] | None) -> np.ndarray:
    copied = np.array(
        [normalized(source) == normalized(text) for source, text in zip(sources, hypotheses, strict=True)]
    )
    if references is not None:
        for row in np.flatnonzero(copied).tolist():
            copied[row] = normalized(sources[row]) != normalized(references[row])
    return copied


def _over_length(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str] | None,
    has_source: np.ndarray,
) -> Rate:
    times, beside, texts = OVER_REFERENCE, "reference", references
    if texts is None:
        times, beside, texts = OVER_SOURCE, "source", sources
    flags = lengths(hypotheses) > times * lengths(texts) + SLACK
    return _rate(flags, has_source, beside=beside, times=times, characters=SLACK)


def _repetition(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str] | None,
    has_source: np.ndarray,
) -> Rate:
    flags = np.array([is_repetitive(text) for text in hypotheses])
    for row in np.flatnonzero(flags).tolist():
        excuses = [sources[row], *([] if references is None else [references[row]])]
        flags[row] = not any(map(is_repetitive, excuses))
    return _rate(flags, has_source, repeats=REPEATS, characters=REPEATED_CHARACTERS)


def _other_language(labels: Sequence[str], size: int, target: str) -> np.ndarray:
    if len(labels) != size:
        raise InputError(f"the identifier gave {len(labels):,} labels for {size:,} texts; it is to give one for each")
    right = language(target).identification_labels
    return np.array([label.removeprefix("__label__") not in right for label in labels])


def _name(identify: Identifier) -> str:
    return str(getattr(identify, "signature", getattr(identify, "__name__", "given")))
