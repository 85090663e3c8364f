"""The section `evaluation:` of a recipe, and the callbacks that it stands for."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any

from hf_lmt.recipes.evaluation_section import watching_settings
from hf_miwv.common.errors import InputError

if typing.TYPE_CHECKING:
    from datasets import Dataset
    from transformers import TrainerCallback

    from hf_lmt.translation.prompt_registry import PromptStyle


def callbacks_from(
    section: Mapping[str, Any],
    trainer: Any,
    rows: Dataset,
    *,
    prompt: str | PromptStyle | None = None,
    form: str | None = None,
) -> list[TrainerCallback]:
    """Return the callbacks that the section asks for, in the order in which to add them to the trainer.

    Args:
        section (`Mapping[str, Any]`): The section `evaluation` of a recipe.
        trainer (`Trainer`): The trainer.
        rows (`Dataset`): The rows of the section's `sets`, before they are tokenized.
        prompt (`str | PromptStyle`, *optional*): The prompt that the rows are trained with.
        form (`str`, *optional*): Its form.

    Returns:
        `list[TrainerCallback]`: The callbacks.

    Raises:
        InputError: faults of the section, or what the callbacks refuse; early stopping without
            metric_for_best_model.
    """
    from hf_lmt.training.watching.degeneration_watch import DegenerationWatch
    from hf_lmt.training.watching.early_stopping import EarlyStopping
    from hf_lmt.training.watching.evaluation_callback import TranslationEvaluationCallback

    settings = watching_settings(section)
    shared: dict[str, Any] = {
        "per_direction": settings.per_direction,
        "seed": settings.seed,
        "directions": settings.directions,
        "prompt": prompt,
        "form": form,
    }
    callbacks: list[TrainerCallback] = []
    if settings.losses:
        callbacks.append(DegenerationWatch(trainer, rows, **shared))
    if settings.translate:
        callbacks.append(
            TranslationEvaluationCallback(
                trainer,
                rows,
                metrics=settings.metrics,
                num_beams=settings.num_beams,
                hints=settings.hints,
                max_new_tokens=settings.max_new_tokens,
                batch_tokens=settings.batch_tokens,
                **shared,
            )
        )
    if settings.early_stopping is not None:
        if trainer.args.metric_for_best_model is None:
            raise InputError(
                "evaluation: early_stopping goes by metric_for_best_model, which is not given; "
                "give it, such as eval_chrf_x2en, with load_best_model_at_end: true"
            )
        callbacks.append(EarlyStopping(settings.early_stopping))
    return callbacks
