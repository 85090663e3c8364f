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
    from matplotlib.figure import Figure

LINES = {
    "en2x": (BELOW, "-"),
    "x2en": (ABOVE, "-"),
    "zh2x": (BELOW, "--"),
    "x2zh": (ABOVE, "--"),
}
"""Blue out of English and Chinese, orange into them; English solid, Chinese dashed."""
LOSSES, SCORES = "loss_by_group.png", "chrf_by_group.png"
REWARDS, GATES = "reward_by_group.png", "gates.png"
RATES = {"rollouts/no_spread": "no spread", "rollouts/off_target": "off target", "rollouts/fan_in": "fan-in"}
"""Shares of a generation that are better when lower -> what they are called in the picture of the gates."""

History = Sequence[Mapping[str, Any]]
Points = list[tuple[int, float]]


def draw_curves(history: History, folder: Path) -> list[str]:
    """Draw what a Trainer has logged.

    `chrf_by_group.png`, the macro mean of chrF++ over the directions of each group, and
    `loss_by_group.png`, nats per token by group, with the losses of the training itself; of a training by rewards
    those of `draw_rewards` in the place of losses. What has not been logged is not drawn.

    Args:
        history (`Sequence[Mapping[str, Any]]`): `log_history` of a TrainerState, or of a checkpoint's
            trainer_state.json.
        folder (`Path`): Folder of the pictures.

    Returns:
        `list[str]`: Names of the PNGs written to `folder`, each whole.
    """
    rewards = draw_rewards(history, folder)
    return [*draw_scores(history, folder), *(rewards or draw_losses(history, folder))]


def draw_rewards(history: History, folder: Path) -> list[str]:
    """Draw `reward_by_group.png` and `gates.png` of a training by rewards; [] where none was logged.

    Args:
        history (`History`): As in `draw_curves`.
        folder (`Path`): Where the pictures go.

    Returns:
        `list[str]`: Names of the PNGs.
    """
    curves = {group: _points(history, f"rollouts/reward/{group}") for group in COLUMNS}
    whole = {"training": _points(history, "reward"), "evaluation": _points(history, "eval_reward")}
    if not whole["training"]:
        return []
    note = "Mean over the completions sampled at each step; evaluation: the same on held-out rows."
    pictures = _draw(curves, whole, "Reward by direction", note, "reward", REWARDS, folder)
    gates = sorted({key for entry in history for key in entry if key.startswith("gate/")})
    rates = {key.removeprefix("gate/"): _points(history, key) for key in gates}
    shares = {words: _points(history, key) for key, words in RATES.items()}
    return [*pictures, *_draw_rates(rates, shares, folder)]


def _draw_rates(gates: Mapping[str, Points], shares: Mapping[str, Points], folder: Path) -> list[str]:
    """Draw the share of completions that each gate lets pass (solid), and what should stay low (dotted)."""
    note = "Solid: completions that a gate lets pass. Dotted: better when lower; without spread nothing is learned."
    figure, axes = new_figure("Gates and behavior while it trains", note)
    for index, (name, points) in enumerate(gates.items()):
        _line(axes, points, name, f"C{index}", "-", 1.6)
    for (name, points), color in zip(shares.items(), (INK, WHOLE, ABOVE), strict=True):
        _line(axes, points, name, color, ":", 1.6)
    axes.set_ylim(-0.02, 1.02)
    return _finish(figure, axes, "share of completions", GATES, folder)


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
    curves: Mapping[str, Points],
    whole: Mapping[str, Points],
    title: str,
    note: str,
    label: str,
    name: str,
    folder: Path,
) -> list[str]:
    figure, axes = new_figure(title, note)
    for kind, color in zip(whole, (WHOLE, INK), strict=False):
        _line(axes, whole[kind], kind, color, "-" if kind == "training" else ":", 1.4)
    for group, points in curves.items():
        _line(axes, points, group, *LINES[group], 2.2)
    axes.margins(x=0.02, y=0.08)
    return _finish(figure, axes, label, name, folder)


def _finish(figure: Figure, axes: Axes, label: str, name: str, folder: Path) -> list[str]:
    """Name the axes, add the legend beside them, and put the picture in place as a whole."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("training step")
    axes.set_ylabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize=9, handlelength=3.5, loc="center left", bbox_to_anchor=(1.0, 0.5))
    with TemporaryDirectory(dir=folder, prefix=".drawing-") as draft:
        save(figure, Path(draft), name)
        os.replace(Path(draft) / name, folder / name)
    return [name]


def _line(axes: Axes, points: Points, label: str, color: str, style: str, width: float) -> None:
    if points:
        steps, values = zip(*points, strict=True)
        marker = "o" if len(points) < 30 and width > 2 else ""
        axes.plot(steps, values, style, color=color, linewidth=width, label=label, marker=marker, markersize=4)


def _points(history: History, key: str) -> Points:
    """Return step and value, the first one logged at a step: a later one is of the best model, loaded."""
    value_by_step = {entry["step"]: float(entry[key]) for entry in reversed(history) if entry.get(key) is not None}
    return sorted(value_by_step.items())
