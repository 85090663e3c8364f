"""Loss by direction at each evaluation of a training, without translating anything."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback, TrainerState

from hf_lmt.directions import Direction
from hf_lmt.training.watching.curves import draw_losses
from hf_lmt.training.watching.degeneration import loss_signs
from hf_lmt.training.watching.live_model import LiveLosses, style_of
from hf_lmt.training.watching.rounds import Rounds
from hf_lmt.training.watching.sample import Sample, choose_sample
from hf_lmt.training.watching.trainer_checks import check_best_metric, check_trainer, move_before_early_stopping
from hf_lmt.training.watching.watched_figures import logged_numbers
from hf_lmt.translation.prompt_registry import PromptStyle
from hf_miwv.common.trainer.live_trainer import log_numbers, tokenizer_of

logger = logging.getLogger(__name__)
PREFIX = "eval_loss_"


class DegenerationWatch(TrainerCallback):
    """Measure the teacher-forced loss of the same rows of each direction at every evaluation.

        L(direction) = - sum of log p(target token | prompt, target before it) / target tokens

    in nats per token; a group is the mean over its directions. The training goes on as if nothing
    had been. The numbers join the metrics of the evaluation and are logged as `eval_loss_en2x`,
    `eval_loss_x2en_low`, `eval_loss_en-kk`; the curves are `output_dir`/loss_by_group.png. A
    warning tells when the loss into English or Chinese rises while that out of it falls.

    It costs one forward pass over the rows, and sees less than `TranslationEvaluationCallback`: a
    model that has begun to ignore its source may still assign the reference a high probability.

    Args:
        trainer (`transformers.Trainer`): With a tokenizer (`processing_class`) and an `eval_strategy`.
        rows (`Dataset`): source_lang, target_lang, source, target; see `sample.choose_sample`. Not
            tokenized.
        per_direction (`int`, *optional*, defaults to `20`): Rows of each direction.
        seed (`int`, *optional*, defaults to `0`): Seed of the sample; with the same seed the same rows
            as in TranslationEvaluationCallback.
        directions (`Sequence[str]`, *optional*): Directions and patterns; by default all that the rows
            have.
        prompt (`str | PromptStyle`, *optional*): The prompt that the rows are trained with: a name in
            `prompt_registry.STYLES` or a PromptStyle.
        form (`str`, *optional*): "conversation" or "text".
        batch_tokens (`int`, *optional*): Tokens of a forward pass; by default 1,024 on the CPU, else
            16,384.

    Raises:
        InputError: A trainer, setting or rows with which this cannot be done; it names them.
    """

    def __init__(
        self,
        trainer: Any,
        rows: Dataset,
        *,
        per_direction: int = 20,
        seed: int = 0,
        directions: Sequence[str] | None = None,
        prompt: str | PromptStyle | None = None,
        form: str | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        check_trainer(trainer)
        self._sample = choose_sample(rows, per_direction, seed, directions)
        style = style_of(prompt, form, tokenizer_of(trainer))
        self._losses = LiveLosses(trainer, self._sample.rows, style, batch_tokens)
        if self._losses.too_long:
            logger.warning(
                "%d of %d evaluation rows are longer than the model's context and have no loss",
                self._losses.too_long,
                len(self._sample.rows),
            )
        keys = logged_numbers({direction: {"loss": 0.0} for direction in self._sample.directions}, ["loss"])
        check_best_metric(trainer.args, keys, [PREFIX], keys)
        self._trainer, self._rounds = trainer, Rounds()
        self._folder = Path(trainer.args.output_dir)

    @property
    def sample(self) -> Sample:
        """Return the rows that are measured."""
        return self._sample

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Move before early stopping, so that it sees the numbers of this callback."""
        move_before_early_stopping(self._trainer, self)

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Measure, add the numbers to the metrics of the evaluation, draw the curves and warn."""
        metrics: dict[str, float] = kwargs["metrics"]  # what the trainer itself goes on with
        if not self._rounds.begins(state, metrics):
            return
        began = time.perf_counter()
        values = {direction: {"loss": loss} for direction, loss in self._measure().items()}
        numbers = logged_numbers(values, ["loss"])
        signs = loss_signs(state.log_history, numbers)
        metrics |= numbers
        seconds = round(time.perf_counter() - began, 3)
        log_numbers(self._trainer, numbers | {"eval_loss_by_direction_seconds": seconds})
        if args.should_save:
            self._folder.mkdir(parents=True, exist_ok=True)
            draw_losses(state.log_history, self._folder)
        if state.is_world_process_zero:
            for sign in signs:
                logger.warning("step %d: %s", state.global_step, sign)

    def _measure(self) -> dict[Direction, float]:
        """Return the nats per target token of each direction."""
        parts: dict[Direction, list[tuple[float, int]]] = {}
        for number, part in sorted(self._losses().items()):
            parts.setdefault(self._sample.rows[number].direction, []).append(part)
        return {
            direction: math.fsum(nats for nats, _ in some) / sum(tokens for _, tokens in some)
            for direction, some in parts.items()
        }
