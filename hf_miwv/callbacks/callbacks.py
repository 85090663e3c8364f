"""Trainer callbacks: train on the rows with the highest MIWV; watch weakness fall.

For an unmodified `transformers.Trainer`, `trl.SFTTrainer` and their subclasses:

    trainer = SFTTrainer(model=..., train_dataset=dataset, ...)
    trainer.add_callback(MIWVSelectionCallback(trainer, fraction=0.01))
    trainer.train()
"""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets import Dataset
from transformers import TrainerCallback, TrainerState

from hf_miwv.callbacks.choice_file import (
    CHOICE,
    Choice,
    Choices,
    positions,
    read_choices,
    saved_choices,
    write_choices,
)
from hf_miwv.callbacks.chosen_view import ChosenRows
from hf_miwv.callbacks.live_choice import choose_rows, quantiles
from hf_miwv.callbacks.live_scoring import LiveScorer, LiveScores
from hf_miwv.callbacks.trainer_rows import TrainerRows, read_trainer_rows, sample_rows
from hf_miwv.callbacks.training_set_checks import check_selection, check_training_set, wanted_rows
from hf_miwv.common.errors import InputError
from hf_miwv.common.runs.workspace import differing_names
from hf_miwv.common.trainer.live_trainer import checkpoint_of, log_numbers, processes_of, tokenizer_of
from hf_miwv.scoring.scoring import DEFAULT_EMBEDDER

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

logger = logging.getLogger(__name__)


class MIWVSelectionCallback(TrainerCallback):
    """Put the rows with the highest MIWV in place of `trainer.train_dataset`, when it is made.

    MIWV = L(y|x,C) - L(y|x) in mean nats per response token, with the trainer's model as it
    stands (arXiv 2511.07074); high = weak = keep. Length, steps and schedule of the training are
    those of the chosen part, whose rows keep the training set's order.

    The choice is a file, `output_dir`/miwv_choice.json, with a copy in every checkpoint. It is
    read where rows, model and settings are the same, else computed once; a resumed training gets
    the choice of its checkpoint back, and with it the same batches. Logged, to whatever
    `report_to` says: quantiles of all scores, the lowest chosen score, overlap with the last
    choice, seconds.

    Args:
        trainer (`transformers.Trainer`): A Trainer with its training set: tokenized rows or text (see
            `callbacks.rows`).
        fraction (`float | str | Decimal`): Keep floor(all rows x fraction), in decimal arithmetic; at
            least one batch.
        refresh (`str | int`, *optional*, defaults to `"never"`): "never"; "epoch": score again before
            each further epoch; N: after every N steps. New rows after N steps are trained on from the
            next batch but one (one is fetched ahead), and with `dataloader_num_workers` above 0 from
            the next epoch on.
        embedder (`str | SentenceTransformer`, *optional*, defaults to `"BAAI/bge-large-en-v1.5"`): The
            model that the neighbors are searched with: a Hub id, a folder, or a loaded
            SentenceTransformer.
        max_length (`int`, *optional*): Tokens of a sequence; by default 2,048, or the model's limit if
            that is smaller.
        batch_tokens (`int`, *optional*): Tokens of a forward pass; by default 1,024 on the CPU, else
            16,384.

    Raises:
        InputError: A trainer, setting or training set with which this cannot be done; fewer rows
            with a score than are to be kept.
    """

    def __init__(
        self,
        trainer: Any,
        fraction: float | str | Decimal,
        *,
        refresh: str | int = "never",
        embedder: str | SentenceTransformer = DEFAULT_EMBEDDER,
        max_length: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        check_training_set(trainer)
        check_selection(trainer, refresh)
        self._trainer, self._refresh = trainer, refresh
        self._size = wanted_rows(trainer, fraction)
        self._folder = Path(trainer.args.output_dir)
        self._processes = processes_of(trainer)
        rows = _read(trainer, trainer.train_dataset)
        self._keys = rows.keys
        scorer = LiveScorer(trainer, rows, embedder, max_length=max_length, batch_tokens=batch_tokens)
        self._choices = self._first_choice(scorer, str(fraction))
        # With refresh "never" the scorer is not needed again: let it go, and the tokens with it.
        self._scorer: Any = None if refresh == "never" else scorer  # it holds every row's tokens
        self._view = ChosenRows(trainer.train_dataset, self._positions(self._choices.current))
        self._between_epochs = True
        trainer.train_dataset = self._view
        self._tell_when()

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Put the choice back when a training is resumed; else begin with the first choice and log it."""
        self._between_epochs = float(state.epoch or 0).is_integer()
        if state.global_step > 0:
            self._put_back(state)
            return
        self._choices.current, self._choices.next = self._choices.first, None
        self._view.change(self._positions(self._choices.first))
        self._write(self._folder)
        log_numbers(self._trainer, self._choices.first.numbers)

    def on_epoch_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Score again where `refresh` is "epoch", and put the next choice in place between two epochs."""
        if not self._between_epochs:  # resumed within an epoch
            return
        self._between_epochs = False
        if self._refresh == "epoch" and self._choices.latest.step != state.global_step:
            self._choices.next = self._choose_again(state)
        if self._choices.next:
            self._view.change(self._positions(self._choices.next))
            self._promote()

    def on_step_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Record the next choice as the current one: the batch fetched ahead of it is used up by now."""
        if self._choices.next and not self._workers:
            self._promote()

    def on_step_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Score again after every N steps where `refresh` is N, but not after the last step."""
        step, every = state.global_step, self._refresh
        if isinstance(every, str) or step % every or step >= state.max_steps:
            return
        self._choices.next = self._choose_again(state)
        if not self._workers:
            self._view.change(self._positions(self._choices.next))
        self._write(self._folder)

    def on_epoch_end(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Note that the training stands between two epochs, where the whole choice may change."""
        self._between_epochs = True

    def on_save(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Write the choice into the checkpoint, so that a resumed training sees the same batches."""
        self._write(checkpoint_of(self._folder, state))

    @property
    def _workers(self) -> int:
        return self._trainer.args.dataloader_num_workers

    def _first_choice(self, scorer: LiveScorer, fraction: str) -> Choices:
        identity = {**scorer.identity(), "fraction": fraction}
        path = self._folder / CHOICE
        saved = self._processes.agree(read_choices(path) if self._processes.first else None)
        if saved is not None and saved.identity == identity:
            logger.info("%d of %d rows chosen, as %s has it", self._size, len(self._keys), path)
            return Choices(identity, saved.first, saved.first)
        if saved is not None:
            changed = ", ".join(differing_names(saved.identity, identity))
            logger.warning("%s is another choice (not the same: %s): not used", path, changed)
        first = self._choose(scorer(), 0)
        self._choices = Choices(identity, first, first)
        self._write(self._folder)
        return self._choices

    def _choose_again(self, state: TrainerState) -> Choice:
        choice = self._choose(self._scorer(), state.global_step, self._choices.latest)
        log_numbers(self._trainer, choice.numbers)
        return choice

    def _choose(self, scores: LiveScores, step: int, last: Choice | None = None) -> Choice:
        choice = choose_rows(scores, self._keys, self._size, step, last)
        logger.info("step %d: %d of %d rows chosen", step, self._size, len(self._keys))
        return self._processes.agree(choice)

    def _positions(self, choice: Choice) -> list[int]:
        return positions(choice.rows, self._keys, f"the choice of step {choice.step}")

    def _promote(self) -> None:
        if self._choices.next:
            self._choices.current, self._choices.next = self._choices.next, None
            self._write(self._folder)

    def _put_back(self, state: TrainerState) -> None:
        """Restore the choice of the checkpoint that is resumed, with the batch fetched ahead of it."""
        saved = self._processes.agree(saved_choices(self._folder, state) if self._processes.first else None)
        checkpoint = checkpoint_of(self._folder, state)
        if saved is None and self._refresh == "never":
            return
        if saved is None:
            raise InputError(
                f"the training goes on at step {state.global_step}, and its choice of rows is not "
                f"in {checkpoint}; resume from a checkpoint in output_dir, with its {CHOICE}, or "
                "give refresh='never'"
            )
        if len(saved.current.rows) != self._size:
            raise InputError(
                f"{checkpoint} was trained on {len(saved.current.rows)} chosen rows, and fraction "
                f"now keeps {self._size}; give the same fraction as before"
            )
        self._choices.current, self._choices.next = saved.current, saved.next
        current = self._positions(saved.current)
        # The checkpoint was saved after the next choice was made, but one batch of the current choice had
        # already been fetched ahead. Serve that batch first, as in the run that was interrupted.
        if saved.next and not self._workers:
            self._view.change(self._positions(saved.next), first_batch=current)
        else:
            self._view.change(current)
        self._write(self._folder)

    def _write(self, folder: Path) -> None:
        # One process of each disk writes; others would race for the same file.
        if self._trainer.args.should_save:
            write_choices(folder / CHOICE, self._choices)

    def _tell_when(self) -> None:
        if isinstance(self._refresh, str):
            return
        moment = "batch but one"
        if self._workers:
            moment = f"epoch on (dataloader_num_workers={self._workers}: workers hold copies)"
        level = logging.WARNING if self._workers else logging.INFO
        logger.log(level, "refresh=%d: new rows are trained on from the next %s", self._refresh, moment)


class MIWVDriftCallback(TrainerCallback):
    """Score a fixed sample of the training set at each evaluation; the training is unchanged.

    Logged, as the model learns: mean and quantiles of the sample's MIWV, both mean losses (nats
    per response token), and by how much the mean has fallen since the first measurement, which is
    made before the first step.

    Args:
        trainer (`transformers.Trainer`): A Trainer with its training set; where rows are chosen, all
            rows are sampled from.
        sample (`int`, *optional*, defaults to `200`): Rows to score, chosen by a hash of seed and row
            content; their neighbors are among them.
        seed (`int`, *optional*, defaults to `0`): Seed of the sample: another seed, other rows.
        embedder (`str | SentenceTransformer`, *optional*, defaults to `"BAAI/bge-large-en-v1.5"`): The
            model that the neighbors are searched with: a Hub id, a folder, or a loaded
            SentenceTransformer.
        max_length (`int`, *optional*): Tokens of a sequence; by default 2,048, or the model's limit if
            that is smaller.
        batch_tokens (`int`, *optional*): Tokens of a forward pass; by default 1,024 on the CPU, else
            16,384.

    Raises:
        InputError: A trainer or training set with which this cannot be done; a sample below 2.
    """

    def __init__(
        self,
        trainer: Any,
        *,
        sample: int = 200,
        seed: int = 0,
        embedder: str | SentenceTransformer = DEFAULT_EMBEDDER,
        max_length: int | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        check_training_set(trainer)
        if sample < 2:
            raise InputError(f"sample {sample}: give 2 or more rows, for one needs a neighbor")
        self._trainer = trainer
        dataset = trainer.train_dataset
        dataset = dataset.dataset if isinstance(dataset, ChosenRows) else dataset
        chosen = sample_rows(_read(trainer, dataset).keys, sample, seed)
        whole = isinstance(dataset, Dataset)
        probe = dataset.select(chosen) if whole else ChosenRows(dataset, chosen)
        self._scorer = LiveScorer(
            trainer,
            _read(trainer, probe),
            embedder,
            name="miwv_probe",
            max_length=max_length,
            batch_tokens=batch_tokens,
        )
        self._measured: int | None = None
        if trainer.args.eval_strategy == "no":
            logger.warning("eval_strategy is 'no': weakness is measured before the first step only")

    def on_train_begin(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Measure before the first step, so that the fall is counted from the untrained model."""
        if state.global_step == 0:
            self._measure(state)

    def on_evaluate(self, args: Any, state: TrainerState, control: Any, **_: Any) -> None:
        """Measure once at each evaluation, however many evaluation sets it has."""
        if state.global_step != self._measured:  # several evaluation sets are one evaluation
            self._measure(state)

    def _measure(self, state: TrainerState) -> None:
        scores = self._scorer()
        self._measured = state.global_step
        known = np.isfinite(scores.miwv)
        if not known.any():
            logger.warning("step %d: no row of the sample has a score", state.global_step)
            return
        mean = float(scores.miwv[known].mean())
        name = "miwv_probe_mean"
        first = next((entry[name] for entry in state.log_history if name in entry), mean)
        log_numbers(
            self._trainer,
            {
                name: mean,
                "miwv_probe_fall": first - mean,
                **quantiles("miwv_probe", scores.miwv),
                "miwv_probe_loss_zero_shot": float(scores.zero_shot[known].mean()),
                "miwv_probe_loss_one_shot": float(scores.one_shot[known].mean()),
                "miwv_probe_rows": int(known.sum()),
                "miwv_probe_seconds": round(scores.seconds, 3),
            },
        )


def _read(trainer: Any, dataset: Any) -> TrainerRows:
    progress = trainer.is_world_process_zero() and not trainer.args.disable_tqdm
    return read_trainer_rows(dataset, tokenizer_of(trainer), progress)
