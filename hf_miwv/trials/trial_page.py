"""The page of a trial, trial.html, and its picture: one file that needs nothing beside it, and runs nothing."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np

from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE, new_figure, save
from hf_miwv.common.cards.numbers import write_number
from hf_miwv.common.cards.parts import TEMPLATES, data_name, shown_name
from hf_miwv.results.methods import RANDOM_BY_LENGTH, method_words
from hf_miwv.trials.trial_record import Compared, TrialRecord
from hf_miwv.trials.trial_report import BETTER, WORSE, Measured
from hf_miwv.trials.trial_summary import comparison_cells, power_lines

PAGE, PICTURE = "trial.html", "differences.png"
COLORS = {BETTER: BELOW, WORSE: ABOVE}


def write_trial_page(run: TrialRecord, name: str, primary: Measured, folder: Path) -> None:
    """Write trial.html and its picture.

    Args:
        run (`TrialRecord`): The record (run.json).
        name (`str`): Name of the primary measurement.
        primary (`Measured`): The primary measurement, whose seeds are drawn one by one.
        folder (`Path`): The folder.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    picture = draw_differences(run, name, primary, folder)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.filters.update(number=write_number, shown_name=shown_name)
    text = environment.get_template("trial.html.jinja").render(
        run=run,
        data=data_name({"data": run["data"]}),
        picture=f"data:image/png;base64,{base64.b64encode((folder / picture).read_bytes()).decode()}",
        comparisons=[(compared["measurement"], comparison_cells(run, compared)) for compared in run["comparisons"]],
        power=power_lines(run),
        methods=[(name, method_words(name)) for name in run["settings"]["methods"] if name != RANDOM_BY_LENGTH],
    )
    (folder / PAGE).write_text(text, encoding="utf-8", newline="\n")


def draw_differences(run: TrialRecord, name: str, primary: Measured, folder: Path) -> str:
    """Draw each method's difference from its control in the primary measurement: interval, mean, and every seed.

    Args:
        run (`TrialRecord`): The record (run.json).
        name (`str`): Name of the primary measurement.
        primary (`Measured`): Its values.
        folder (`Path`): Folder of the PNG.

    Returns:
        `str`: Its name.
    """
    comparisons: list[Compared] = [part for part in run["comparisons"] if part["measurement"] == name]
    usable = primary.usable()
    better = "left" if primary.lower_is_better else "right"
    figure, axes = new_figure(
        "Does the choice teach more than chance?",
        f"{name}: each method less its control; dots: seeds; bar: 95 % interval; {better} of zero is better",
    )
    for position, compared in enumerate(comparisons):
        color = COLORS.get(compared["verdict"], WHOLE)
        seeds = (primary.values[compared["method"]] - primary.values[compared["control"]])[:, usable].mean(axis=1)
        axes.plot(compared["interval"], [position, position], color=color, linewidth=5, solid_capstyle="butt")
        axes.plot([compared["mean"]], [position], marker="|", markersize=16, markeredgewidth=2, color=INK)
        axes.plot(seeds, np.full(len(seeds), position + 0.22), ".", color=INK, markersize=6)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(comparisons)), [compared["method"] for compared in comparisons])
    axes.set_ylim(-0.6, len(comparisons) - 0.4)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color="#E3E6E8", linewidth=0.8)
    axes.set_xlabel(primary.unit)
    return save(figure, folder, PICTURE)
