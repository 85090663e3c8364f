"""The histogram of all scores with one row's place in it, as an image for a page."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np

from hf_miwv.common.cards.figures import INK
from hf_miwv.results.score_pictures import plot_histogram

DOTS_PER_INCH = 110


def histogram_image(miwv: np.ndarray, score: float, row: int) -> str:
    """An `img` element: the (n,) scores of all rows, and where `score` of row number `row` lies.

    A score outside the picture, which has the middle 99 %, is marked at its edge.
    """
    figure, axes = plot_histogram(miwv, "Where this row stands", None)
    low, high = axes.get_xlim()
    place = min(max(score, low), high)
    label = f"row {row:,}: {score:.3f}".replace("-", "−")
    if place != score:
        label += " (beyond the axis)"
    axes.axvline(place, color=INK, linewidth=3, label=label)
    top = axes.get_ylim()[1]
    axes.plot([place], [0.97 * top], marker="v", color=INK, markersize=13, clip_on=False)
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    axes.legend(frameon=False, fontsize=9)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    content = base64.b64encode(picture.getvalue()).decode()
    return f'<img class="wide" alt="Histogram of MIWV; {label}" src="data:image/png;base64,{content}">'
