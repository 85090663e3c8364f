"""The form of a gate: 0 or 1 for each completion, with the reason of each 0 logged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from hf_lmt.rewards.reward_columns import Completion, Reward, completion_texts

logger = logging.getLogger(__name__)

Reasons = list[str | None]
"""(N,) why each completion gets 0; None for one that gets 1."""


def gate(judge: Callable[..., Reasons]) -> Reward:
    """Make a gate in TRL's form of a function that says why completions fail.

    Where the trainer gives `log_metric` and `log_extra`, the share that passes is logged as `gate/NAME`, and
    the reasons as the column `gate_NAME` of its table of completions; elsewhere the reasons are counted on the
    logger of this module. Failing is 0 and never None: a value that is left out of a group shifts the
    advantages of the others.

    Args:
        judge (`Callable[..., Reasons]`): (N,) texts and columns -> (N,) reasons; its name is the gate's.

    Returns:
        `Reward`: completions and columns -> (N,) 0.0 or 1.0.
    """
    name = judge.__name__

    @wraps(judge)
    def judged(completions: Sequence[Completion], **columns: Any) -> list[float]:
        reasons = judge(completion_texts(completions), **columns)
        values = [float(reason is None) for reason in reasons]
        if columns.get("log_metric") is not None and values:
            columns["log_metric"](f"gate/{name}", sum(values) / len(values))
        if columns.get("log_extra") is not None:
            columns["log_extra"](f"gate_{name}", [reason or "" for reason in reasons])
            return values
        counts = Counter(reason for reason in reasons if reason is not None)
        if counts:
            logger.info(
                "%s: %d of %d completions get 0: %s",
                name,
                counts.total(),
                len(reasons),
                ", ".join(f"{reason} ({count})" for reason, count in counts.most_common()),
            )
        return values

    return judged
