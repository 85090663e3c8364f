"""A diagnosis on the terminal: the changes by group, the outputs' behavior, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING

from hf_lmt.evaluation.diagnosis.diagnose import Diagnosis
from hf_lmt.evaluation.diagnosis.evaluation_changes import GroupChanges
from hf_lmt.evaluation.diagnosis.scopes import scope_words
from hf_lmt.evaluation.diagnosis.thresholds import THRESHOLDS
from hf_lmt.evaluation.diagnosis.words import MEASURES, METRICS, TITLES, named, percent
from hf_lmt.evaluation.metrics.confidence import Comparison
from hf_lmt.evaluation.metrics.judgeable import COMET_METRICS
from hf_lmt.evaluation.report.report_tables import words_for
from hf_miwv.common.cards.terminal import LEAST_WIDTH, new_table, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HEADERS = {
    "fan_in": "shared",
    "unrelated": "unrelated",
    "off_target_script": "script",
    "off_target_language": "language",
    "copy": "copied",
    "blank": "blank",
    "over_length": "too long",
    "repetition": "repetitive",
}


def show_diagnosis(diagnosis: Diagnosis, console: Console | None = None) -> None:
    """Print the tables and the verdict.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.
        console (`Console`, *optional*): Where to print; stdout by default.
    """
    from rich.console import Console

    console = console or Console()
    if not console.is_terminal:
        console.width = max(LEAST_WIDTH, console.width)
    console.print(metric_table(diagnosis))
    console.print(rate_table(diagnosis))
    console.print(verdict_table(diagnosis))
    for note in notes(diagnosis):
        console.print(plain(note))


def metric_table(diagnosis: Diagnosis) -> Table:
    """Tabulate each metric's mean over a group, before and after, with the interval of the difference.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.

    Returns:
        `Table`: A line for each group, a column for each metric, in the metric's unit.
    """
    groups = diagnosis.measured.groups
    metrics = list(
        dict.fromkeys(
            name for group_changes in groups.values() for name in group_changes.changes if name not in THRESHOLDS
        )
    )
    table = new_table(
        "scores: means over n directions" + words_for(diagnosis.marks),
        "",
        "n",
        *(METRICS.get(name, name) for name in metrics),
    )
    table.padding = (0, 0)
    for group, group_changes in groups.items():
        counts = {group_changes.count[name] for name in metrics if name in group_changes.count}
        cells = [_change(group_changes, name, diagnosis) for name in metrics]
        table.add_row(scope_words(group), "/".join(map(str, sorted(counts))), *cells)
    if any(other_changes.apart for other_changes in groups.values()):
        table.caption = "~ without the directions in which COMET is unreliable"
        table.caption_justify = "left"
    return table


def rate_table(diagnosis: Diagnosis) -> Table:
    """Tabulate each rate of behavior, before -> after, where anything shows it.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.

    Returns:
        `Table`: A line for each group, a column for each rate that is not 0 everywhere, in per cent of lines.
    """
    groups = diagnosis.measured.groups
    rates = [
        name
        for name in MEASURES
        if any(
            group_changes.changes[name].first or group_changes.changes[name].second
            for group_changes in groups.values()
            if name in group_changes.changes
        )
    ]
    if not rates:
        return new_table("no copied, blank, off-target, long, repeated or shared outputs")
    table = new_table(
        "what outputs show, % of lines" + words_for(diagnosis.marks), "", *(HEADERS[name] for name in rates)
    )
    table.padding = (0, 0)
    for group, group_changes in groups.items():
        table.add_row(scope_words(group), *(_rate(group_changes.changes.get(name), diagnosis) for name in rates))
    return table


def verdict_table(diagnosis: Diagnosis) -> Table:
    """Tabulate each finding with its evidence and what to do.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.

    Returns:
        `Table`: A line for each finding, and one for what mends it.
    """
    table = new_table("verdict" + words_for(diagnosis.marks), "", "")
    table.columns[1].no_wrap = False
    table.columns[1].justify = "left"
    for finding in diagnosis.findings:
        style = "bold red" if finding.alarm else "bold green"
        table.add_row(f"[{style}]{TITLES[finding.kind]}[/]", plain(finding.evidence))
        if finding.mend:
            table.add_row("", plain(f"-> {finding.mend}"))
    return table


def notes(diagnosis: Diagnosis) -> list[str]:
    """List the gaps in the figures, and the reasons to doubt them.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.

    Returns:
        `list[str]`: Lines to print below the tables.
    """
    measured = diagnosis.measured
    lines = [f"marked: {mark}" for mark in diagnosis.marks]
    sides: Sequence[tuple[str, list[str]]] = (
        ("before", measured.only_before),
        ("after", measured.only_after),
    )
    lines += [f"{len(names)} directions only {side}, not compared: {named(names)}" for side, names in sides if names]
    lines += [
        f"{name} is missing on one side in {len(where)} directions: {named(where)}"
        for name, where in measured.left_out.items()
    ]
    return lines


def _change(group: GroupChanges, metric: str, diagnosis: Diagnosis) -> str:
    change = group.changes.get(metric)
    if change is None:
        return "–"
    digits = 3 if metric in COMET_METRICS else 1
    mark, low, high = "~" if group.apart.get(metric) else "", *astuple(change.interval)
    if diagnosis.before is None:
        return f"{mark}{change.second:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
    return (
        f"{mark}{change.first:.{digits}f} → {change.second:.{digits}f}  "
        f"{change.difference:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    )


def _rate(change: Comparison | None, diagnosis: Diagnosis) -> str:
    if change is None:
        return "–"
    first, second = (percent(rate).removesuffix(" %") for rate in (change.first, change.second))
    return second if diagnosis.before is None or first == second else f"{first} → {second}"
