"""Sharding without GPUs: accelerate divides weights on accelerators only, and takes CPUs for them here."""

from __future__ import annotations

import os
from typing import Any

from accelerate.state import PartialState
from accelerate.utils import DistributedType


def take_cpus_for_gpus() -> None:
    """Let accelerate count the processes of this launch as GPUs, with gloo between them.

    Nothing else is changed: dividing, loading, saving and resuming are accelerate's, torch's and DeepSpeed's own.
    """
    os.environ["ACCELERATE_TORCH_DEVICE"] = "cpu"
    initialize = PartialState.__init__

    def initialize_as_on_gpus(self: Any, cpu: bool = False, **rest: Any) -> None:
        initialize(self, False, **rest)

    PartialState._prepare_backend = lambda self, *_: ("gloo", DistributedType.MULTI_GPU)
    PartialState.__init__ = initialize_as_on_gpus
