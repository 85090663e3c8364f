"""Whether a Trainer can train on chosen rows, before anything is read or scored."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from transformers.trainer_utils import has_length

from hf_miwv.callbacks.chosen_view import ChosenRows
from hf_miwv.common.errors import InputError, did_you_mean
from hf_miwv.common.trainer.live_trainer import tokenizer_of
from hf_miwv.selection.row_choice import check_choice

REFRESHES = ("never", "epoch")
BY_LENGTH = ("group_by_length", "batch_rebalance")


def check_training_set(trainer: Any) -> None:
    """Check that the trainer has a training set of single rows and a tokenizer.

    Args:
        trainer (`transformers.Trainer`): The trainer.

    Raises:
        InputError: it has not.
    """
    dataset = trainer.train_dataset
    if dataset is None:
        raise InputError("the trainer has no training set; give it train_dataset")
    sized: bool = has_length(dataset)
    if not sized:
        raise InputError(
            "the trainer's training set is a stream without a length, and its rows cannot be "
            "ranked before they have come; spool it to Arrow first: "
            "datasets.Dataset.from_generator(lambda: iter(stream))"
        )
    if len(dataset) < 2:
        raise InputError(
            f"the training set has {len(dataset)} row{'s' * (len(dataset) != 1)}; a row is scored "
            "behind its nearest neighbor, so give at least two"
        )
    if getattr(trainer.args, "packing", False) or "seq_lengths" in dataset[0]:
        raise InputError(
            "packing has merged the rows of the training set into blocks, and a block cannot be "
            "scored as a row; set packing=False"
        )
    if tokenizer_of(trainer) is None:
        raise InputError("the trainer has no tokenizer; give it processing_class=tokenizer")


def check_selection(trainer: Any, refresh: str | int) -> None:
    """Check how often rows are chosen anew.

    Args:
        trainer (`transformers.Trainer`): The trainer.
        refresh (`str | int`): "never", "epoch" or a number of steps.

    Raises:
        InputError: a refresh that is none, or that the trainer's settings do not allow.
    """
    if isinstance(trainer.train_dataset, ChosenRows):
        raise InputError("the trainer's rows are chosen already; add one MIWVSelectionCallback")
    if isinstance(refresh, str) and refresh not in REFRESHES:
        hint = did_you_mean(refresh, REFRESHES)
        raise InputError(f"refresh {refresh!r} is not one of ours: {hint}, or a number of steps")
    if isinstance(refresh, bool) or (isinstance(refresh, int) and refresh < 1):
        raise InputError(f"refresh {refresh!r}: give never, epoch, or a number of steps above 0")
    if refresh == "never":
        return
    strategy = getattr(trainer.args, "train_sampling_strategy", None)
    if strategy in BY_LENGTH or getattr(trainer.args, "group_by_length", False):
        raise InputError(
            f"refresh {refresh!r} changes the rows, and train_sampling_strategy "
            f"{strategy or 'group_by_length'!r} goes by the lengths of the first ones; set "
            "train_sampling_strategy='random' or refresh='never'"
        )
    if trainer.args.dataloader_persistent_workers:
        raise InputError(
            f"refresh {refresh!r} changes the rows, and persistent workers keep the first ones; "
            "set dataloader_persistent_workers=False or refresh='never'"
        )


def wanted_rows(trainer: Any, fraction: float | str | Decimal) -> int:
    """Compute floor(all rows x fraction) in decimal arithmetic, as in `hf_miwv.select`.

    Args:
        trainer (`transformers.Trainer`): The trainer with its training set.
        fraction (`float | str | Decimal`): Share of all rows, in (0, 1].

    Returns:
        `int`: The number of rows.

    Raises:
        InputError: a fraction outside (0, 1], or one that keeps fewer rows than one batch takes.
    """
    check_choice(fraction, None, None)
    rows, args = len(trainer.train_dataset), trainer.args
    wanted = int(rows * Decimal(str(fraction)))
    batch = args.train_batch_size * args.world_size
    if wanted < batch:
        raise InputError(
            f"fraction {fraction} of {rows} rows keeps {wanted}, and one batch takes {batch} "
            f"(per_device_train_batch_size {args.per_device_train_batch_size}, {args.world_size} "
            f"process{'es' * (args.world_size != 1)}); give a larger fraction or a smaller "
            "per_device_train_batch_size"
        )
    return wanted
