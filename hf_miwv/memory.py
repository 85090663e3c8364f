"""Whether an error says that memory is used up."""

from __future__ import annotations

import torch
from accelerate.utils.memory import should_reduce_batch_size


def is_out_of_memory(error: BaseException) -> bool:
    """Of an accelerator's memory, or of this machine's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return should_reduce_batch_size(error)
