"""A model's hypotheses for the lines of an evaluation set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hf_lmt.directions import Direction
from hf_lmt.evaluation.evaluated_record import EvaluationCounts
from hf_lmt.evaluation.sets.set_lines import Lines
from hf_lmt.translation.requests import Request, Translation
from hf_lmt.translation.translator import Translator
from hf_miwv.common.progress import stage


def translate_lines(
    translator: Translator,
    lines: Mapping[Direction, Lines],
    hints: str,
    progress: bool,
) -> dict[Direction, list[dict[str, Any]]]:
    """Translate each direction's lines to rows as `hypotheses.align` returns them.

    All directions go through the model together, so that its batches are full. Given hints are
    texts of the set, which no file of an evaluation may hold: of them only the language is kept.

    Args:
        translator (`Translator`): The model.
        lines (`Mapping[Direction, Lines]`): {direction: its lines}.
        hints (`str`): "none", "self" or "given".
        progress (`bool`): Whether a bar is shown.

    Returns:
        `dict[Direction, list[dict[str, Any]]]`: {direction: its rows}, in the order of the lines.
    """
    total = sum(len(direction_lines.ids) for direction_lines in lines.values())
    rows_by_direction: dict[Direction, list[dict[str, Any]]] = {direction: [] for direction in lines}
    with stage("translating", "line", total, show=progress) as bar:
        notify: Any = bar.update
        written = translator.stream(_requests(lines), hints=hints, notify=notify)
        for direction, direction_lines in lines.items():
            rows_by_direction[direction] = [_row(next(written), hints) for _ in direction_lines.ids]
    return rows_by_direction


def _requests(lines: Mapping[Direction, Lines]) -> Iterator[Request]:
    for direction, direction_lines in lines.items():
        for source, hint in zip(direction_lines.sources, direction_lines.hints, strict=True):
            yield Request(source, *direction, hint, direction_lines.hint_lang if hint else None)


def _row(translation: Translation, hints: str) -> dict[str, Any]:
    return {
        "hypothesis": translation.text,
        "status": translation.status,
        "tokens": translation.tokens,
        "hint_lang": translation.hint_lang or "",
        "hint": "" if hints == "given" else translation.hint or "",
        "hint_dropped": translation.hint_dropped or "",
    }


def count_rows(rows: Mapping[Direction, Sequence[Mapping[str, Any]]]) -> EvaluationCounts:
    """Count rows by status, and by what became of their hints.

    Args:
        rows (`Mapping[Direction, Sequence[Mapping[str, Any]]]`): {direction: its rows}.

    Returns:
        `EvaluationCounts`: The counts for run.json.
    """
    statuses: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    for rows_of_direction in rows.values():
        statuses.update(row["status"] for row in rows_of_direction)
        dropped.update(row["hint_dropped"] for row in rows_of_direction if row["hint_dropped"])
    hinted = sum(bool(row["hint_lang"]) for rows_of_direction in rows.values() for row in rows_of_direction)
    return {
        "directions": len(rows),
        "lines": statuses.total(),
        "status": dict(sorted(statuses.items())),
        "hinted": hinted,
        "hints_dropped": dict(sorted(dropped.items())),
    }
