"""The curve of the loss or reward of a trained model, as a picture."""

from __future__ import annotations

from pathlib import Path

from hf_lmt.model_card.trained_record import TrainedRecord
from hf_miwv.common.cards.figures import BELOW, new_figure, save

CURVE = "training_curve.png"


def draw_loss(run: TrainedRecord, folder: Path) -> str:
    """Draw training_curve.png: of each logged step the loss, mean nats per labeled token, or the mean reward.

    Args:
        run (`TrainedRecord`): The record of the training.
        folder (`Path`): The folder to write to.

    Returns:
        `str`: Name of the file in it.
    """
    from matplotlib.ticker import MaxNLocator

    if "rewards" in run:
        measure, label, curve = "reward", "reward", run["reward_curve"]
        figure, axes = new_figure("Reward", "mean over the completions that the model wrote at each step")
    else:
        measure, label, curve = "loss", "loss (nats per token)", run["loss_curve"]
        whole = "mean over all tokens of the texts"
        note = "mean over the tokens of targets and their ends" if run["prompts"] else whole
        figure, axes = new_figure("Training loss", note)
    marker = "." if len(curve) <= 100 else None
    axes.plot(
        [entry["step"] for entry in curve],
        [entry[measure] for entry in curve],
        color=BELOW,
        marker=marker,
        linewidth=1.4,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(label)
    return save(figure, folder, CURVE)
