"""The parts of a running Trainer that callbacks use: tokenizer, logs, processes, its model undisturbed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Trainer, TrainerState
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from hf_miwv.common.runs.processes import Processes


def tokenizer_of(trainer: Any) -> Any:
    """Return the trainer's tokenizer, also where it stands inside a processor.

    Args:
        trainer (`transformers.Trainer`): The trainer.

    Returns:
        `PreTrainedTokenizerBase`: The tokenizer.
    """
    processor = trainer.processing_class
    return getattr(processor, "tokenizer", processor)


def checkpoint_of(folder: Path, state: TrainerState) -> Path:
    """Return the folder in which the Trainer saves this state.

    Args:
        folder (`Path`): The trainer's output folder.
        state (`TrainerState`): Its state.

    Returns:
        `Path`: The checkpoint's folder.
    """
    return folder / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"


def log_numbers(trainer: Any, numbers: Mapping[str, float]) -> None:
    """Log numbers beside the trainer's own entries.

    A subclass's `log` would empty its running metrics into this entry, and any entry takes the turn of
    the one that is due.

    Args:
        trainer (`transformers.Trainer`): The trainer.
        numbers (`Mapping[str, float]`): Name of each number -> number.
    """
    due = trainer.control.should_log
    Trainer.log(trainer, dict(numbers))
    trainer.control.should_log = due


REPACKS = "support_avx512bf16_for_cpu"  # of bitsandbytes' 4-bit layers


def processes_of(trainer: Any) -> Processes:
    """Return the processes that train together.

    Args:
        trainer (`transformers.Trainer`): The trainer.

    Returns:
        `Processes`: This process and the others.
    """
    return Processes(trainer.accelerator.process_index, trainer.accelerator.num_processes)


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Run the model without a trace in the training: random states are put back, 4-bit weights not repacked.

    On some CPUs bitsandbytes repacks 4-bit weights in the first pass in evaluation mode, and from
    then on no gradient passes through them.

    Args:
        model (`PreTrainedModel`): The model that is being trained.
    """
    states = random.getstate(), np.random.get_state()
    repacking = [module for module in model.modules() if getattr(module, REPACKS, False)]
    devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    with torch.random.fork_rng(devices):
        try:
            for module in repacking:
                setattr(module, REPACKS, False)
            yield
        finally:
            for module in repacking:
                setattr(module, REPACKS, True)
            random.setstate(states[0])
            np.random.set_state(states[1])
