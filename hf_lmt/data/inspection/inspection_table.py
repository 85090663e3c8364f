"""An inspection on the terminal: sums, the worst directions, and the verdict in words."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_lmt.data.inspection.inspect import NOT_CHECKED, Inspection
from hf_lmt.data.inspection.inspection_verdict import SEVERITIES
from hf_lmt.registry import LANGUAGES
from hf_miwv.common.cards.terminal import LEAST_WIDTH, new_table, plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WORST = 10  # directions that are shown without --all
HEADERS = (
    "rows",
    "targets",
    "rows per target",
    "sources behind",
    "copies %",
    "other script %",
    "dupli- cates %",
    "length spread",
    "hints %",
    "stay",
)
CHECKS = {"evaluation_sets": "overlap with evaluation sets", "languages": "language by identifier"}
STYLES = {"severe": "bold red", "warning": "yellow", "note": "cyan"}


def show_inspection(inspection: Inspection, every: bool = False, console: Console | None = None) -> None:
    """Print sums by group and target, the worst directions (or every one), and the verdict.

    Args:
        inspection (`Inspection`): The inspection.
        every (`bool`, *optional*, defaults to `False`): Whether all directions are shown.
        console (`Console`, *optional*): Where to print; stdout by default.
    """
    from rich.console import Console

    console = console or Console()
    if not console.is_terminal:
        console.width = max(LEAST_WIDTH, console.width)
    console.print(target_table(inspection))
    console.print(
        measure_table(
            f"{inspection.rows:,} rows in {len(inspection.directions)} directions, by kind and tier", inspection.groups
        )
    )
    shown = list(inspection.directions) if every else worst_directions(inspection)
    if shown:
        title = "all directions" if every else "the worst directions"
        console.print(measure_table(title, {name: inspection.directions[name] for name in shown}))
    console.print(verdict_table(inspection))
    missing = [words for name, words in CHECKS.items() if inspection.checked[name] == NOT_CHECKED]
    if missing:
        console.print(f"not checked: {', '.join(missing)}")


def as_text(inspection: Inspection, every: bool = False) -> str:
    """Return the output of `show_inspection` as text, without colors.

    Args:
        inspection (`Inspection`): The inspection.
        every (`bool`, *optional*, defaults to `False`): Whether all directions are shown.

    Returns:
        `str`: The tables, LEAST_WIDTH characters wide.
    """
    from rich.console import Console

    text = io.StringIO()
    show_inspection(inspection, every, Console(file=text, width=LEAST_WIDTH))
    return text.getvalue()


def worst_directions(inspection: Inspection) -> list[str]:
    """List up to WORST directions that findings name: by their worst finding, then by how many.

    Args:
        inspection (`Inspection`): The inspection.

    Returns:
        `list[str]`: Names of directions, the worst first; findings that are but notes do not count.
    """
    faults: dict[str, list[int]] = {}
    for finding in inspection.findings:
        for name in finding.where:
            if name in inspection.directions and finding.severity != "note":
                faults.setdefault(name, []).append(SEVERITIES.index(finding.severity))
    order = sorted(faults, key=lambda name: (min(faults[name]), -len(faults[name])))
    return order[:WORST]


def target_table(inspection: Inspection) -> Table:
    """Tabulate how many sources stand behind one sentence, all source languages together.

    Args:
        inspection (`Inspection`): The inspection.

    Returns:
        `Table`: A line for each language that is a target, before and after downsampling.
    """
    table = new_table(
        "sources behind one sentence, all directions into a language together",
        "into",
        "rows",
        "distinct",
        "sources each",
        "most",
        "rows left",
        "sources each",
        "most",
    )
    for code, now in inspection.targets.items():
        after = now["after"]
        table.add_row(
            LANGUAGES[code].name,
            f"{now['rows']:,}",
            f"{now['unique_targets']:,}",
            f"{now['sources_per_target']:.1f}",
            str(now["largest"]),
            f"{after['rows']:,}",
            f"{after['sources_per_target']:.1f}",
            str(after["largest"]),
        )
    if inspection.downsampling is None:
        table.caption = plain("no downsampling was tried")
    else:
        table.caption = plain(f"left: by downsampling with rate {inspection.downsampling['rate']:g}")
    table.caption_justify = "left"
    return table


def measure_table(title: str, measures: Mapping[str, Mapping[str, Any]]) -> Table:
    """Tabulate measures, a line for each direction or group; per cents are of its rows.

    Per cents that are 0 in every line have no column: the caption names them.

    Args:
        title (`str`): Title of the table.
        measures (`Mapping[str, Mapping[str, Any]]`): {direction or group: its `measures.measure`}.

    Returns:
        `Table`: The table, with the columns of HEADERS that say something.
    """
    table = new_table(title, "")
    table.padding = (0, 0)
    table.show_header = True
    lines = [_cells(measured) for measured in measures.values()]
    silent = {
        header
        for column_index, header in enumerate(HEADERS)
        if header.endswith("%") and all(cells[column_index] == "0" for cells in lines)
    }
    for header in HEADERS:
        if header not in silent:
            table.add_column(header, justify="right", max_width=9, min_width=6)
    for name, cells in zip(measures, lines, strict=True):
        shown = zip(HEADERS, cells, strict=True)
        table.add_row(name, *(text for header, text in shown if header not in silent))
    if silent:
        # "dupli- cates %" has its blank for a narrow heading only
        names = [header.replace("- ", "") for header in HEADERS if header in silent]
        table.caption = plain(f"0 in every line: {', '.join(names)}")
        table.caption_justify = "left"
    return table


def _cells(measured: Mapping[str, Any]) -> list[str]:
    spread = measured["length_ratio_spread"]
    percents = {
        name: _percent(measured[name] / measured["rows"]) for name in ("copies", "wrong_script", "duplicates", "hints")
    }
    return [
        f"{measured['rows']:,}",
        f"{measured['unique_targets']:,}",
        f"{measured['many_to_one']:.1f}",
        f"{measured['sources_behind']:.1f}",
        percents["copies"],
        percents["wrong_script"],
        percents["duplicates"],
        "–" if spread is None else f"{spread:.1f}",
        percents["hints"],
        f"{measured['after']['rows']:,}",
    ]


def verdict_table(inspection: Inspection) -> Table:
    """Tabulate each finding with what mends it, or that there is nothing to mend.

    Args:
        inspection (`Inspection`): The inspection.

    Returns:
        `Table`: Two lines for each finding, its severity before it.
    """
    table = new_table("verdict", "", "")
    table.columns[1].no_wrap = False
    table.columns[1].justify = "left"
    for finding in inspection.findings:
        style = STYLES[finding.severity]
        table.add_row(f"[{style}]{finding.severity}[/]", plain(finding.evidence))
        table.add_row("", plain(f"→ {finding.mend}"))
    if not inspection.findings:
        table.add_row("", "nothing to mend")
    return table


def _percent(share: float) -> str:
    """Per cent with the digits that matter; a bare 0 only where there is none."""
    percent = 100 * share
    if percent == 0 or percent >= 10:
        return f"{percent:.0f}"
    return f"{percent:.1f}" if percent >= 0.1 else "<0.1"
