"""The heat map of an inspection: directions x measures, a block for each kind of direction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hf_lmt.data.inspection.inspect import Inspection
from hf_lmt.data.inspection.inspection_verdict import LIMITS, MANY_SOURCES
from hf_lmt.data.inspection.measures import KINDS, kind_of
from hf_lmt.directions import parse_direction
from hf_lmt.registry import LANGUAGES, PIVOTS
from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "inspection.png"
CELL, LINE = 0.47, 0.165  # inches: width and height of a cell
SMALL = 6.5  # points: shown at 1,200 pixels, the picture leaves 9 to such letters
ABREAST = 2  # blocks; more would not fit a screen
TITLES = {
    "en2x": "English into",
    "zh2x": "Chinese into",
    "x2en": "into English from",
    "x2zh": "into Chinese from",
    "other": "other directions",
}


class Measure(NamedTuple):
    """Describe a column of the picture.

    A fault is orange, the darker the worse; an amount is blue.

    Attributes:
        label (`str`): Its title.
        name (`str`): Name of the measure.
        share (`bool`): Whether it is a count that is shown as a share of the rows.
        full (`float`, *optional*): Value at which its color is full; None for an amount, full at the largest in
            the picture.
    """

    label: str
    name: str
    share: bool
    full: float | None = None


MEASURES = (
    Measure("rows", "rows", False),
    Measure("rows per target", "many_to_one", False, LIMITS["repeated_targets"].severe),
    Measure("sources behind", "sources_behind", False, MANY_SOURCES),
    Measure("copies %", "copies", True, LIMITS["copies"].severe),
    Measure("other script %", "wrong_script", True, LIMITS["wrong_script"].severe),
    Measure("duplicates %", "duplicates", True, LIMITS["duplicates"].severe),
    Measure("length spread", "length_ratio_spread", False, LIMITS["misaligned"].severe),
    Measure("hints %", "hints", True),
    Measure("left", "after", False),
)


def draw_inspection(inspection: Inspection, folder: Path) -> str:
    """Draw every direction's measures as a PNG.

    A block for each kind of direction, a line for each language, the tiers apart. Each column has a scale of its own:
    faults turn orange up to their limit for "severe", amounts blue up to the largest in the picture; the number is in
    the cell. A language that other blocks have and this one lacks stays empty.

    Args:
        inspection (`Inspection`): The inspection.
        folder (`Path`): The folder to write to.

    Returns:
        `str`: Name of the file in it.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    blocks = _blocks(inspection)
    measures, folded = _shown_measures(inspection)
    lines = max(len(names) for names in blocks.values())
    across = min(ABREAST, len(blocks))
    down = -(-len(blocks) // across)
    width = 0.9 + across * (len(measures) * CELL + 0.9)
    height = 0.3 + down * (1.2 + lines * LINE)
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{inspection.rows:,} rows in {len(inspection.directions)} directions{folded}",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    largest = {
        name: max(measured["rows"] for measured in inspection.directions.values()) for name in ("rows", "after")
    }
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(blocks) :]:
        axes.set_axis_off()
    for axes, (kind, names) in zip(panels, blocks.items(), strict=False):
        _draw_block(axes, [inspection.directions.get(name) for name in names.values()], measures, largest)
        axes.set_ylim(len(names) - 0.5, len(names) - lines - 0.5)  # languages at one height
        _label(axes, TITLES[kind], list(names), measures)
    return save(figure, folder, PICTURE)


def _shown_measures(inspection: Inspection) -> tuple[list[Measure], str]:
    """Return the measures that some direction has a value other than 0 of; the others in words."""
    shown = [
        measure
        for measure in MEASURES
        if any(_value(measured, measure) for measured in inspection.directions.values())
    ]
    folded = [measure.label for measure in MEASURES if measure not in shown]
    return shown, f"\n0 everywhere: {', '.join(folded)}" if folded else ""


def _blocks(inspection: Inspection) -> dict[str, dict[str, str]]:
    """Return {kind: {label of a line: its direction}}, for kinds that are there; by tier, then code."""
    parsed = {name: parse_direction(name) for name in inspection.directions}
    kinds = {name: kind_of(direction) for name, direction in parsed.items()}
    codes = {code for name, two in parsed.items() if kinds[name] != "other" for code in two}
    blocks: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        if kind not in kinds.values():
            continue
        if kind == "other":
            blocks[kind] = {name: name for name in parsed if kinds[name] == kind}
            continue
        from_pivot, pivot = kind.endswith("2x"), kind.strip("x2")
        pairs = {
            code: f"{pivot}-{code}" if from_pivot else f"{code}-{pivot}"
            for code in LANGUAGES
            if code in codes - {pivot}
        }
        between = PIVOTS if not from_pivot else ()
        blocks[kind] = {code: name for code, name in pairs.items() if code not in between}
    return blocks


def _draw_block(
    axes: Axes,
    measured: list[Mapping[str, Any] | None],
    measures: Sequence[Measure],
    largest: Mapping[str, int],
) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    faults, amounts = (
        LinearSegmentedColormap.from_list(name, ["#FFFFFF", color])
        for name, color in (("faults", ABOVE), ("amounts", BELOW))
    )
    colors = np.ones((len(measured), len(measures), 4))
    for line_index, measured_line in enumerate(measured):
        for column_index, measure in enumerate(measures):
            if measured_line is None:
                colors[line_index, column_index] = (0.93, 0.94, 0.94, 1)
                continue
            value = _value(measured_line, measure)
            part = _part(value, measure, largest)
            colors[line_index, column_index] = amounts(0.6 * part) if measure.full is None else faults(part)
            axes.text(
                column_index, line_index, _write(value, measure), ha="center", va="center", size=SMALL, color=INK
            )
    axes.imshow(colors, aspect="auto", interpolation="nearest")


def _value(measured: Mapping[str, Any], measure: Measure) -> float | None:
    value = measured["after"]["rows"] if measure.name == "after" else measured[measure.name]
    return value / measured["rows"] if measure.share else value


def _part(value: float | None, measure: Measure, largest: Mapping[str, int]) -> float:
    """Return how much of its full color a cell has; what a sound direction has by right is white."""
    if value is None:
        return 0.0
    if measure.full is None:
        return value if measure.share else value / largest[measure.name]
    least = 0.0 if measure.share else 1.0
    if measure.name == "length_ratio_spread":
        least = LIMITS["misaligned"].warning - 1
    return float(np.clip((value - least) / (measure.full - least), 0, 1))


def _write(value: float | None, measure: Measure) -> str:
    if value is None:
        return "–"
    if measure.share:
        percent = 100 * value
        return "0" if not percent else f"{percent:.0f}" if percent >= 10 else f"{percent:.1f}"
    if measure.name in ("many_to_one", "sources_behind", "length_ratio_spread"):
        return f"{value:.1f}"
    return f"{value:,.0f}" if value < 100_000 else f"{value / 1000:,.0f}k"


def _label(axes: Axes, title: str, lines: list[str], measures: Sequence[Measure]) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(measures)), [measure.label for measure in measures], size=7)
    axes.tick_params(axis="x", rotation=40, length=0)
    for label in axes.get_xticklabels():
        label.set_horizontalalignment("left")
        label.set_rotation_mode("anchor")
    axes.set_yticks(range(len(lines)), lines, size=7)
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    tiers = [LANGUAGES[line].tier if line in LANGUAGES else "" for line in lines]
    for line_index in range(1, len(lines)):
        if tiers[line_index] != tiers[line_index - 1]:
            axes.axhline(line_index - 0.5, color=INK, linewidth=0.8)
