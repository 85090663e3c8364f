"""The pictures of a comparison: PNGs that are the same to the byte for the same report."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE, label_log_axis, new_figure, save
from hf_miwv.results.score_axes import LEAST_WIDTH, padded_range
from hf_miwv.results.score_clouds import SHADES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

# Okabe and Ito's palette again; their yellow is too light for white paper.
SOURCE_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#4D4D4D")
LETTER, CELL, SMALL_CELL = 0.085, 0.62, 0.44  # inches
MAX_LARGE_CELLS = 12  # rankings; above, a cell has one number only
LONGEST_LABEL, LABEL_END = 44, 22  # letters


def draw_comparison(report: dict[str, Any], folder: Path) -> dict[str, list[str]]:
    """Draw the report of `comparison.compare`; return the names of the PNGs written to `folder`.

    Keyed by what they show: "overlap" and, where sources are known, "sources", one per fraction;
    "spearman" and "lengths", one each.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        folder (`Path`): Folder of the PNGs.

    Returns:
        `dict[str, list[str]]`: Kind of picture -> names.
    """
    shares = list(report["fractions"])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script the font lacks
        return {
            "overlap": [draw_overlap(report, share, folder) for share in shares],
            "spearman": [draw_correlations(report, folder)],
            "lengths": [draw_lengths(report, folder)],
            "sources": [draw_sources(report, share, folder) for share in shares] if report["sources"] else [],
        }


def percent(share: str) -> str:
    """Format a fraction in per cent.

    Args:
        share (`str`): The fraction, in decimal notation.

    Returns:
        `str`: The per cents.

    >>> [percent(share) for share in ("0.015", "1")]
    ['1.5 %', '100 %']
    """
    return f"{(100 * Decimal(share)).normalize():f} %"


def draw_overlap(report: dict[str, Any], share: str, folder: Path) -> str:
    """Draw the overlap of the choices at this fraction, as a matrix of colors and per cents.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        share (`str`): The fraction.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    part = report["fractions"][share]
    names = list(report["rankings"])
    overlap, expected = (_matrix(part[name], names) for name in ("overlap", "expected"))
    large = len(names) <= MAX_LARGE_CELLS
    figure, axes = _matrix_figure(
        f"What the choices of {percent(share)} have in common",
        "% of the choice on the left that is in the one below" + (" (small: by chance)" if large else ""),
        names,
    )
    inks = _draw_cells(axes, overlap, lambda value: f"{100 * value:.0f}", _shades(0.0), (0, 1), 0.08 * large)
    if large:
        for (row, column), value in np.ndenumerate(expected):
            if column != row:
                _write(axes, column, row + 0.27, f"{100 * value:.0f}", str(inks[row, column]), 7.5)
    _name_ticks(axes, names)
    return save(figure, folder, f"overlap_{share}.png")


def draw_correlations(report: dict[str, Any], folder: Path) -> str:
    """Draw Spearman's rank correlations as a matrix; a cell without one is left gray.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    from matplotlib.colors import LinearSegmentedColormap

    names = list(report["rankings"])
    values = _matrix(report["spearman"]["correlation"], names)
    figure, axes = _matrix_figure(
        "How alike the methods order the rows",
        "Spearman's rank correlation over rows that both score: 1 alike, −1 reversed",
        names,
    )
    colors = LinearSegmentedColormap.from_list("signs", [BELOW, "#FFFFFF", ABOVE])
    _draw_cells(axes, values, lambda value: f"{value:.2f}".replace("-", "−"), colors, (-1, 1))
    _name_ticks(axes, names)
    return save(figure, folder, "spearman.png")


def draw_lengths(report: dict[str, Any], folder: Path) -> str:
    """Draw response lengths of every choice: median, and a line from the 10 to the 90 % quantile.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    shares = list(report["fractions"])
    parts = length_parts(report)
    names = list(parts)
    figure, axes = new_figure("Response lengths of the choices", "Dot: median. Line: 10 to 90 %.")
    height = 0.28 + 0.11 * len(shares)
    # It grows with the number of lines, so that labels never overlap.
    figure.set_size_inches(max(7.2, 5 + _label_width(names)), 1.8 + height * len(names))
    axes.set_xscale("log")
    for y, name in enumerate(names):
        lines = [(share, lengths) for share, lengths in parts[name].items() if lengths["median"] is not None]
        for step, (share, lengths) in enumerate(lines):
            line_y = y + (step - (len(lines) - 1) / 2) * 0.7 / max(len(shares), 1)
            _draw_length(axes, line_y, lengths, _share_color(shares, share))
    for share in shares:
        axes.plot([], [], "o-", color=_share_color(shares, share), label=f"choice {percent(share)}")
    low, high = padded_range(np.log10(axes.dataLim.intervalx), LEAST_WIDTH["log10_tokens"])
    axes.set_xlim(10**low, 10**high)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    label_log_axis(axes)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_xlabel("response length (tokens, logarithmic)")
    axes.grid(axis="x", color="#E3E6E8", linewidth=0.8)
    return save(figure, folder, "lengths.png")


def length_parts(report: dict[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return lengths by name and fraction: all scored rows of each folder under "", then the choices.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.

    Returns:
        `dict[str, dict[str, dict[str, Any]]]`: Name -> fraction -> lengths.
    """
    several = len(report["folders"]) > 1
    whole = {
        f"{folder['name']}: all scored rows" if several else "all scored rows": {"": folder["lengths"]}
        for folder in report["folders"]
    }
    chosen = {
        name: {share: part["choices"][name]["lengths"]["chosen"] for share, part in report["fractions"].items()}
        for name in report["rankings"]
    }
    return {**whole, **chosen}


def draw_sources(report: dict[str, Any], share: str, folder: Path) -> str:
    """Draw of which sources all rows and the choices at this fraction are, as shares of a bar.

    Args:
        report (`dict[str, Any]`): The report of `comparison.compare`.
        share (`str`): The fraction.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    choices = report["fractions"][share]["choices"]
    bars = {"all rows": report["sources"], **{name: choices[name]["sources"] for name in choices}}
    names = list(report["sources"]["rows"])[: len(SOURCE_COLORS)]
    figure, axes = new_figure(
        f"Where the rows come from: choices of {percent(share)}",
        "% of the rows of each choice, by their source",
    )
    figure.set_size_inches(max(7.2, 6 + _label_width(list(bars))), 1.6 + 0.36 * len(bars))
    whole = np.array([sum(part["rows"].values()) + part["others"] for part in bars.values()])
    bar_starts = np.zeros(len(bars))
    for name, color in (*zip(names, SOURCE_COLORS, strict=False), (None, WHOLE)):
        counts = np.array([_source_rows(part, name, names) for part in bars.values()])
        if name is not None or counts.any():
            label = "others" if name is None else _short(name)
            widths = 100 * counts / whole
            axes.barh(range(len(bars)), widths, left=bar_starts, color=color, label=label, height=0.7)
            bar_starts += widths
    axes.set_xlim(0, 100)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.grid(visible=False)
    axes.set_yticks(range(len(bars)), [_short(name) for name in bars])
    axes.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_xlabel("% of rows")
    return save(figure, folder, f"sources_{share}.png")


def _source_rows(part: dict[str, Any], name: str | None, names: Sequence[str]) -> int:
    if name is not None:
        return part["rows"][name]
    return part["others"] + sum(rows for other, rows in part["rows"].items() if other not in names)


def _matrix(values: Mapping[str, Mapping[str, float | None]], names: Sequence[str]) -> np.ndarray:
    """Return (R, R) float64, None as nan."""
    return np.array([[values[row_name][column_name] for column_name in names] for row_name in names], dtype=np.float64)


def _matrix_figure(title: str, note: str, names: Sequence[str]) -> tuple[Figure, Axes]:
    figure, axes = new_figure(title, note)
    cell = CELL if len(names) <= MAX_LARGE_CELLS else SMALL_CELL
    width, label = cell * len(names), _label_width(names)
    figure.set_size_inches(max(7.2, width + label + 0.4), width + 0.75 * label + 1.0)
    axes.set_anchor("NW")  # squares under the start of the title, however few
    return figure, axes


def _draw_cells(
    axes: Axes,
    values: np.ndarray,
    write: Callable[[float], str],
    colors: Colormap,
    limits: tuple[float, float],
    lift: float = 0,
) -> np.ndarray:
    """Draw (R, R) values as colored squares with their text, nan as an empty gray one.

    The text stands `lift` cells above the middle. Returns the colors of the texts, (R, R).
    """
    axes.set_facecolor("#E3E6E8")
    image = axes.imshow(np.ma.masked_invalid(values), cmap=colors, vmin=limits[0], vmax=limits[1])
    # Relative luminance (ITU-R BT.709): white text on dark cells, dark text on light ones.
    brightness = image.to_rgba(values)[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    inks = np.where(brightness < 0.5, "white", INK)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            size = 10 if len(values) <= MAX_LARGE_CELLS else 8
            _write(axes, column, row - lift, write(value), str(inks[row, column]), size)
    return inks


def _write(axes: Axes, x: float, y: float, text: str, color: str, size: float) -> None:
    axes.text(x, y, text, ha="center", va="center", color=color, fontsize=size)


def _name_ticks(axes: Axes, names: Sequence[str]) -> None:
    positions, labels = range(len(names)), [_short(name) for name in names]
    axes.set_yticks(positions, labels)
    axes.set_xticks(positions, labels, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_xticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(names) - 1) + 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.set_axisbelow(False)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)


def _short(name: str) -> str:
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    if len(line) > LONGEST_LABEL:  # the method stands at the end
        line = f"{line[: LONGEST_LABEL - LABEL_END - 1]}…{line[-LABEL_END:]}"
    return line.replace("$", r"\$")  # else what stands between two of them is a formula


def _label_width(names: Sequence[str]) -> float:
    return LETTER * max(len(_short(name)) for name in names) + 0.3


def _draw_length(axes: Axes, y: float, lengths: dict[str, Any], color: str) -> None:
    axes.plot([lengths["quantile_10"], lengths["quantile_90"]], [y, y], color=color, linewidth=2)
    axes.plot([lengths["median"]], [y], "o", color=color, markersize=5)


def _share_color(shares: Sequence[str], share: str) -> Any:
    """Return a darker shade the larger the share; ink for "", which is all rows."""
    if share not in shares:
        return INK
    order = sorted(shares, key=Decimal).index(share)
    return _shades(0.35)(order / max(1, len(shares) - 1))


def _shades(start: float) -> Colormap:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("blues", SHADES)
    return LinearSegmentedColormap.from_list("part", shades(np.linspace(start, 1, 256)))
