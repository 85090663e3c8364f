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
    """The trainer's tokenizer, also where it stands inside a processor."""
    processor = trainer.processing_class
    return getattr(processor, "tokenizer", processor)


def checkpoint_of(folder: Path, state: TrainerState) -> Path:
    """Where the Trainer saves this state."""
    return folder / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"


def log_numbers(trainer: Any, numbers: Mapping[str, float]) -> None:
    """Log beside the trainer's own entries: a subclass's `log` would empty its running metrics
    into this one, and any entry takes the place of the one that is due."""
    due = trainer.control.should_log
    Trainer.log(trainer, dict(numbers))
    trainer.control.should_log = due


REPACKS = "support_avx512bf16_for_cpu"  # of bitsandbytes' 4-bit layers


def processes_of(trainer: Any) -> Processes:
    """The processes that train together."""
    return Processes(trainer.accelerator.process_index, trainer.accelerator.num_processes)


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Random states are put back afterwards, and 4-bit weights are not repacked meanwhile.

    On some CPUs bitsandbytes repacks 4-bit weights in the first pass in evaluation mode, and from
    then on no gradient passes through them.
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
