"""Loss and translation quality by group over the steps of a training, as pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from hf_lmt.evaluation.metrics.aggregation import COLUMNS
from hf_miwv.common.cards.figures import ABOVE, BELOW, INK, WHOLE, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {
    "en2x": (BELOW, "-"),
    "x2en": (ABOVE, "-"),
    "zh2x": (BELOW, "--"),
    "x2zh": (ABOVE, "--"),
}
"""Blue out of English and Chinese, orange into them; English solid, Chinese dashed."""
LOSSES, SCORES = "loss_by_group.png", "chrf_by_group.png"

History = Sequence[Mapping[str, Any]]


def draw_curves(history: History, folder: Path) -> list[str]:
    """Draw what a Trainer has logged.

    `chrf_by_group.png`, the macro mean of chrF++ over the directions of each group, and
    `loss_by_group.png`, nats per token by group, with the losses of the training itself.
    What has not been logged is not drawn.

    Args:
        history (`Sequence[Mapping[str, Any]]`): `log_history` of a TrainerState, or of a checkpoint's
            trainer_state.json.
        folder (`Path`): Folder of the pictures.

    Returns:
        `list[str]`: Names of the PNGs written to `folder`, each whole.
    """
    return [*draw_scores(history, folder), *draw_losses(history, folder)]


def draw_scores(history: History, folder: Path) -> list[str]:
    """Draw chrF++ by group.

    Args:
        history (`Sequence[Mapping[str, Any]]`): As in `draw_curves`.
        folder (`Path`): Folder of the picture.

    Returns:
        `list[str]`: Name of the PNG; empty where no chrF++ was logged.
    """
    curves = {group: _points(history, f"eval_chrf_{group}") for group in COLUMNS}
    if not any(curves.values()):
        return []
    note = "Do the orange lines fall while the blue ones rise? Then the model may have stopped reading its source."
    label = "chrF++ (mean over directions)"
    return _draw(curves, {}, "Translation quality by direction", note, label, SCORES, folder)


def draw_losses(history: History, folder: Path) -> list[str]:
    """Draw losses by group, of training and of evaluation.

    Args:
        history (`Sequence[Mapping[str, Any]]`): As in `draw_curves`.
        folder (`Path`): Folder of the picture.

    Returns:
        `list[str]`: Name of the PNG; empty where no loss was logged.
    """
    curves = {group: _points(history, f"eval_loss_{group}") for group in COLUMNS}
    whole = {"training": _points(history, "loss"), "evaluation": _points(history, "eval_loss")}
    if not any((*curves.values(), *whole.values())):
        return []
    return _draw(
        curves,
        whole,
        "Loss by direction",
        "Teacher-forced, by group on the same held-out rows at each evaluation.",
        "loss (nats per token)",
        LOSSES,
        folder,
    )


def _draw(
    curves: Mapping[str, list[tuple[int, float]]],
    whole: Mapping[str, list[tuple[int, float]]],
    title: str,
    note: str,
    label: str,
    name: str,
    folder: Path,
) -> list[str]:
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(title, note)
    for kind, color in zip(whole, (WHOLE, INK), strict=False):
        _line(axes, whole[kind], kind, color, "-" if kind == "training" else ":", 1.4)
    for group, points in curves.items():
        _line(axes, points, group, *LINES[group], 2.2)
    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    axes.margins(x=0.02, y=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, handlelength=3.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    with TemporaryDirectory(dir=folder, prefix=".drawing-") as draft:
        save(figure, Path(draft), name)
        os.replace(Path(draft) / name, folder / name)
    return [name]


def _line(axes: Axes, points: list[tuple[int, float]], label: str, color: str, style: str, width: float) -> None:
    if points:
        steps, values = zip(*points, strict=True)
        marker = "o" if len(points) < 30 and width > 2 else ""
        axes.plot(steps, values, style, color=color, linewidth=width, label=label, marker=marker, markersize=4)


def _points(history: History, key: str) -> list[tuple[int, float]]:
    """Return step and value, the first one logged at a step: a later one is of the best model, loaded."""
    value_by_step = {entry["step"]: float(entry[key]) for entry in reversed(history) if key in entry}
    return sorted(value_by_step.items())
