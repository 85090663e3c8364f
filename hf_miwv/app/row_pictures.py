"""The histogram of all scores with one row marked in it, as an image for a page."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np

from hf_miwv.common.cards.figures import INK
from hf_miwv.results.score_histogram import plot_histogram

DOTS_PER_INCH = 110


def histogram_image(miwv: np.ndarray, score: float, row: int) -> str:
    """Draw the scores of all rows as an `img` element, with one of them marked.

    A score outside the picture, which has the middle 99 %, is marked at its edge.

    Args:
        miwv (`np.ndarray`): (n,) scores.
        score (`float`): The score to mark.
        row (`int`): Number of its row.

    Returns:
        `str`: HTML.
    """
    figure, axes = plot_histogram(miwv, "Where this row stands", None)
    low, high = axes.get_xlim()
    marked_score = min(max(score, low), high)
    label = f"row {row:,}: {score:.3f}".replace("-", "−")
    if marked_score != score:
        label += " (beyond the axis)"
    axes.axvline(marked_score, color=INK, linewidth=3, label=label)
    top = axes.get_ylim()[1]
    axes.plot([marked_score], [0.97 * top], marker="v", color=INK, markersize=13, clip_on=False)
    # The mark must not stretch the axes.
    axes.set_xlim(low, high)
    axes.set_ylim(0, top)
    axes.legend(frameon=False, fontsize=9)
    # In the page itself, as base64: the app then serves no files.
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    content = base64.b64encode(picture.getvalue()).decode()
    return f'<img class="wide" alt="Histogram of MIWV; {label}" src="data:image/png;base64,{content}">'
