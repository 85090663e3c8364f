"""Translation quality by direction at each evaluation of a training.

For an unmodified `transformers.Trainer`, `trl.SFTTrainer` and their subclasses:

    trainer = Trainer(model, arguments, collator, processing_class=tokenizer,
                      train_dataset=tokenized, eval_dataset=tokenized_dev)
    rows = Dataset.from_csv("dev.csv")  # source_lang, target_lang, source, target
    trainer.add_callback(TranslationEvaluationCallback(trainer, rows, per_direction=20))
    trainer.train()
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback, TrainerState

from hf_lmt.evaluation.metrics.judgeable import check_scorer_installed, why_not_judgeable
from hf_lmt.training.watching.curves import draw_curves
from hf_lmt.training.watching.degeneration import quality_signs
from hf_lmt.training.watching.live_model import LiveTranslator, style_of
from hf_lmt.training.watching.rounds import Rounds
from hf_lmt.training.watching.sample import Sample, choose_sample
from hf_lmt.training.watching.trainer_checks import check_best_metric, check_trainer, move_before_early_stopping
from hf_lmt.training.watching.watched_figures import (
    NAMES,
    RATES,
    Figures,
    check_watched_metrics,
    expected_keys,
    judge,
    logged_numbers,
    values_of_figures,
)
from hf_lmt.training.watching.watched_record import COPY, evaluation_record, write_record, write_whole
from hf_lmt.translation.lengths import MAX_NEW_TOKENS
from hf_lmt.translation.prompt_registry import PromptStyle
from hf_miwv.common.former_names import former_names
from hf_miwv.common.trainer.live_trainer import checkpoint_of, log_numbers, processes_of, tokenizer_of

logger = logging.getLogger(__name__)


@former_names({"beams": "num_beams"})
class TranslationEvaluationCallback(TrainerCallback):
    """Translate the same few rows of each direction at every evaluation, and judge them.

    The model translates as it stands, with adapters, in evaluation mode; the training goes on as
    if nothing had been. All processes share the work, and all get the same numbers. They join the
    metrics of the evaluation, so that `metric_for_best_model` and early stopping can go by any of
    them, and are logged to whatever `report_to` says:

    - `eval_chrf_GROUP`, `eval_bleu_GROUP`: chrF++ and BLEU, means over the directions of en2x,
      x2en, zh2x, x2zh, each of them by tier (en2x_low), zero_shot and overall;
      `eval_chrf_en-kk` of a direction;
    - `eval_off_target_GROUP` (another script), `eval_copy_GROUP`, `eval_fan_in_GROUP` (one output
      for different sources), `eval_blank_GROUP`: shares of the rows, lower is better.

    Everything counted lies in `output_dir`/evaluations/step-N.json (final.json of an evaluation
    after the training), with a copy of the latest in each checkpoint (evaluation.json), and the
    curves in `output_dir`/chrf_by_group.png and loss_by_group.png. A warning tells of signs of
    directional degeneration (`degeneration`).

    Of several evaluation sets, the numbers go with the first. An evaluation that is not called `eval`
    (another `metric_key_prefix`) is left alone.

    Args:
        trainer (`transformers.Trainer`): With a tokenizer (`processing_class`) and an `eval_strategy`.
        rows (`Dataset`): source_lang, target_lang, source, target, or translation; see
            `sample.choose_sample`. Not tokenized.
        per_direction (`int`, *optional*, defaults to `20`): Rows of each direction; with 234 directions,
            20 are 4,680 translations.
        seed (`int`, *optional*, defaults to `0`): Seed of the sample: another seed, other rows.
        directions (`Sequence[str]`, *optional*): Directions and patterns; by default all that the rows
            have.
        metrics (`Sequence[str]`, *optional*, defaults to `("chrf++", "bleu")`): Of `watched_figures.NAMES`; the
            first is watched for degeneration.
        num_beams (`int`, *optional*, defaults to `1`): Beams of the search: 1 is greedy and cheap; 5, as in
            arXiv 2511.07003, is for `hf-lmt evaluate`.
        hints (`str`, *optional*, defaults to `"none"`): As in `Translator`.
        max_new_tokens (`int`, *optional*, defaults to `512`): Tokens of a translation, at most.
        prompt (`str | PromptStyle`, *optional*): The prompt that the rows are trained with: a name in
            `prompt_registry.STYLES` or a PromptStyle.
        form (`str`, *optional*): "conversation" or "text".
        batch_tokens (`int`, *optional*): Tokens of a batch, as in `Translator`.

    Raises:
        InputError: A trainer, setting or rows with which this cannot be done; it names them; or sacreBLEU
            is not installed.
    """

    def __init__(
        self,
        trainer: Any,
        rows: Dataset,
        *,
        per_direction: int = 20,
        seed: int = 0,
        directions: Sequence[str] | None = None,
        metrics: Sequence[str] = ("chrf++", "bleu"),
        num_beams: int = 1,
        hints: str = "none",
        max_new_tokens: int = MAX_NEW_TOKENS,
        prompt: str | PromptStyle | None = None,
        form: str | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        check_trainer(trainer)
        self._metrics = check_watched_metrics(metrics)
        check_scorer_installed(self._metrics)
        self._sample = choose_sample(rows, per_direction, seed, directions)
        self._check_metrics(trainer)
        style = style_of(prompt, form, tokenizer_of(trainer))
        self._translate = LiveTranslator(
            trainer,
            self._sample.rows,
            style,
            beams=num_beams,
            hints=hints,
            max_new_tokens=max_new_tokens,
            batch_tokens=batch_tokens,
        )
        self._settings = {
            "per_direction": per_direction,
            "seed": seed,
            "metrics": list(self._metrics),
            "beams": num_beams,
            "hints": hints,
            "max_new_tokens": max_new_tokens,
            "prompt": style.name,
            "form": style.form,
            "prompt_sha256": style.sha256,
        }
        self._trainer, self._rounds = trainer, Rounds()
        self._folder = Path(trainer.args.output_dir)
        self._latest: Path | None = None
        self._ended = False
        self._processes = processes_of(trainer)

    @property
    def sample(self) -> Sample:
        """Return the rows that are translated."""
        return self._sample

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Move before early stopping, so that it sees the numbers of this callback."""
        move_before_early_stopping(self._trainer, self)
        self._ended = False

    def on_train_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Note that the training has ended: a later evaluation is written to final.json."""
        self._ended = True

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, **kwargs: Any) -> None:
        """Translate and judge, add the numbers to the metrics of the evaluation, and warn."""
        metrics: dict[str, float] = kwargs["metrics"]  # what the trainer itself goes on with
        if not self._rounds.begins(state, metrics):
            return
        began = time.perf_counter()
        translations = self._translate()
        judged = judge(self._sample.rows, translations, self._metrics) if self._processes.first else {}
        figures = self._processes.agree(judged)
        values = values_of_figures(figures)
        numbers = logged_numbers(values, [NAMES[metric] for metric in self._metrics])
        signs = quality_signs(state.log_history, numbers, NAMES[self._metrics[0]])
        seconds = time.perf_counter() - began
        metrics |= numbers
        log_numbers(self._trainer, numbers | {"eval_translation_seconds": round(seconds, 3)})
        if args.should_save:
            self._write(state, figures, signs, seconds)
        if state.is_world_process_zero:
            for sign in signs:
                logger.warning("step %d: %s", state.global_step, sign)

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Copy the latest evaluation into the checkpoint."""
        checkpoint = checkpoint_of(self._folder, state)
        if args.should_save and self._latest is not None and checkpoint.is_dir():
            write_whole(checkpoint / COPY, self._latest.read_bytes())

    def _write(self, state: TrainerState, figures: Figures, signs: list[str], seconds: float) -> None:
        record = evaluation_record(
            state.global_step,
            state.epoch,
            self._settings,
            self._sample,
            figures,
            values_of_figures(figures),
            signs,
            seconds,
        )
        self._latest = write_record(self._folder, record, self._ended)
        draw_curves(state.log_history, self._folder)

    def _check_metrics(self, trainer: Any) -> None:
        directions = self._sample.directions
        for metric in self._metrics:
            reasons = {why_not_judgeable(metric, direction.target) for direction in directions} - {None}
            for reason in sorted(map(str, reasons)):
                logger.warning("%s; its directions are left out of %s", reason, metric)
        keys, lower = expected_keys(directions, self._metrics)
        names = [*(NAMES[metric] for metric in NAMES), *RATES.values()]
        check_best_metric(trainer.args, keys, [f"eval_{name}_" for name in names], lower)
