"""What became of the arms of directions.py: curves by group, and a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_miwv.common.cards.figures import DOTS_PER_INCH

MEASURES = {
    "chrf": "chrF++",
    "loss": "loss",
    "off_target": "off-target",
    "fan_in": "fan-in",
    "copy": "copied",
    "blank": "blank",
}


class Arm(NamedTuple):
    """What differs from one training to the next."""

    rate: float
    hints: bool
    seed: int

    @property
    def name(self) -> str:
        return f"rate={self.rate:g},hints={'on' if self.hints else 'off'},seed={self.seed}"


Point = tuple[str, str, str, int, float]  # arm, measure, group, step, value


def points_of(results: dict[str, Any]) -> Iterator[Point]:
    """What was logged of each group, the first value of a step: a resumed run evaluates again."""
    seen = set()
    for entry in results["evaluations"]:
        for name in MEASURES:
            for group in (*COLUMNS, "overall"):
                key = (name, group, entry["step"])
                if f"eval_{name}_{group}" in entry and key not in seen:
                    seen.add(key)
                    yield Arm(**results["arm"]).name, *key, entry[f"eval_{name}_{group}"]


def write_curves(points: Sequence[Point], folder: Path) -> None:
    """curves.csv: every point; curves.png: chrF++ by group, a line for each arm."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with open(folder / "curves.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("arm", "measure", "group", "step", "value"), *points])
    figure = Figure(figsize=(10, 7), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    for position, group in enumerate(COLUMNS, start=1):
        axes = figure.add_subplot(2, 2, position)
        for arm in dict.fromkeys(point[0] for point in points):
            curve = sorted(point[3:] for point in points if point[:3] == (arm, "chrf", group))
            if curve:
                axes.plot(*zip(*curve, strict=True), marker="o", markersize=3, label=arm)
        axes.set_title(group, loc="left")
        axes.set_xlabel("step")
        axes.set_ylabel("chrF++")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, frameon=False, loc="outside lower center", ncols=2)
    figure.savefig(folder / "curves.png", dpi=DOTS_PER_INCH, metadata={"Software": None})


def report(folder: Path) -> None:
    """A line for each arm that is done; the curves beside it."""
    paths = sorted((folder / "results").glob("*.json"))
    results = [json.loads(path.read_text("utf-8")) for path in paths]
    results.sort(key=lambda result: tuple(result["arm"].values()))
    if not results:
        return
    points = [point for result in results for point in points_of(result)]
    write_curves(points, folder)
    first = results[0]
    print(
        f"{first['model']}, {first['tuning']} tuning, {first['steps']} steps, on "
        f"{first['device']}; torch {first['versions']['torch']}, transformers "
        f"{first['versions']['transformers']}, trl {first['versions']['trl']}. chrF++ on held-out"
        " lines, start → end (the best on the way).\n"
    )
    rates = ("off_target", "fan_in", "copy")
    titles = ["arm", "rows", "epochs", *COLUMNS, *(f"{MEASURES[rate]}, all" for rate in rates), "seconds"]
    print(f"| {' | '.join(titles)} |\n|{'---|' * len(titles)}")
    for result in results:
        name = Arm(**result["arm"]).name
        cells = [
            name,
            f"{result['rows']['used']:,}",
            f"{result['epochs']:.1f}",
            *(_movement(points, name, "chrf", group) for group in COLUMNS),
            *(_movement(points, name, rate, "overall") for rate in rates),
            f"{result['seconds']:.0f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _movement(points: Sequence[Point], arm: str, measure: str, group: str) -> str:
    curve = sorted(point[3:] for point in points if point[:3] == (arm, measure, group))
    if not curve:
        return "–"
    if measure != "chrf":
        return f"{curve[0][1]:.1%} → {curve[-1][1]:.1%}"
    return f"{curve[0][1]:.1f} → {curve[-1][1]:.1f} ({max(value for _, value in curve):.1f})"
