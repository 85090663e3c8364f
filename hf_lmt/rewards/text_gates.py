"""Gates on texts that translate nothing: the source itself, loops, one answer to different sources."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pyarrow

from hf_lmt.data.curation.copies import Copy
from hf_lmt.evaluation.metrics.fan_in import fan_in
from hf_lmt.evaluation.metrics.text_measures import is_repetitive, normalized
from hf_lmt.rewards.gate import Reasons, gate
from hf_lmt.rewards.reward_columns import check_columns


@gate
def not_copied(
    completions: Sequence[str], source: Sequence[str] | None = None, target: Any = None, **_: Any
) -> Reasons:
    """Ask for something else than the source.

    0 where the words of the completion are those of the source, as in curation's filter `copy`: letters, marks
    and figures in their order with case folded. Texts of fewer than 20 of them pass, and so do those whose
    reference is the source as well.

    Reads `source`; and `target`, where it is there.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        source (`Sequence[str]`): (N,) source texts.
        target (`Sequence[str]`, *optional*): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: A column is missing or has another length.
    """
    check_columns("not_copied", len(completions), source=source)
    kind = pyarrow.large_string()
    sides = {"source": pyarrow.array(source or (), kind), "target": pyarrow.array(completions, kind)}
    copied = Copy()(pyarrow.table(sides))
    reasons: Reasons = []
    for row, (reason, text) in enumerate(zip(copied, source or (), strict=True)):
        excused = target is not None and normalized(target[row]) == normalized(text)
        reasons.append("a copy of its source" if reason is not None and not excused else None)
    return reasons


@gate
def not_repetitive(
    completions: Sequence[str], source: Sequence[str] | None = None, target: Any = None, **_: Any
) -> Reasons:
    """Ask for a text without loops.

    0 where something stands four times or more in a row, over 20 characters or more (`is_repetitive`), and
    neither in the source nor in the reference.

    Reads `source`; and `target`, where it is there.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        source (`Sequence[str]`): (N,) source texts.
        target (`Sequence[str]`, *optional*): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: A column is missing or has another length.
    """
    check_columns("not_repetitive", len(completions), source=source)
    references = completions if target is None else target
    reasons: Reasons = []
    for text, origin, reference in zip(completions, source or (), references, strict=True):
        excused = is_repetitive(origin) or (target is not None and is_repetitive(reference))
        reasons.append("repetitive" if is_repetitive(text) and not excused else None)
    return reasons


@gate
def no_fan_in(
    completions: Sequence[str],
    source: Sequence[str] | None = None,
    target_lang: Sequence[str] | None = None,
    target: Any = None,
    **_: Any,
) -> Reasons:
    """Ask for a translation that answers no other, different source of the batch.

    0 where another row in the same target language has the same completion for another source
    (`fan_in`): always the same sentence, whatever the source, can be in the right language and of a right
    length. Sources with the same reference count as the same.

    Reads `source` and `target_lang`; and `target`, where it is there.

    Args:
        completions (`Sequence[Completion]`): (N,) texts or conversations.
        source (`Sequence[str]`): (N,) source texts.
        target_lang (`Sequence[str]`): (N,) codes.
        target (`Sequence[str]`, *optional*): (N,) references.
        **_ (`Any`): Other columns.

    Returns:
        `list[float]`: (N,) 0.0 or 1.0.

    Raises:
        InputError: A column is missing or has another length.
    """
    check_columns("no_fan_in", len(completions), source=source, target_lang=target_lang)
    sources = source or ()
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, code in enumerate(target_lang or ()):
        rows_of[code].append(row)
    reasons: Reasons = [None] * len(completions)
    for rows in rows_of.values():
        references = None if target is None else [target[row] for row in rows]
        shared = fan_in([sources[row] for row in rows], [completions[row] for row in rows], references).shared
        for row, repeated in zip(rows, shared.tolist(), strict=True):
            if repeated:
                reasons[row] = "the answer to another source, too"
    return reasons
