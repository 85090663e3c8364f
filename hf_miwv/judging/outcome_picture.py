"""The picture of a comparison: wins, ties and losses of each test set as one bar."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_miwv.common.cards.figures import ABOVE, BELOW, WHOLE, new_figure, save

MAX_SETS = 12  # bars that can be told apart; beyond, only the one of all pairs


def draw_outcomes(scores: Mapping[str, Any], folder: Path) -> list[str]:
    """Draw run["scores"]; return the name of the PNG written to `folder`, none without a verdict.

    A bar is the judged pairs of a test set in shares; all pairs together stand on top.

    Args:
        scores (`Mapping[str, Any]`): run["scores"].
        folder (`Path`): Folder of the PNG.

    Returns:
        `list[str]`: Its name; empty without a verdict.
    """
    bars = {"all": scores["all"]}
    if len(scores["sets"]) <= MAX_SETS:
        bars |= scores["sets"]
    bars = {name: counts for name, counts in bars.items() if counts["judged"]}
    if not bars:
        return []
    figure, axes = new_figure("A against B", "Pairs judged in both orders; in the bars: pairs")
    labels = [f"{name[:30]}\n{counts['win_score']:.3f}" for name, counts in bars.items()]
    bar_starts = [0.0] * len(bars)
    for part, color in (("wins", BELOW), ("ties", WHOLE), ("losses", ABOVE)):
        counts = [bar[part] for bar in bars.values()]
        shares = [bar[part] / bar["judged"] for bar in bars.values()]
        drawn = axes.barh(labels, shares, left=bar_starts, color=color, label=f"{part} of A")
        axes.bar_label(drawn, [f"{count:,}" if count else "" for count in counts], label_type="center")
        bar_starts = [start + share for start, share in zip(bar_starts, shares, strict=True)]
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the judged pairs; under each name: win score, 1 is parity")
    axes.legend(frameon=False, fontsize=9, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    return [save(figure, folder, "outcomes.png")]
