"""Whether an error says that memory is used up, and what to say then."""

from __future__ import annotations

import errno

import torch
from accelerate.utils.memory import should_reduce_batch_size

from hf_miwv.common.errors import InputError

PROBE_ERRORS = (
    RuntimeError,
    MemoryError,
    ValueError,
    TypeError,
    IndexError,
    NotImplementedError,
)
"""Errors that a model may raise for a kind of pass that it was not made for."""
WORDS = ("out of memory", "not enough memory", "cannot allocate memory", "can't allocate memory")


def no_room_for_a_pass(error: BaseException, tokens: int) -> InputError:
    """Return the refusal where a model fits into memory, and not even a pass of a few tokens beside it."""
    return InputError(
        f"out of memory in a first pass of {tokens} tokens: the model fills it all "
        f"({_first_line(error)}). Give it as bfloat16 (--dtype bfloat16) or in 4 bits "
        "(--load-in-4bit), another --device, or a smaller model; or end what else holds memory"
    )


def no_room_to_load(kind: str, source: str, device: object, error: BaseException) -> InputError:
    """Make the refusal where a model does not fit into memory.

    Args:
        kind: "model", "embedder" or "adapter".
        source: its name, as it was given.
        device: where it was to go; None for the accelerator at hand, or the CPU.
        error: what loading raised.
    """
    where = "the device at hand" if device is None else f"{device}"
    advice = (
        "Give a smaller embedder, or --device cpu"
        if kind == "embedder"
        else "Give it as bfloat16 (--dtype bfloat16; in a recipe dtype: bfloat16) or in 4 bits "
        "(--load-in-4bit; load_in_4bit: true), another device, or a smaller model"
    )
    return InputError(
        f"{kind} {source!r} does not fit into the memory of {where} ({_first_line(error)}). "
        f"{advice}; or end what else holds memory"
    )


def probe_fault(error: BaseException, tokens: int) -> str:
    """Say in a line why a probing pass failed.

    Args:
        error: one of PROBE_ERRORS.
        tokens: of the pass.

    Raises:
        InputError: memory is used up, which says nothing of what the model can do.
    """
    if is_out_of_memory(error):
        raise no_room_for_a_pass(error, tokens) from error
    return _first_line(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Check whether an accelerator's memory, or this machine's, ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError) and any(words in str(error).lower() for words in WORDS):
        return True
    return should_reduce_batch_size(error)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
