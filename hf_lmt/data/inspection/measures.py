"""Summaries of the facts about rows: for a direction, for directions of one kind, for a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from hf_lmt.data.inspection.facts import SIDES, Facts
from hf_lmt.directions import Direction
from hf_lmt.registry import LANGUAGES, PIVOTS, TIERS

SHARED = 8  # sources behind one target from which on it counts as shared; see verdict.LIMITS
KINDS = ("en2x", "zh2x", "x2en", "x2zh", "other")
PERCENTS = (5, 50, 95)


def kind_of(direction: Direction) -> str:
    """Return the kind of a direction by its pivot.

    English <-> Chinese is en2x and zh2x, forward both ways as in Strategic Downsampling.

    Args:
        direction (`Direction`): The direction.

    Returns:
        `str`: "en2x", "zh2x", "x2en" or "x2zh"; "other" without English and Chinese.
    """
    if direction.source in PIVOTS:
        return f"{direction.source}2x"
    return f"x2{direction.target}" if direction.target in PIVOTS else "other"


def tier_of(direction: Direction) -> str:
    """Return the tier of the language that is not the pivot; the lower one of two without a pivot.

    Args:
        direction (`Direction`): The direction.

    Returns:
        `str`: One of TIERS.
    """
    others = [code for code in direction if code not in PIVOTS] or [direction.target]
    return max((LANGUAGES[code].tier for code in others), key=TIERS.index)


def measure_directions(facts: Facts) -> dict[str, dict[str, Any]]:
    """Measure the rows of each direction.

    sources_behind: how many sources, of all languages together, lead to a target, as the mean over
    rows. source_language_targets: rows whose target is no copy, but a source in the source's
    language elsewhere. corpora: {corpus: rows and length_ratio_spread}.

    Args:
        facts (`Facts`): The facts about all rows.

    Returns:
        `dict[str, dict[str, Any]]`: {direction: its `measure`, and the three above}, in the order of the registry
        of languages.
    """
    rank = {code: number for number, code in enumerate(LANGUAGES)}
    order = np.argsort(facts.rows["direction"], kind="stable")
    edges = np.searchsorted(facts.rows["direction"][order], np.arange(len(facts.directions) + 1))
    texts_by_language, behind = _texts_by_language(facts), sources_behind(facts.rows)
    measured = {}
    for direction in sorted(facts.directions, key=lambda direction_codes: [rank[code] for code in direction_codes]):
        number = facts.directions.index(direction)
        row_indices = order[edges[number] : edges[number + 1]]
        rows = facts.rows[row_indices]
        foreign = _among(texts_by_language[direction.source], rows["foreign_target"]) & ~rows["blank"]
        measured[str(direction)] = {
            **measure(rows),
            "sources_behind": float(behind[row_indices].mean()),
            "source_language_targets": int((foreign & ~rows["copy"]).sum()),
            "corpora": _corpora(facts, rows),
        }
    return measured


def measure(rows: np.ndarray) -> dict[str, Any]:
    """Summarize the facts about some rows.

    rows; `fan_in`'s counts; duplicates: rows beyond the first of the same source, target and
    language; copies, blank, hints, overlaps (with evaluation sets) and other_language: rows, of
    the last two 0 where they were not asked for; wrong_script: rows with a side in the wrong
    script, and each side's. Lengths and ratio as `lengths` has them, over rows that are not blank.
    after: the `fan_in` of what downsampling leaves.

    Args:
        rows (`np.ndarray`): (n,) ROW_FACTS.

    Returns:
        `dict[str, Any]`: The figures by these names: counts of rows, and of `lengths` and `fan_in` theirs.
    """
    counts = fan_in(rows["source"], rows["target"])
    wrong = rows["source_script"] | rows["target_script"]
    kept = rows[rows["kept"]]
    return {
        "rows": len(rows),
        **counts,
        "duplicates": len(rows) - counts["pairs"],
        "copies": int(rows["copy"].sum()),
        "blank": int(rows["blank"].sum()),
        "wrong_script": int(wrong.sum()),
        "wrong_script_source": int(rows["source_script"].sum()),
        "wrong_script_target": int(rows["target_script"].sum()),
        "hints": int(rows["hint"].sum()),
        "overlaps": int(rows["overlap"].sum()),
        "other_language": int(rows["other_language"].sum()),
        **lengths(rows[~rows["blank"]]),
        "after": {"rows": len(kept), **fan_in(kept["source"], kept["target"])},
    }


def fan_in(sources: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Count how many sources lead to one target.

        many_to_one = rows / unique targets        sources_per_target = pairs / unique targets

    pairs: distinct (source, target). largest: distinct sources of the target that has most.
    shared_rows: rows whose target has SHARED sources or more; shared_sources: how many these
    targets have on average. All 0 without rows.

    Args:
        sources (`np.ndarray`): (n,) uint64 hashes of the sources with their languages.
        targets (`np.ndarray`): (n,) uint64 hashes of the targets with theirs.

    Returns:
        `dict[str, Any]`: The eight figures by name.
    """
    names = (
        "unique_sources",
        "unique_targets",
        "pairs",
        "many_to_one",
        "sources_per_target",
        "largest",
        "shared_rows",
        "shared_sources",
    )
    if not len(targets):
        return dict.fromkeys(names, 0)
    _, behind, rows = _by_target(sources, targets)
    shared = behind >= SHARED
    values = (
        len(np.unique(sources)),
        len(rows),
        int(behind.sum()),
        len(targets) / len(rows),
        float(behind.mean()),
        int(behind.max()),
        int(rows[shared].sum()),
        float(behind[shared].mean()) if shared.any() else 0,
    )
    return dict(zip(names, values, strict=True))


def sources_behind(rows: np.ndarray) -> np.ndarray:
    """Count how many distinct sources, of any language, lead to each row's target.

    Args:
        rows (`np.ndarray`): (n,) ROW_FACTS, n above 0.

    Returns:
        `np.ndarray`: (n,) int64.
    """
    order, behind, counts = _by_target(rows["source"], rows["target"])
    sources_of_row = np.empty(len(rows), np.int64)
    sources_of_row[order] = np.repeat(behind, counts)
    return sources_of_row


def _by_target(sources: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return (n,) an order of the rows by target, and of each target, in it, its sources and rows."""
    order = np.lexsort((sources, targets))
    source, target = sources[order], targets[order]
    new_target = np.concatenate([[True], target[1:] != target[:-1]])
    new_pair = new_target | np.concatenate([[True], source[1:] != source[:-1]])
    starts = np.flatnonzero(new_target)
    behind = np.add.reduceat(new_pair, starts, dtype=np.int64)
    return order, behind, np.diff(np.append(starts, len(target)))


def lengths(rows: np.ndarray) -> dict[str, Any]:
    """Measure characters of both sides (mean, median, 95 %), and target / source (5, 50, 95 %).

    length_ratio_spread = ratio at 95 % / ratio at 5 %. None without rows.

    Args:
        rows (`np.ndarray`): (n,) ROW_FACTS of rows that are not blank.

    Returns:
        `dict[str, Any]`: source_length, target_length, length_ratio, each with its quantiles by name, and
        length_ratio_spread.
    """
    quantiles: dict[str, Any] = {}
    for side in SIDES:
        values = rows[f"{side}_length"]
        median, p95 = np.percentile(values, (50, 95)).tolist() if len(values) else (None, None)
        mean = float(values.mean()) if len(values) else None
        quantiles[f"{side}_length"] = {"mean": mean, "median": median, "p95": p95}
    if not len(rows):
        return {**quantiles, "length_ratio": None, "length_ratio_spread": None}
    low, median, high = np.percentile(rows["target_length"] / rows["source_length"], PERCENTS)
    ratio = {"p5": float(low), "median": float(median), "p95": float(high)}
    return {**quantiles, "length_ratio": ratio, "length_ratio_spread": float(high / low)}


def measure_targets(facts: Facts) -> dict[str, dict[str, Any]]:
    """Measure all rows into English and into Chinese, whatever their source language.

    This is where degeneration shows: one direction alone has each sentence once.

    Args:
        facts (`Facts`): The facts about all rows.

    Returns:
        `dict[str, dict[str, Any]]`: {pivot: rows and their `fan_in`, and under "after" the same once downsampled},
        of pivots with rows.
    """
    into = np.array([direction.target for direction in facts.directions])[facts.rows["direction"]]
    measured = {}
    for pivot in PIVOTS:
        rows = facts.rows[into == pivot]
        kept = rows[rows["kept"]]
        now, after = ({"rows": len(part), **fan_in(part["source"], part["target"])} for part in (rows, kept))
        if len(rows):
            measured[pivot] = {**now, "after": after}
    return measured


def measure_groups(facts: Facts, directions: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Measure the rows of each kind and tier of directions.

    Of the directions' own measures sources_behind is the mean over rows and length_ratio_spread the largest, for
    ratios of several languages do not go together.

    Args:
        facts (`Facts`): The facts about all rows.
        directions (`dict[str, dict[str, Any]]`): {direction: its measures}, as `measure_directions` has them.

    Returns:
        `dict[str, dict[str, Any]]`: {"x2en low": the `measure` of these directions' rows, and their number}, of
        the groups that there are.
    """
    group_of_direction = [f"{kind_of(direction)} {tier_of(direction)}" for direction in facts.directions]
    names = [f"{kind} {tier}" for kind in KINDS for tier in TIERS if f"{kind} {tier}" in group_of_direction]
    group_of_row = np.array([names.index(name) for name in group_of_direction])[facts.rows["direction"]]
    measured = {}
    for number, name in enumerate(names):
        rows = facts.rows[group_of_row == number]
        members = [
            directions[str(direction)]
            for direction, group in zip(facts.directions, group_of_direction, strict=True)
            if group == name
        ]
        spreads = [measured["length_ratio_spread"] or 0.0 for measured in members]
        behind = sum(measured["sources_behind"] * measured["rows"] for measured in members) / len(rows)
        measured[name] = {
            "directions": len(members),
            **measure(rows),
            "sources_behind": behind,
            "length_ratio_spread": max(spreads) or None,
        }
    return measured


def _texts_by_language(facts: Facts) -> dict[str, np.ndarray]:
    """Return {source language: hashes of the texts that are a source in it, each once}."""
    spoken = np.array([direction.source for direction in facts.directions])
    codes = spoken[facts.rows["direction"]]
    return {code: np.unique(facts.rows["source"][codes == code]) for code in sorted(set(spoken))}


def _among(known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Check whether each value is one of `known`, which is sorted and not empty: (n,) bool."""
    return known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values


def _corpora(facts: Facts, rows: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return {corpus: rows and length_ratio_spread} of a direction's rows."""
    by_corpus = {}
    for number in np.unique(rows["corpus"]):
        rows_of_corpus = rows[(rows["corpus"] == number)]
        spread = lengths(rows_of_corpus[~rows_of_corpus["blank"]])["length_ratio_spread"]
        by_corpus[facts.corpora[number]] = {"rows": len(rows_of_corpus), "length_ratio_spread": spread}
    return by_corpus
