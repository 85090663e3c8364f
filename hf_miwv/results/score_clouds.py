"""Scores against lengths and similarities: dots, or hexagons where there are many, with running quartiles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, label_log_axis, new_figure, save
from hf_miwv.results.score_axes import LEAST_WIDTH, beyond, padded_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHADES = ["#D3E6F3", "#0072B2", "#00283F"]  # few to many rows
MAX_DOTS = 4000  # above this many rows a scatter is a blot: rows are counted per hexagon instead


def draw_lengths_against_scores(tokens: np.ndarray, miwv: np.ndarray, folder: Path) -> str:
    """Draw response lengths, on a logarithmic axis, against scores.

    Args:
        tokens (`np.ndarray`): (n,) lengths, in tokens.
        miwv (`np.ndarray`): (n,) scores.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    figure, axes = new_figure(
        "Response length against score",
        "Are the highest scores simply short, or long, answers? Then the lines rise at that end.",
    )
    axes.set_xscale("log")
    shown = np.log10(tokens)
    x_limits = 10 ** np.array(padded_range(shown, LEAST_WIDTH["log10_tokens"]))
    draw_cloud(axes, tokens, miwv, x_limits)
    label_log_axis(axes)
    axes.set_xlabel("response length (tokens, logarithmic)")
    return save(figure, folder, "length_against_score.png")


def draw_similarities_against_scores(similarity: np.ndarray, miwv: np.ndarray, folder: Path) -> str:
    """Draw cosines of row and neighbor against scores.

    Args:
        similarity (`np.ndarray`): (n,) cosines.
        miwv (`np.ndarray`): (n,) scores.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    figure, axes = new_figure(
        "Similarity of the worked example against score",
        "Does a closer worked example lower the loss? Then the lines fall to the right.",
    )
    draw_cloud(axes, similarity, miwv, padded_range(similarity, LEAST_WIDTH["similarity"]))
    axes.set_xlabel("cosine similarity of the row's prompt and its neighbor's")
    return save(figure, folder, "similarity_against_score.png")


def draw_cloud(axes: Axes, values: np.ndarray, miwv: np.ndarray, x_limits: Any) -> None:
    """Draw points, as dots when few and counted per hexagon when many, with running quantiles.

    The horizontal axis must already have its scale. Points beyond the limits are drawn at them, and
    counted in the label of the other axis.

    Args:
        axes (`Axes`): The axes; drawn on.
        values (`np.ndarray`): (n,) horizontal positions.
        miwv (`np.ndarray`): (n,) scores, the vertical positions.
        x_limits (`Any`): Ends of the horizontal axis.
    """
    low, high = padded_range(miwv, LEAST_WIDTH["miwv"])
    # Clipped, not left out: a dot at the border says that there is more beyond it.
    points = np.clip(values, *x_limits), np.clip(miwv, low, high)
    outside = (points[0] != values) | (points[1] != miwv)
    axes.set_xlim(*x_limits)
    axes.set_ylim(low, high)
    if len(values) <= MAX_DOTS:
        size = 14 if len(values) <= 1000 else 7
        axes.scatter(*points, s=size, color=BELOW, alpha=0.45, linewidths=0, clip_on=False)
    else:
        draw_hexagons(axes, *points)
    axes.axhline(0, color=INK, linewidth=1)
    draw_running_quantiles(axes, values, miwv)
    axes.set_ylabel("MIWV (nats per response token)" + beyond(int(outside.sum())))


def draw_hexagons(axes: Axes, values: np.ndarray, miwv: np.ndarray) -> None:
    """Draw the number of rows per hexagon, in shades of blue on a logarithmic scale.

    Args:
        axes (`Axes`): The axes, with their limits; drawn on.
        values (`np.ndarray`): (n,) horizontal positions.
        miwv (`np.ndarray`): (n,) scores, the vertical positions.
    """
    from matplotlib.colors import LinearSegmentedColormap

    limits = np.array(axes.get_xlim())
    scale: Literal["log", "linear"] = "log" if axes.get_xscale() == "log" else "linear"
    extent = np.log10(limits) if scale == "log" else limits
    # On a linear scale of color a few crowded hexagons would leave all others blank.
    hexagons = axes.hexbin(
        values,
        miwv,
        gridsize=(48, 24),
        xscale=scale,
        extent=(*extent, *axes.get_ylim()),
        bins="log",
        mincnt=1,
        cmap=LinearSegmentedColormap.from_list("blues", SHADES),
        linewidths=0.1,
    )
    bar = axes.figure.colorbar(hexagons, ax=axes, pad=0.02)
    bar.set_label("rows per hexagon")
    bar.outline.set_visible(False)


def draw_running_quantiles(axes: Axes, x_values: np.ndarray, miwv: np.ndarray) -> None:
    """Draw lines through the `running_quantiles`, where there are at least two groups.

    Args:
        axes (`Axes`): The axes; drawn on.
        x_values (`np.ndarray`): (n,) horizontal positions.
        miwv (`np.ndarray`): (n,) scores, the vertical positions.
    """
    from matplotlib.patheffects import Normal, Stroke

    centers, (low, median, high) = running_quantiles(x_values, miwv)
    if len(centers) < 2:
        return
    for values, style, width, label in (
        (median, "-", 2.2, "running median"),
        (high, "--", 1.4, "running 10 % and 90 % quantile"),
        (low, "--", 1.4, None),
    ):
        # A white rim keeps the lines readable over the dots.
        halo = [Stroke(linewidth=width + 2, foreground="white"), Normal()]
        axes.plot(centers, values, style, color=ABOVE, linewidth=width, label=label, path_effects=halo)
    axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=9)


def running_quantiles(x_values: np.ndarray, y_values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute quantiles of y in groups of near x.

    There are up to 20 groups of about n / 20 rows, or of about 30 where that is more. Rows of equal x
    are never parted, so there may be fewer groups.

    Args:
        x_values (`np.ndarray`): (n,) values to group by.
        y_values (`np.ndarray`): (n,) values.

    Returns:
        `tuple[np.ndarray, np.ndarray]`: (g,) the middle x of each group, and (3, g) the 10, 50 and 90 %
        quantiles of y.
    """
    wanted = min(20, max(1, len(x_values) // 30))
    inner = np.unique(np.percentile(x_values, np.linspace(0, 100, wanted + 1)[1:-1]))
    group = np.searchsorted(inner, x_values, side="left")
    members = [group == number for number in np.unique(group)]
    centers = np.array([np.median(x_values[member]) for member in members])
    return centers, np.array([np.percentile(y_values[member], (10, 50, 90)) for member in members]).T
