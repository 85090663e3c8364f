"""A verdict in words: its evidence with figures, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.data.method.downsampling import DEFAULT_RATE
from hf_lmt.evaluation.diagnosis.evaluation_changes import Measured
from hf_lmt.evaluation.diagnosis.scopes import changes_of, opposite_of, pivot_into, scope_words
from hf_lmt.evaluation.metrics.confidence import Comparison
from hf_lmt.registry import LANGUAGES

Training = Mapping[str, Mapping[str, Any]]
NAMED = 4  # directions that a finding names
MANY = 6.0  # sources behind a target, the rate of 10 % in arXiv 2511.07003; beyond, quality falls
TITLES = {
    "directional_degeneration": "directional degeneration",
    "degeneration": "degeneration",
    "off_target": "off-target output",
    "copying": "copying",
    "empty_output": "empty output",
    "over_generation": "over-generation",
    "loss": "plain loss of quality",
    "improvement": "improvement",
    "no_change": "no alarm",
}
MEASURES = {
    "fan_in": "identical outputs for different sources",
    "unrelated": "outputs unrelated to their reference",
    "off_target_script": "outputs in another script",
    "off_target_language": "outputs in another language",
    "copy": "copies of the source",
    "blank": "empty outputs",
    "over_length": "outputs far too long",
    "repetition": "outputs that repeat themselves",
}
SHOWN = {
    "directional_degeneration": ("fan_in", "unrelated"),
    "degeneration": ("fan_in", "unrelated"),
    "off_target": ("off_target_script", "off_target_language"),
    "copying": ("copy",),
    "empty_output": ("blank",),
    "over_generation": ("over_length", "repetition"),
}
METRICS = {"chrf++": "chrF++", "chrf": "chrF", "bleu": "BLEU", "spbleu": "spBLEU"}
MENDS = {
    "off_target": "look whether prompts name the target language as in training, and at the "
    "languages of the training targets: hf-lmt inspect --identify",
    "copying": "look for copies among the training rows: hf-lmt inspect; the curation step copies takes them out",
    "empty_output": "look for blank targets among the training rows (hf-lmt inspect), and whether "
    "the template puts an end-of-turn token before the answer",
    "over_generation": "look whether training taught the end-of-turn token (labels, padding) and "
    "whether generation stops at it",
    "loss": "look at the worst sentences: hf-lmt report; compare learning rate, steps and rows of "
    "the direction with the run before",
}


def evidence(
    kind: str,
    where: tuple[str, ...],
    past: tuple[str, ...],
    measured: Measured,
    compared: bool,
    training: Training | None,
) -> str:
    """Describe the evidence of a finding, with the figures of the scope, or of the worst of several.

    Args:
        kind (`str`): Kind of the finding.
        where (`tuple[str, ...]`): Its scopes, the worst first.
        past (`tuple[str, ...]`): Of a group, the directions in it that pass their own threshold, the worst first.
        measured (`Measured`): The changes of all groups and directions.
        compared (`bool`): Whether two evaluations are compared; of one alone its values are named.
        training (`Training | None`): What is known of the training rows, if it was asked for.

    Returns:
        `str`: One sentence without its full stop.
    """
    scope = where[0]
    changes = changes_of(scope, measured)
    parts = []
    quality = changes.get(measured.quality)
    if quality is not None:
        parts.append(_quality_words(quality, measured.quality, compared))
    parts += [
        _rate_words(name, changes[name], compared)
        for name in SHOWN.get(kind, ())
        if name in changes and changes[name].second > 0
    ]
    head = scope_words(scope)
    text = f"{head} {parts[0]}" if parts else head
    text = "; ".join([text, *parts[1:]])
    if kind in ("directional_degeneration", "degeneration"):
        text += _opposite_scope(scope, measured, compared) + _training_words(scope, training)
    text += f"; also {named(where[1:])}" if where[1:] else ""
    if past:
        count = "1 direction passes a threshold" if len(past) == 1 else (f"{len(past)} directions pass thresholds")
        text += f"; {count} alone: {named(past)}"
    if kind == "no_change":
        text += "; nothing passed its threshold"
    return text


def mend(kind: str, scope: str, training: Training | None) -> str:
    """Say what to do about a finding.

    Args:
        kind (`str`): Kind of the finding.
        scope (`str`): Its worst scope.
        training (`Training | None`): What is known of the training rows, if it was asked for.

    Returns:
        `str`: The advice; empty where there is none.
    """
    if "degeneration" not in kind:
        return MENDS.get(kind, "")
    behind = _behind(scope, training)
    rate = f"set downsampling: {{rate: {DEFAULT_RATE:g}}}"
    if behind is None:
        return (
            f"if the rows into {_into(scope)} are the reverse of multi-way rows, {rate}; "
            "--training-rows FOLDER tells how many sources stand behind a sentence"
        )
    if behind >= MANY:
        return rate
    return (
        "so few sources do not explain it: look at learning rate and steps, and whether the prompt is that of training"
    )


def named(directions: Sequence[str]) -> str:
    """Name the first four directions, and how many more there are.

    Args:
        directions (`Sequence[str]`): Names of directions.

    Returns:
        `str`: The names with commas between.
    """
    more = len(directions) - NAMED
    return ", ".join(directions[:NAMED]) + (f" and {more} more" if more > 0 else "")


def percent(share: float) -> str:
    """Format a share in per cent.

    >>> percent(0.004), percent(0.31), percent(0.00001)
    ('0.4 %', '31 %', '<0.1 %')

    Args:
        share (`float`): The share, from 0 to 1.

    Returns:
        `str`: The number with its unit.
    """
    value = 100 * share
    if 0 < value < 0.1:
        return "<0.1 %"
    return f"{value:.0f} %" if value == 0 or value >= 9.95 else f"{value:.1f} %"


def _quality_words(change: Comparison, metric: str, compared: bool) -> str:
    name = METRICS[metric]
    if not compared:
        return f"at {change.second:.1f} {name}"
    if abs(change.difference) < 0.05:
        return f"stayed at {change.second:.1f} {name}"
    verb = "fell" if change.difference < 0 else "rose"
    low, high = change.interval.low, change.interval.high
    return (
        f"{verb} {abs(change.difference):.1f} {name} ({change.first:.1f} to "
        f"{change.second:.1f}), 95 % CI [{low:+.1f}, {high:+.1f}]"
    )


def _rate_words(name: str, change: Comparison, compared: bool) -> str:
    if not compared:
        low, high = change.interval.low, change.interval.high
        return f"{MEASURES[name]}: {percent(change.second)}, 95 % CI [{percent(low)}, {percent(high)}]"
    verb = "rose" if change.difference > 0 else "went"
    return f"{MEASURES[name]} {verb} from {percent(change.first)} to {percent(change.second)}"


def _opposite_scope(scope: str, measured: Measured, compared: bool) -> str:
    """Say how the opposite directions did."""
    opposite = opposite_of(scope)
    if opposite is None:
        return ""
    changes, words = changes_of(opposite, measured), scope_words(opposite)
    if measured.quality not in changes:
        return f"; {words} was not evaluated"
    quality = changes[measured.quality]
    shared = percent(changes["fan_in"].second) if "fan_in" in changes else "unknown"
    if compared:
        return f"; {words}: {quality.difference:+.1f} {METRICS[measured.quality]}, identical outputs {shared}"
    return f"; {words}: identical outputs {shared}"


def _behind(scope: str, training: Training | None) -> float | None:
    into = pivot_into(scope)
    if training is None or into is None or into not in training:
        return None
    return float(training[into]["sources_per_target"])


def _into(scope: str) -> str:
    into = pivot_into(scope)
    return LANGUAGES[into].name if into else "these languages"


def _training_words(scope: str, training: Training | None) -> str:
    behind = _behind(scope, training)
    if behind is None:
        return ""
    shown = f"{behind:.0f}" if behind >= 10 else f"{behind:.1f}"
    return f"; {shown} sources per target in the training rows"
