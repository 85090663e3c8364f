"""The curve of the loss of a trained model, as a picture."""

from __future__ import annotations

from pathlib import Path

from hf_lmt.model_card.trained_record import TrainedRecord
from hf_miwv.common.cards.figures import BELOW, new_figure, save

CURVE = "training_curve.png"


def draw_loss(run: TrainedRecord, folder: Path) -> str:
    """Draw training_curve.png: the loss of each logged step, mean nats per labeled token.

    Args:
        run (`TrainedRecord`): The record of the training.
        folder (`Path`): The folder to write to.

    Returns:
        `str`: Name of the file in it.
    """
    from matplotlib.ticker import MaxNLocator

    note = "mean over the tokens of targets and their ends" if run["prompts"] else "mean over all tokens of the texts"
    figure, axes = new_figure("Training loss", note)
    curve = run["loss_curve"]
    marker = "." if len(curve) <= 100 else None
    axes.plot(
        [entry["step"] for entry in curve],
        [entry["loss"] for entry in curve],
        color=BELOW,
        marker=marker,
        linewidth=1.4,
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss (nats per token)")
    return save(figure, folder, CURVE)
