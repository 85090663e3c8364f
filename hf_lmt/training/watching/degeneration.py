"""Signs of directional degeneration in a training: what the log of its evaluations shows.

Into English and Chinese a model may come to write fluent text that ignores its source, while the
directions out of them go on rising (arXiv 2511.07003). The thresholds are ours. On made
translations (benchmarks/watching_alarms.py: six directions into English of 20 rows, damaged anew
at each evaluation) they spoke of degeneration in 7 % of evaluations without any, in 60 % where 5 %
of the outputs ignored their source, and in 77 % at 10 %; a real collapse was not at hand. More rows
of each direction make both better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_lmt.registry import PIVOTS

FALL = 2.0  # points of chrF++ or BLEU, below the best evaluation so far
RISE = 0.5  # points, of the opposite directions since that evaluation
SHARED = 0.05  # of the outputs, above the lowest share so far
LOSS = 0.05  # nats per target token, above the lowest loss so far
MEND = "keep fewer rows into English and Chinese from multi-way data (Strategic Downsampling; 5 % in the paper)"

Entry = Mapping[str, Any]  # of a Trainer's log_history: names to numbers, and "step"


def quality_signs(history: Sequence[Entry], latest: Entry, metric: str = "chrf") -> list[str]:
    """Describe the warning signs of an evaluation in words.

        x2P(best so far) - x2P(now) >= FALL  and  P2x(now) - P2x(then) >= RISE     P: en, zh
        fan_in(now) - fan_in(lowest so far) >= SHARED                       in any of the groups

    Args:
        history (`Sequence[Mapping[str, Any]]`): Entries of earlier evaluations; others are passed over.
        latest (`Mapping[str, Any]`): Numbers of this evaluation.
        metric (`str`, *optional*, defaults to `"chrf"`): Name of the metric in the keys.

    Returns:
        `list[str]`: A sign each; empty where there is none.
    """
    signs = []
    for pivot in PIVOTS:
        into, out_of = f"eval_{metric}_x2{pivot}", f"eval_{metric}_{pivot}2x"
        before = _extreme(history, latest, (into, out_of), into, highest=True)
        if before is None:
            continue
        fall, rise = before[into] - latest[into], latest[out_of] - before[out_of]
        if fall >= FALL and rise >= RISE:
            signs.append(
                f"directional degeneration: since step {before['step']} {metric} of x2{pivot} fell "
                f"by {fall:.1f} to {latest[into]:.1f}, while {pivot}2x rose by {rise:.1f}; {MEND}"
            )
    for group in COLUMNS:
        key = f"eval_fan_in_{group}"
        before = _extreme(history, latest, (key,), key, highest=False)
        if before is not None and latest[key] - before[key] >= SHARED:
            signs.append(
                f"output fan-in of {group} rose from {before[key]:.1%} at step {before['step']} to "
                f"{latest[key]:.1%}: so many outputs answer several different sources; {MEND}"
            )
    return signs


def loss_signs(history: Sequence[Entry], latest: Entry) -> list[str]:
    """Describe the warning signs of teacher-forced losses.

        L(x2P, now) - L(x2P, lowest so far) >= LOSS  and  L(P2x, now) < L(P2x, then)      P: en, zh

    Args:
        history (`Sequence[Mapping[str, Any]]`): Entries of earlier evaluations; others are passed over.
        latest (`Mapping[str, Any]`): Numbers of this evaluation.

    Returns:
        `list[str]`: A sign each; empty where there is none.
    """
    signs = []
    for pivot in PIVOTS:
        into, out_of = f"eval_loss_x2{pivot}", f"eval_loss_{pivot}2x"
        before = _extreme(history, latest, (into, out_of), into, highest=False)
        if before is None:
            continue
        rise, fall = latest[into] - before[into], before[out_of] - latest[out_of]
        if rise >= LOSS and fall > 0:
            signs.append(
                f"directional degeneration: since step {before['step']} the loss of x2{pivot} rose "
                f"by {rise:.3f} nats per token, while that of {pivot}2x fell by {fall:.3f}; {MEND}"
            )
    return signs


def _extreme(history: Sequence[Entry], latest: Entry, needed: Sequence[str], key: str, highest: bool) -> Entry | None:
    """Return the first of the earlier evaluations with the highest or lowest value of `key`."""
    if any(name not in latest for name in needed):
        return None
    complete = [entry for entry in history if all(name in entry for name in needed)]
    best = max if highest else min
    return best(complete, key=lambda entry: entry[key], default=None)
