"""The picture of curation: rows of each direction before and after."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_miwv.common.cards.figures import BELOW, DOTS_PER_INCH, INK, WHOLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "directions.png"
OTHER = "other"
GROUPS = ("en-*", "zh-*", "*-en", "*-zh", OTHER)
LABELED = 0.005  # share taken from which on it stands over the bar


def grouped(directions: Mapping[str, Any]) -> dict[str, list[str]]:
    """Group the directions by GROUPS, each in one: en-zh with those from English, zh-en from Chinese.

    Args:
        directions (`Mapping[str, Any]`): Names of directions, such as "en-kk", as keys.

    Returns:
        `dict[str, list[str]]`: {group: names}, in the order of GROUPS; groups without a direction are left out.
    """
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for name in directions:
        source, target = name.split("-")
        fitting = [f"{source}-*", f"*-{target}", OTHER]
        groups[next(group for group in fitting if group in groups)].append(name)
    return {group: members for group, members in groups.items() if members}


def draw_directions(directions: Mapping[str, Mapping[str, int]], path: Path) -> None:
    """Draw bars of each direction's rows before and after, a row of bars for each group, as a PNG.

    Args:
        directions (`Mapping[str, Mapping[str, int]]`): {direction: {"in": rows, "out": rows}}.
        path (`Path`): Where to write it; the same to the byte for the same rows.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    groups = grouped(directions)
    widest = max(map(len, groups.values()))
    width = min(14.0, max(7.2, 2 + 0.2 * widest))
    figure = Figure((width, 1 + 2.0 * len(groups)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    before, after = (sum(rows[key] for rows in directions.values()) for key in ("in", "out"))
    figure.suptitle(
        f"Rows before and after curation: {before:,} and {after:,}",
        x=0.01,
        ha="left",
        fontsize=13,
        fontweight="bold",
        color=INK,
    )
    panels = figure.subplots(len(groups), 1, squeeze=False)[:, 0]
    for axes, (group, members) in zip(panels, groups.items(), strict=True):
        _draw_group(axes, group, {name: directions[name] for name in members}, widest)
    panels[0].legend(frameon=False, fontsize=8, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    # Without the version of Matplotlib in it, the file is the same to the byte on other machines.
    figure.savefig(path, dpi=DOTS_PER_INCH, metadata={"Software": None})


def _draw_group(axes: Axes, group: str, directions: Mapping[str, Mapping[str, int]], widest: int) -> None:
    from hf_miwv.common.cards.figures import label_counts

    before, after = (np.array([rows[key] for rows in directions.values()]) for key in ("in", "out"))
    positions = np.arange(len(before))
    axes.bar(positions, before, 0.8, color=WHOLE, alpha=0.55, label="before")
    axes.bar(positions, after, 0.5, color=BELOW, label="after")
    for position, (first, left) in enumerate(zip(before, after, strict=True)):
        if first and (rejected_share := (first - left) / first) >= LABELED:
            axes.annotate(
                f"−{rejected_share:.0%}" if rejected_share >= 0.095 else f"−{rejected_share:.1%}",
                (position, first),
                (0, 2),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=6,
                rotation=90,
                color=INK,
            )
    axes.set_xlim(-0.8, widest - 0.2)
    axes.margins(y=0.3)
    axes.set_title(f"{group} ({len(before)} directions)", loc="left", fontsize=9, color=INK)
    axes.set_xticks(positions, [_tick(group, name) for name in directions], fontsize=6, rotation=90)
    axes.set_ylabel("rows", fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    label_counts(axes)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E3E6E8", linewidth=0.8)
    axes.set_axisbelow(True)


def _tick(group: str, name: str) -> str:
    """Return the language that a group's directions differ in; else the direction."""
    source, target = name.split("-")
    return {"en-*": target, "zh-*": target, "*-en": source, "*-zh": source}.get(group, name)
