"""The pictures beside the data set card: PNGs that are the same to the byte for the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE, label_counts, label_log_axis, new_figure, save
from hf_miwv.results.scored_record import ScoredRecord, Statistics
from hf_miwv.results.statistics import ScoreColumns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHADES = ["#D3E6F3", "#0072B2", "#00283F"]  # few to many rows
MAX_DOTS = 4000  # above this many rows a scatter is a blot: rows are counted per hexagon instead
MIWV_LABEL = "MIWV = one-shot loss − zero-shot loss (nats per response token)"
LEAST_WIDTH = {"miwv": 0.1, "similarity": 0.02, "log10_tokens": 0.3}  # of an axis
FENCE = 4  # distances between the quartiles that an axis reaches beyond them, at most


def draw_scored(columns: ScoreColumns, folder: Path) -> list[str]:
    """Draw every scored row.

    `miwv_histogram.png`, `length_against_score.png` and, where neighbor similarities are known,
    `similarity_against_score.png`. Rows without a MIWV are left out.

    Args:
        columns (`ScoreColumns`): The scored rows.
        folder (`Path`): Folder of the PNGs.

    Returns:
        `list[str]`: Names of the PNGs; none where no row has a MIWV.
    """
    scored = columns.scored
    miwv = columns.miwv[scored]
    tokens = columns.response_tokens[scored]
    similarity = columns.neighbor_similarity[scored]
    if len(miwv) == 0:
        return []
    names = [
        draw_histogram(miwv, "MIWV of all scored rows", None, folder),
        draw_lengths_against_scores(tokens, miwv, folder),
    ]
    known = np.isfinite(similarity)
    if known.any():
        names.append(draw_similarities_against_scores(similarity[known], miwv[known], folder))
    return names


def draw_chosen(chosen: ScoreColumns, run: ScoredRecord, folder: Path) -> list[str]:
    """Draw the chosen rows.

    `miwv_histogram.png`, with the lowest kept score marked, and `length_comparison.png` where
    run["scored_run"] tells the lengths of all scored rows.

    Args:
        chosen (`ScoreColumns`): The chosen rows.
        run (`ScoredRecord`): The record of the selection.
        folder (`Path`): Folder of the PNGs.

    Returns:
        `list[str]`: Names of the PNGs.
    """
    scored = chosen.scored
    if not scored.any():
        return []
    cut = run["selection"]["lowest_kept_score"]
    names = [draw_histogram(chosen.miwv[scored], "MIWV of the chosen rows", cut, folder)]
    if run["scored_run"] is not None:
        whole = run["scored_run"]["statistics"]
        names.append(draw_length_comparison(chosen.response_tokens[scored], whole, folder))
    return names


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


def draw_length_comparison(tokens: np.ndarray, whole: Statistics, folder: Path) -> str:
    """Draw the chosen response lengths beside those of all scored rows, as `describe` counted them.

    Heights are per cent of each group's rows, in the bins of `length_histogram`.

    Args:
        tokens (`np.ndarray`): (m,) lengths of the chosen rows, in tokens.
        whole (`Statistics`): `describe` of all scored rows.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    edges = np.array(whole["response_length_histogram"]["edges"])
    all_counts = np.array(whole["response_length_histogram"]["counts"])
    counts, _ = np.histogram(tokens, edges)
    median = float(np.median(tokens))
    all_median = whole["response_tokens"]["quantiles"]["50"]
    figure, axes = new_figure(
        "Response lengths: chosen rows beside all scored rows",
        f"Median length in tokens: {median:,.0f} chosen, {all_median:,.0f} in all",
    )
    axes.set_xscale("log")
    all_label = f"all scored rows ({whole['scored']:,})"
    axes.stairs(100 * all_counts / all_counts.sum(), edges, fill=True, color=WHOLE, label=all_label)
    label = f"chosen rows ({len(tokens):,})"
    axes.stairs(100 * counts / counts.sum(), edges, color=ABOVE, linewidth=2.2, label=label)
    axes.axvline(all_median, color=INK, linestyle="--", linewidth=1.4, label="median of all")
    axes.axvline(median, color=ABOVE, linestyle="--", linewidth=1.4, label="median of chosen")
    label_log_axis(axes)
    axes.legend(frameon=False, fontsize=9)
    axes.set_xlabel("response length (tokens, logarithmic)")
    axes.set_ylabel("% of rows")
    return save(figure, folder, "length_comparison.png")


def robust_range(values: np.ndarray, least: float) -> tuple[float, float]:
    """Compute the range of an axis that a few outliers do not stretch.

    The 0.5 % and 99.5 % quantiles, which are values themselves, the outer ones. Where a tail is long, so
    that few rows would take most of the axis, the end is `FENCE` times the distance between the quartiles
    beyond them.

    Args:
        values (`np.ndarray`): (n,) values.
        least (`float`): Least width of the range.

    Returns:
        `tuple[float, float]`: Its ends.
    """
    low = float(np.quantile(values, 0.005, method="lower"))
    high = float(np.quantile(values, 0.995, method="higher"))
    first, third = np.quantile(values, [0.25, 0.75])
    if third > first:
        low = max(low, float(first - FENCE * (third - first)))
        high = min(high, float(third + FENCE * (third - first)))
    lacking = max(0.0, least - (high - low))
    return low - lacking / 2, high + lacking / 2


def padded_range(values: np.ndarray, least: float) -> tuple[float, float]:
    """Widen the `robust_range` by 4 % of its width on both sides.

    Args:
        values (`np.ndarray`): (n,) values.
        least (`float`): Least width of the robust range.

    Returns:
        `tuple[float, float]`: The ends.
    """
    low, high = robust_range(values, least)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def edges_through_zero(low: float, high: float, rows: int) -> np.ndarray:
    """Cut a range into equal bins of which zero, where within, is an edge; 10 to 80, more by rows.

    Args:
        low (`float`): Lower end.
        high (`float`): Upper end.
        rows (`int`): Number of rows.

    Returns:
        `np.ndarray`: (b + 1,) edges.
    """
    bins = int(np.clip(np.rint(4 * rows ** (1 / 3)), 10, 80))
    width = (high - low) / bins
    return np.arange(np.floor(low / width), np.floor(high / width) + 2) * width


def beyond(rows: int) -> str:
    """Write a second line for an axis label on rows beyond its ends.

    Args:
        rows (`int`): Number of these rows.

    Returns:
        `str`: The line; empty when there are none.
    """
    return f"\nrows beyond the axis, drawn at its ends: {rows:,}" if rows else ""
