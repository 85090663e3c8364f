"""Figures that are the same to the byte for the same numbers."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Okabe and Ito's palette, told apart with any color vision.
ABOVE = "#D55E00"
BELOW = "#0072B2"
WHOLE = "#9AA5AE"
INK = "#222222"
CROPPED: Any = MappingProxyType({"bbox_inches": "tight", "pad_inches": 0.1})  # of savefig
DOTS_PER_INCH = 200


def new_figure(title: str, note: str) -> tuple[Figure, Axes]:
    """Make a figure of 7.2 x 4.2 inches with one set of axes, a title and a line of text below it.

    Args:
        title (`str`): The title.
        note (`str`): The line below it.

    Returns:
        `tuple[Figure, Axes]`: The figure and its axes.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.2), layout="constrained", facecolor="white")
    # Without pyplot: its global state would choose a backend, and keep every figure in memory.
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", pad=22, fontsize=13, fontweight="bold", color=INK)
    axes.annotate(note, (0, 1), (0, 7), "axes fraction", textcoords="offset points", fontsize=9, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E3E6E8", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def label_counts(axes: Axes) -> None:
    """Label the vertical axis at whole numbers, with thousands separators.

    Args:
        axes (`Axes`): The axes; changed.
    """
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def label_log_axis(axes: Axes) -> None:
    """Label the horizontal axis at 1, 2, 5, 10, ... 1k, 2k, ... tokens.

    Args:
        axes (`Axes`): The axes; changed.
    """
    from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.xaxis.set_minor_locator(NullLocator())


def save(figure: Figure, folder: Path, name: str) -> str:
    """Write the figure as a PNG without the version of matplotlib in it, cropped to its content.

    Args:
        figure (`Figure`): The figure.
        folder (`Path`): Folder of the file.
        name (`str`): Name of the file.

    Returns:
        `str`: `name`.
    """
    # matplotlib writes its version into the file, and the bytes would change with each release.
    metadata = {"Software": None}
    figure.savefig(folder / name, dpi=DOTS_PER_INCH, metadata=metadata, **CROPPED)
    return name
