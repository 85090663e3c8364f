"""The histogram of scores, with zero, the median and where a choice was cut."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE, label_counts, new_figure, save
from hf_miwv.results.score_axes import LEAST_WIDTH, MIWV_LABEL, edges_through_zero, robust_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_histogram(miwv: np.ndarray, title: str, cut: float | None, folder: Path) -> str:
    """Save `plot_histogram` as miwv_histogram.png.

    Args:
        miwv (`np.ndarray`): (n,) scores.
        title (`str`): The title.
        cut (`float`, *optional*): The lowest kept score.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    figure, _ = plot_histogram(miwv, title, cut)
    return save(figure, folder, "miwv_histogram.png")


def plot_histogram(miwv: np.ndarray, title: str, cut: float | None) -> tuple[Figure, Axes]:
    """Plot a histogram of scores, colored by sign.

    Scores beyond the axis are gray, on top of its outermost bars.

    Args:
        miwv (`np.ndarray`): (n,) scores.
        title (`str`): The title.
        cut (`float`, *optional*): The lowest kept score.

    Returns:
        `tuple[Figure, Axes]`: The figure and its axes.
    """
    # Zero is an edge: no bar mixes rows above it with rows below.
    edges = edges_through_zero(*robust_range(miwv, LEAST_WIDTH["miwv"]), len(miwv))
    counts, _ = np.histogram(miwv, edges)
    figure, axes = new_figure(
        title,
        f"Rows above zero (the worked example did not help: keep): {(miwv > 0).sum():,}  |  "
        f"below (it helped): {(miwv < 0).sum():,}",
    )
    colors = np.where(edges[:-1] >= 0, ABOVE, BELOW).tolist()
    axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colors, edgecolor="white")
    stack_outliers(axes, miwv, edges, counts)
    axes.margins(x=0.02, y=0.15)
    mark_values(axes, miwv, cut)
    axes.set_xlabel(MIWV_LABEL)
    axes.set_ylabel("rows")
    label_counts(axes)
    return figure, axes


def stack_outliers(axes: Axes, miwv: np.ndarray, edges: np.ndarray, counts: np.ndarray) -> None:
    """Stack the scores below the edges on top of the first bar, those above on top of the last.

    Args:
        axes (`Axes`): The axes; drawn on.
        miwv (`np.ndarray`): (n,) scores.
        edges (`np.ndarray`): (b + 1,) edges of the bars.
        counts (`np.ndarray`): (b,) heights of the bars.
    """
    below, above = int((miwv < edges[0]).sum()), int((miwv > edges[-1]).sum())
    if below + above == 0:
        return
    axes.bar(
        edges[[0, -2]],
        [below, above],
        np.diff(edges)[0],
        counts[[0, -1]],
        align="edge",
        color=WHOLE,
        edgecolor="white",
        label=f"rows beyond the axis: {below + above:,}",
    )


def mark_values(axes: Axes, miwv: np.ndarray, cut: float | None) -> None:
    """Draw upright lines for zero, median, mean and lowest kept score, those within the axis.

    Args:
        axes (`Axes`): The axes; drawn on.
        miwv (`np.ndarray`): (n,) scores.
        cut (`float`, *optional*): The lowest kept score.
    """
    low, high = axes.get_xlim()
    marks = [
        (0.0, "zero", "-", 1.0),
        (float(np.median(miwv)), "median {:.3f}", "--", 1.6),
        (float(miwv.mean()), "mean {:.3f}", ":", 1.6),
    ]
    if cut is not None:
        marks.append((cut, "lowest kept score {:.3f}", "-.", 1.6))
    for value, label, style, width in marks:
        if low <= value <= high:
            label = label.format(value).replace("-", "−")
            axes.axvline(value, color=INK, linestyle=style, linewidth=width, label=label)
    axes.legend(frameon=False, fontsize=9)
