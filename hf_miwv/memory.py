"""Whether an error says that memory is used up."""

from __future__ import annotations

import torch
from accelerate.utils.memory import should_reduce_batch_size

from hf_miwv.errors import InputError


def no_room_for_a_pass(error: BaseException, tokens: int) -> InputError:
    """The refusal where a model fits into memory, and not even a pass of a few tokens beside it."""
    return InputError(
        f"out of memory in a first pass of {tokens} tokens: the model fills it all "
        f"({str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__}). "
        "Give it as bfloat16 (--dtype bfloat16) or in 4 bits (--load-in-4bit), another --device, "
        "or a smaller model; or end what else holds memory"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Of an accelerator's memory, or of this machine's."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return should_reduce_batch_size(error)
