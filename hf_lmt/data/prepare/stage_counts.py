"""Rows by direction and group, stage by stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from datasets import Dataset

from hf_lmt.data.hashing import direction_codes, direction_column
from hf_lmt.data.prepare.row_batches import BATCH
from hf_lmt.directions import DIRECTIONS, Direction, parse_direction
from hf_lmt.registry import PIVOTS

GROUPS = ("en2x", "x2en", "zh2x", "x2zh", "en-zh", "other")
"""English into others and back, Chinese into others and back, between the two, and the rest."""

STAGES = ("read", "outside_weight", "curated_away", "capped", "downsampled", "rows", "hinted")
"""The counts of each direction: rows read; taken by weights, curation, caps and Strategic
Downsampling; the rest, and those of it with a hint."""

Counts = dict[str, dict[str, int]]


def group_of(direction: Direction) -> str:
    """Return which of GROUPS a direction belongs to.

    Args:
        direction (`Direction`): The direction.

    Returns:
        `str`: "en-zh" between English and Chinese; else "en2x", "zh2x", "x2en", "x2zh" or "other".
    """
    source, target = direction
    if source in PIVOTS and target in PIVOTS:
        return "en-zh"
    if source in PIVOTS:
        return f"{source}2x"
    return f"x2{target}" if target in PIVOTS else "other"


def count_rows(rows: Dataset, staying: np.ndarray | None = None) -> Counter[str]:
    """Count rows by direction.

    Args:
        rows (`Dataset`): N rows of translations.
        staying (`np.ndarray`, *optional*): (N,) bool, the rows to count; all by default.

    Returns:
        `Counter[str]`: {direction: rows}.
    """
    by_direction: Counter[str] = Counter()
    arrow, first = rows.select_columns(["source_lang", "target_lang"]).with_format("arrow"), 0
    for batch in arrow.iter(BATCH):
        directions = direction_column(batch)
        names, codes = directions.dictionary.to_pylist(), direction_codes(directions)
        if staying is not None:
            codes = codes[staying[first : first + len(batch)]]
        counts = np.bincount(codes, minlength=len(names)).tolist()
        by_direction.update(dict(zip(names, counts, strict=True)))
        first += len(batch)
    return by_direction


def count_stages(left: Mapping[str, Counter[str]], hinted: Counter[str]) -> Counts:
    """Count STAGES of each direction.

    Args:
        left (`Mapping[str, Counter[str]]`): {stage: rows by direction that are left after it}, "read" first.
        hinted (`Counter[str]`): Rows with a hint, by direction.

    Returns:
        `Counts`: {direction: rows by stage}, in the order of the registry of directions.
    """
    counts: Counts = {}
    rank = {str(direction): index for index, direction in enumerate(DIRECTIONS)}
    stages, rows = list(left), list(left.values())
    for name in sorted(rows[0], key=lambda name: (rank.get(name, len(rank)), name)):
        lost = {
            stage: before[name] - after[name] for stage, before, after in zip(stages[1:], rows, rows[1:], strict=False)
        }
        counts[name] = {"read": rows[0][name], **lost, "rows": rows[-1][name], "hinted": hinted[name]}
    return counts


def by_group(counts: Counts) -> Counts:
    """Sum the counts over the directions of each group that has any, and over "all".

    Args:
        counts (`Counts`): {direction: rows by stage}.

    Returns:
        `Counts`: {group: rows by stage}, in the order of GROUPS, "all" last.
    """
    sums: dict[str, Counter[str]] = {}
    for name, stage_counts in counts.items():
        for group in (group_of(parse_direction(name)), "all"):
            sums.setdefault(group, Counter()).update(stage_counts)
    return {group: {stage: sums[group][stage] for stage in STAGES} for group in (*GROUPS, "all") if group in sums}
