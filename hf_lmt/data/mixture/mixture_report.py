"""A mixture as it was asked for, and as it came out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np

from hf_lmt.data.mixture.budget_plan import Plan
from hf_lmt.data.mixture.mixture_lines import EMPTY, NO_PIVOT, part_and_language
from hf_lmt.data.mixture.row_choice import Taken

REASONS = {
    "copies": "the same text or pair is there already",
    "empty": "a text is empty",
    "no_pivot": "neither side is English or Chinese",
    "share_0": "their part has a share of 0",
}

logger = logging.getLogger(__name__)


def mixture_counts(
    entries: np.ndarray,
    groups: Mapping[int, np.ndarray],
    copies: int,
    plan: Plan,
    taken: Mapping[int, Taken],
) -> dict[str, Any]:
    """Return the counts of `mixture.Mixed`, as JSON holds them.

    Args:
        entries (`np.ndarray`): (N,) `token_counts.ENTRY`.
        groups (`Mapping[int, np.ndarray]`): Group -> positions of its rows, copies left out.
        copies (`int`): Rows that were left out as copies.
        plan (`Plan`): Tokens by group, as planned.
        taken (`Mapping[int, Taken]`): Group -> the rows that were taken.

    Returns:
        `dict[str, Any]`: "tokens" (asked, given, and at most), "rows", "repeated" and "line_breaks" (rows),
        "left_out" (rows by reason), and "parts", each with its tokens, rows and languages.
    """
    tokens_taken = sum(taken_group.tokens for taken_group in taken.values())
    first = [taken_group.places[taken_group.passes == 0] for taken_group in taken.values()]
    rows = sum(len(taken_group.places) for taken_group in taken.values())
    return {
        "tokens": {"asked": plan.total, "given": tokens_taken, "at_most": plan.largest},
        "rows": rows,
        "repeated": rows - sum(map(len, first)),
        "line_breaks": sum(int(entries["broken"][positions].sum()) for positions in first),
        "left_out": {
            "copies": copies,
            "empty": int((entries["group"] == EMPTY).sum()),
            "no_pivot": int((entries["group"] == NO_PIVOT).sum()),
            "share_0": sum(len(rows) for group, rows in groups.items() if group not in taken),
        },
        "parts": {
            part: _part(entries, part, plan, taken, tokens_taken) for part, share in plan.shares.items() if share > 0
        },
    }


def _part(entries: np.ndarray, part: str, plan: Plan, taken: Mapping[int, Taken], tokens_taken: int) -> dict[str, Any]:
    languages = {}
    for group in sorted(taken):
        name, code = part_and_language(group)
        if name == part:
            languages[code] = _language(entries, part, plan, group, taken[group])
    tokens = sum(language_counts["tokens"] for language_counts in languages.values())
    return {
        "share_asked": plan.shares[part],
        "share": tokens / tokens_taken,
        "tokens_there": sum(language_counts["tokens_there"] for language_counts in languages.values()),
        "tokens_asked": round(plan.shares[part] * plan.total),
        "tokens": tokens,
        "rows": sum(language_counts["rows"] for language_counts in languages.values()),
        "languages": languages,
    }


def _language(entries: np.ndarray, part: str, plan: Plan, group: int, taken: Taken) -> dict[str, Any]:
    """Count what was asked for and taken of a part's language.

    `asked` is by temperature alone, `budget` after what languages that ran full could not take;
    `passes`, how often its tokens are gone through; `out_of_pivot`, rows out of English or Chinese.
    """
    counts = {
        "tokens_there": plan.masses[group],
        "asked": round(plan.asked[group]),
        "budget": round(plan.budgets[group]),
        "tokens": taken.tokens,
        "rows": len(taken.places),
        "passes": taken.tokens / plan.masses[group],
    }
    if part != "monolingual":
        counts["out_of_pivot"] = int(entries["forward"][taken.places].sum())
    return counts


def report(counts: Mapping[str, Any]) -> None:
    """Log what a person should know about a mixture.

    Args:
        counts (`Mapping[str, Any]`): Of `mixture_counts`.
    """
    for part, part_counts in counts["parts"].items():
        logger.info(
            "mixture: %s: %s tokens of %s asked (share %.4f of %.4f), %s rows, %s languages",
            part,
            f"{part_counts['tokens']:,}",
            f"{part_counts['tokens_asked']:,}",
            part_counts["share"],
            part_counts["share_asked"],
            f"{part_counts['rows']:,}",
            len(part_counts["languages"]),
        )
        short = [
            code
            for code, language_counts in part_counts["languages"].items()
            if language_counts["asked"] > language_counts["budget"]
        ]
        if short:
            logger.warning(
                "mixture: %s: of %s languages all is used, and it is less than the temperature "
                "asks for: %s; the others have the rest",
                part,
                len(short),
                ", ".join(short),
            )
    for reason, rows in counts["left_out"].items():
        if rows:
            logger.warning("mixture: %s rows left out: %s", f"{rows:,}", REASONS[reason])
    if counts["line_breaks"]:
        logger.warning("mixture: in %s rows line breaks became blanks", f"{counts['line_breaks']:,}")
