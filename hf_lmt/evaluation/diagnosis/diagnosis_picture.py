"""The picture of a diagnosis: what moved by group, what outputs show, and every direction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hf_lmt.directions import parse_direction
from hf_lmt.evaluation.diagnosis.diagnose import Diagnosis
from hf_lmt.evaluation.diagnosis.scopes import scope_words
from hf_lmt.evaluation.diagnosis.thresholds import THRESHOLDS, counts_as_change
from hf_lmt.evaluation.diagnosis.words import MEASURES, METRICS, TITLES
from hf_lmt.evaluation.report.heat_maps import (
    Block,
    columns_of,
    draw_block,
    lines_of,
    save_both,
)
from hf_lmt.evaluation.report.report_figures import Figure, cells_of
from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "diagnosis"
LINE = 0.17  # inches
SMALL = 6.6  # points: shown at 1,200 pixels, the 12 inches of the picture leave 9 to such letters
RATES = 10  # that are shown
LEAST = 5.0  # points at which a direction's color is full, at least


def draw_diagnosis(diagnosis: Diagnosis, folder: Path) -> list[str]:
    """Draw the changes as PNG and SVG.

    Left, by group: the change of quality with its 95 % interval, orange where it counts as a fall;
    below it, the ten rates that moved most, before and after. Right: the change of every direction,
    and its fan-in afterwards. Of one evaluation alone: its values in place of changes.

    Args:
        diagnosis (`Diagnosis`): The diagnosis.
        folder (`Path`): The folder to write to.

    Returns:
        `list[str]`: Names of the two files in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    blocks = _blocks(diagnosis)
    lines, columns = lines_of(blocks), columns_of(blocks)
    height = max(6.0, 1.6 + len(lines) * LINE)
    figure = Canvas(figsize=(12, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    first = diagnosis.findings[0]
    heads = [
        TITLES[first.kind] + ": " + ", ".join(map(scope_words, first.where[:3])),
        *(f"marked: {mark[:130]}" for mark in diagnosis.marks),
    ]
    figure.suptitle("\n".join(heads), x=0.01, ha="left", fontsize=12, color=INK, parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1.1, 1))[0]
    quality, rates = left.subplots(2, 1)
    _draw_quality(quality, diagnosis)
    _draw_rates(rates, diagnosis)
    for panel, (axes, block) in enumerate(
        zip(right.subplots(1, len(blocks), squeeze=False, sharey=True)[0], blocks, strict=True)
    ):
        draw_block(axes, block, lines, columns, SMALL)
        axes.tick_params(axis="y", labelleft=panel == 0)
    return save_both(figure, folder, PICTURE)


def _blocks(diagnosis: Diagnosis) -> list[Block]:
    measured, compared = diagnosis.measured, diagnosis.before is not None
    quality, shared = {}, {}
    for name, changes in measured.directions.items():
        for cell in cells_of(parse_direction(name)):
            if measured.quality in changes:
                quality[cell] = Figure(changes[measured.quality].difference)
            if "fan_in" in changes:
                shared[cell] = Figure(100 * changes["fan_in"].second)
    values = [abs(change.value) for change in quality.values() if change.value is not None]
    title = METRICS[measured.quality] + (" change" if compared else "")
    return [
        Block(title, quality, 0.0, max([LEAST, *values]), diverging=compared),
        Block("shared outputs %", shared, 0.0, 20.0, color=ABOVE),
    ]


def _draw_quality(axes: Axes, diagnosis: Diagnosis) -> None:
    """Draw a point for each group with its interval."""
    compared = diagnosis.before is not None
    groups = {
        name: group_changes.changes[diagnosis.measured.quality]
        for name, group_changes in diagnosis.measured.groups.items()
        if diagnosis.measured.quality in group_changes.changes and name != "overall"
    }
    least, margin = THRESHOLDS["quality"].group, diagnosis.measured.margin
    for height, change in enumerate(groups.values()):
        falls = change.difference < 0 and counts_as_change("quality", change, False, margin)
        color = ABOVE if falls else BELOW
        axes.plot([change.interval.low, change.interval.high], [height, height], color=color, linewidth=2)
        axes.plot(change.difference, height, "o", color=color, markersize=4)
    if compared:
        axes.axvline(0, color=WHOLE, linewidth=0.8)
        axes.axvline(-least, color=ABOVE, linewidth=0.8, linestyle=":")
    title = METRICS[diagnosis.measured.quality] + (" after minus before" if compared else "")
    _style(axes, f"{title}, mean of each group with 95 % interval", list(groups))


def _draw_rates(axes: Axes, diagnosis: Diagnosis) -> None:
    """Draw a line from before to after for the rates that moved most, or that are highest."""
    rates = {
        f"{scope_words(group)}: {MEASURES[name]}": group_changes.changes[name]
        for name in MEASURES
        for group, group_changes in diagnosis.measured.groups.items()
        if "/" not in group
        and group != "overall"
        and name in group_changes.changes
        and max(group_changes.changes[name].first, group_changes.changes[name].second) >= 0.005
    }
    largest = sorted(rates, key=lambda name: -abs(rates[name].difference))[:RATES]
    shown = {name: change for name, change in rates.items() if name in largest}
    for height, change in enumerate(shown.values()):
        if diagnosis.before is not None:
            axes.plot([100 * change.first, 100 * change.second], [height, height], color=WHOLE, linewidth=1.5)
            axes.plot(100 * change.first, height, "o", color=WHOLE, markersize=4)
        axes.plot(100 * change.second, height, "o", color=ABOVE, markersize=5)
    if not shown:
        axes.set_axis_off()
        axes.set_title("outputs show nothing of note", loc="left", fontsize=9, color=INK)
        return
    legend = "gray before, orange after" if diagnosis.before is not None else "of lines"
    _style(axes, f"what outputs show, % of lines ({legend})", list(shown))
    axes.set_xlim(-3, 103)


def _style(axes: Axes, title: str, names: list[str]) -> None:
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold", color=INK)
    labels = [scope_words(name) if ":" not in name else name for name in names]
    axes.set_yticks(range(len(names)), labels, size=7)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", color="#E6E9EB", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
